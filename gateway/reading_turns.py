"""Whose bytes are read in which turn of the loop: the queues of those that had to wait. Knows connections by one method.

A flooding connection never has the loop to itself: it reads a little, goes to the end of the line, and everybody else has
a turn before its next. One callback of the loop serves the whole line (see ``turn_budget`` for how far).

Bound: each connection stands in line once, and is not read from meanwhile once it has some bytes.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from .turn_budget import NEW_S, OLD_S, TurnBudget

if TYPE_CHECKING:
    from collections.abc import Callable

_NOTED_S = 0.0005  # so much is carried over into the next turn at most; it saves a callback in each quiet turn


class Reader(Protocol):
    """A connection that waits for its turn."""

    def read_on(self, now: float, until: float) -> None:
        """Read until ``until``; may stand in line again."""


class ReadingTurns:
    """The line, and what is left of the turn's time."""

    __slots__ = ("_call_soon", "_clock", "_new", "_old", "_scheduled", "budget")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], clock: Callable[[], float] = time.monotonic) -> None:
        self.budget = TurnBudget()
        self._call_soon = call_soon
        self._clock = clock
        self._new: deque[Reader] = deque()
        self._old: deque[Reader] = deque()
        self._scheduled = False

    def wait(self, reader: Reader, *, new: bool) -> None:
        """Stand in line; ``new`` if nothing was read from it in this turn."""
        (self._new if new else self._old).append(reader)
        self._schedule()

    def spend(self, seconds: float, frames: int = 0) -> None:
        """Count the time that reading took, and the frames."""
        self.budget.spend(seconds, frames)
        if not self._scheduled and self.budget.spent > _NOTED_S:
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self.budget.renew()
        self._serve(self._new, NEW_S)
        self._serve(self._old, OLD_S)
        if self._new or self._old:
            self._schedule()

    def _serve(self, line: deque[Reader], most_s: float) -> None:
        """Serve a line up to a time, each reader once; those that stand in line anew are for the next turn."""
        for _ in range(len(line)):
            now = self._clock()
            until = self.budget.until(now, most_s)
            if until <= now:
                return
            line.popleft().read_on(now, until)
