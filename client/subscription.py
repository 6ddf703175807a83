"""A subscription as the program sees it: events to iterate over. It knows nothing of how they travel."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Self, get_args

from tidegate.codecs.parts import Conflation
from tidegate.codecs.topics import PATTERN_RULES, is_pattern

from .feed import Feed

if TYPE_CHECKING:
    from types import TracebackType

    from .driver import Driver
    from .events import Event


class Bell:
    """Wakes whoever waits."""

    __slots__ = ("_waiter",)

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake whoever waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Wait for it; cancelling is safe. Only one may wait."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter


class Subscription:
    """The events of all topics that a pattern means; made by ``Connection.subscribe``, for ``async for``.

    It begins when it is first used, and ends when the program lets it go, with ``close``, or with ``async with``. It outlives
    its connection: on the next one the last event of each topic comes, unless it came before.

    Attributes:
        pattern: what it subscribes to.
    """

    def __init__(self, driver: Driver, pattern: str, overflow: Conflation) -> None:
        if not is_pattern(pattern):
            raise ValueError(f"{pattern!r} is no pattern: expected {PATTERN_RULES}")
        if overflow not in get_args(Conflation):
            raise ValueError(f"overflow must be one of {', '.join(get_args(Conflation))}, not {overflow!r}")
        self.pattern = pattern
        self._driver = driver
        self._bell = Bell()
        self._feed = Feed(pattern, overflow, self._bell.ring)
        self._end: weakref.finalize[..., Subscription] | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Return the next event; cancelling is safe.

        Raises:
            Forbidden: this client may not subscribe to it.
            Overloaded: the gateway has too many subscriptions, or this connection has.
            ConnectionLost: the connection was closed.
        """
        self._begin()
        while not self._closed:
            event = self._feed.take()
            if event is not None:
                return event
            if self._feed.ended is not None:
                raise self._feed.ended
            await self._bell.wait()
        raise StopAsyncIteration

    def close(self) -> None:
        """End it; a loop over it ends, too."""
        self._closed = True
        if self._end is not None and self._end.detach() is not None:
            _remove(self._driver, self._feed)
        self._bell.ring()

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Subscription to {self.pattern!r}{' closed' if self._closed else ''}>"

    def _begin(self) -> None:
        if self._end is None and not self._closed:
            self._driver.session.check_not_closed()
            self._driver.session.subscriptions.add(self._feed)
            self._driver.act()
            # A loop that is left says nothing: the subscription then simply is not there any more.
            self._end = weakref.finalize(self, _let_go, self._driver, self._feed)


def _let_go(driver: Driver, feed: Feed) -> None:
    """End a subscription that is not there any more, on whatever thread the collector runs."""
    with suppress(RuntimeError):  # the loop is closed
        driver.loop.call_soon_threadsafe(_remove, driver, feed)


def _remove(driver: Driver, feed: Feed) -> None:
    driver.session.subscriptions.remove(feed)
    driver.act()
