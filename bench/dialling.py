"""Opens many links at once and waits for them, with time limits; what every load process shares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from .link import Link, handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OPEN_TIMEOUT_S = 10.0
DRAIN_TIMEOUT_S = 30.0

LinkT = TypeVar("LinkT", bound=Link)


async def dial(url: str, count: int, make: Callable[[bytes], LinkT], failures: list[str]) -> list[LinkT]:
    """Open ``count`` links; ``make`` makes one from the opening handshake.

    Raises:
        SystemExit: one of them was not opened in time.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    opening = handshake(host, port, parts.path or "/")
    loop = asyncio.get_running_loop()
    links = [(await loop.create_connection(lambda: make(opening), host, port))[1] for _ in range(count)]
    await finished((link.opened for link in links), OPEN_TIMEOUT_S, "opened", failures)
    if failures:
        raise SystemExit(f"bench: {failures[0]}")
    return links


async def finished(futures: Iterable[asyncio.Future[None]], limit_s: float, what: str, failures: list[str]) -> None:
    """Wait for all of them, and note how many were not done in time."""
    _, pending = await asyncio.wait(list(futures), timeout=limit_s)
    if pending:
        failures.append(f"{len(pending)} connections were not {what} within {limit_s:.0f} s")
