"""Waiting for something that only the other end of a socket can bring about, and not waiting where nothing is gained by it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tidegate.client.backoff import Backoff
from tidegate.client.connection import Connection
from tidegate.client.options import Options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tidegate.client.testing import FakeGateway


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something holds; the test's own time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0.001)


class Soon:
    """Jitter that waits for next to nothing."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return almost the lower end."""
        return 0.001


@asynccontextmanager
async def connected(gateway: FakeGateway, **options: Any) -> AsyncIterator[Connection]:
    """Connect with a back-off that does not slow the tests down."""
    gw = Connection(gateway.url, Options(**options), Backoff(Soon()))
    await gw.open()
    try:
        yield gw
    finally:
        await gw.close()
