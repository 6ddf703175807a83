"""When the process collects all of its garbage: rarely while it is asked for anything, and soon when it is not.

With some thousand streams a full collection stops the event loop for 20 ms, and by Python's own rule there is one every few
seconds of load. Most garbage is found by the collections of what is young, which stay as they are. It knows neither streams nor
connections, only a number that grows when somebody asks.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

_UNDER_LOAD = 100  # collections of the middle generation, each after 7,000 objects more that hold others
_LOOK_S = 1.0


def _pending() -> int:
    return gc.get_count()[2]


class Garbage:
    """Collects everything in a second in which nobody asks, if there may be anything.

    Args:
        asked: how often somebody has asked.
        pending: how many collections of the middle generation there were since the last full one.
        collect: makes a full one.
    """

    def __init__(
        self, asked: Callable[[], int], pending: Callable[[], int] = _pending, collect: Callable[[], int] = gc.collect
    ) -> None:
        self._asked = asked
        self._pending = pending
        self._collect = collect
        self._before = asked()

    def look(self) -> None:
        """Collect, if nobody has asked since the last look."""
        before, self._before = self._before, self._asked()
        if before == self._before and self._pending():
            self._collect()

    def start(self, loop: AbstractEventLoop) -> None:
        """Leave the objects that there are to themselves, since they stay for good, and look from now on."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*gc.get_threshold()[:2], _UNDER_LOAD)
        self._schedule(loop)

    def _schedule(self, loop: AbstractEventLoop) -> None:
        loop.call_later(_LOOK_S, self._again, loop)

    def _again(self, loop: AbstractEventLoop) -> None:
        self.look()
        self._schedule(loop)
