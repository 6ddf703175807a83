"""Calls that are spread over turns of the event loop, so that thousands of them do not hold it. Knows not what they do.

Bound: whoever adds calls keeps count of them; a turn makes as many, in order, as fit into its share of time.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable

_TURN_S = 0.001

_log = logging.getLogger("tidegate.gateway")


class Turns:
    """Calls that are due, made in order, a millisecond in each turn of the loop; one at least."""

    __slots__ = ("_calls", "_loop", "_scheduled")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Callable[[], object]] = deque()
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, calls: Iterable[Callable[[], object]]) -> None:
        """Make calls soon: after those that were added before, and not before the next turn of an idle loop."""
        self._calls.extend(calls)
        self._schedule()

    def _schedule(self) -> None:
        if self._calls and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        calls = self._calls
        until = time.monotonic() + _TURN_S
        while calls:
            try:
                calls.popleft()()
            except Exception:
                _log.exception("a connection could not be looked after")
            if time.monotonic() >= until:
                break
        self._scheduled = False
        self._schedule()
