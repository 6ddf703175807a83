"""A gateway in the test's own process, on uvloop, under the detector of blocking calls: for looking inside."""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvloop
from blockbuster import blockbuster_ctx

from tidegate.gateway.gateway import Gateway
from tidegate.gateway.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

LIMIT_S = 40.0


def on_uvloop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test on the loop that the gateway uses; blocking calls and forgotten exceptions fail it."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        mishaps: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: mishaps.append(context))
            with blockbuster_ctx():
                runner.run(asyncio.wait_for(test(*args, **kwargs), LIMIT_S))
        assert not mishaps, mishaps

    return run


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Gateway]:
    """Run a gateway on a free port."""
    async with Gateway(Settings(port=0, **settings)) as gateway:
        yield gateway


async def eventually(condition: Callable[[], Any], timeout_s: float = 15.0) -> Any:
    """Look until a condition holds; fail when it does not in time."""
    async with asyncio.timeout(timeout_s):
        while not (found := condition()):  # noqa: ASYNC110 - what is looked at sets no event
            await asyncio.sleep(0.005)
    return found


async def ended(gateway: Gateway, reason: str, count: int = 1) -> None:
    """Wait until so many connections have ended for a reason."""
    await eventually(lambda: gateway.metrics.connections_closed.values[reason] >= count)
