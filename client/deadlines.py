"""What has run out of time: a heap with lazy removal. Pure; it knows no timers and decides nothing."""

from __future__ import annotations

import heapq
from itertools import count
from typing import Generic, TypeVar

from .exchange import Awaited, Phase

A = TypeVar("A", bound=Awaited)

_SLACK = 1024


class Deadlines(Generic[A]):
    """What is awaited, by the time at which it has to be looked at.

    Finished ones are left in the heap until they come up, or until they outnumber the others: then all of them are
    removed at once. So an entry costs O(log n), amortised, and memory stays proportional to what is unfinished.
    """

    __slots__ = ("_heap", "_live_limit", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, A]] = []
        self._order = count()  # they have no order among themselves
        self._live_limit = _SLACK

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, when: float, awaited: A) -> None:
        """Look at something at ``when``, unless it is finished by then."""
        if len(self._heap) >= self._live_limit:
            self._sweep()
        heapq.heappush(self._heap, (when, next(self._order), awaited))

    def due(self, now: float) -> list[A]:
        """Take out what is unfinished and whose time has come."""
        late = []
        while self._heap and self._heap[0][0] <= now:
            awaited = heapq.heappop(self._heap)[2]
            if awaited.phase is not Phase.FINISHED:
                late.append(awaited)
        return late

    def next_due(self) -> float | None:
        """Return when ``due`` has to be called, or None when nothing is watched."""
        while self._heap and self._heap[0][2].phase is Phase.FINISHED:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].phase is not Phase.FINISHED]
        heapq.heapify(self._heap)
        self._live_limit = 2 * len(self._heap) + _SLACK
