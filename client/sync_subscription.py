"""Subscriptions without ``await``: the synchronous twin of ``subscription``. It has no logic of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from .events import Event
    from .subscription import Subscription
    from .sync_stream import Loop

_LOOK_S = 1.0  # so that a program that waits can be interrupted, and notices that the loop is gone


class SyncSubscription:
    """The events of all topics that a pattern means, for ``for``. See ``Subscription`` for what it promises.

    Attributes:
        pattern: what it subscribes to.
    """

    def __init__(self, loop: Loop, subscription: Subscription) -> None:
        self.pattern = subscription.pattern
        self._loop = loop
        self._subscription = subscription

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while True:
            ended, event = self._loop.run(_next(self._subscription), _LOOK_S)
            if ended:
                raise StopIteration
            if event is not None:
                return event

    def close(self) -> None:
        """End it."""
        self._loop.call(self._subscription.close)

    def __enter__(self) -> Self:
        self._loop.run(self._subscription.__aenter__(), _LOOK_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Sync{repr(self._subscription)[1:]}"


async def _next(subscription: Subscription) -> tuple[bool, Event | None]:
    """Return whether it has ended, and the next event if there is one soon."""
    try:
        return False, await asyncio.wait_for(anext(subscription), _LOOK_S)
    except TimeoutError:
        return False, None
    except StopAsyncIteration:
        return True, None
