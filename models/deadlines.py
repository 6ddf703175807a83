"""Which requests have run out of time. Pure; knows nothing of queues or timers.

Requests lie in buckets of a few milliseconds, so that adding and discarding cost the same however many there are: a
heap would keep each finished request until its time limit, which at 40,000 requests a second and a limit of a minute
is 2.4 million of them.
"""

from __future__ import annotations

import heapq

from .request import NEVER, Request

_BUCKETS_PER_S = 128
_SWEEP_AT_LEAST = 8192  # buckets: a minute's worth; above, empty ones are swept away when their number has doubled


class Deadlines:
    """Requests by the time at which they expire."""

    __slots__ = ("_buckets", "_order", "_sweep_at")

    def __init__(self) -> None:
        self._buckets: dict[int, set[Request]] = {}
        self._order: list[int] = []  # a heap of the buckets' numbers
        self._sweep_at = _SWEEP_AT_LEAST

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def __bool__(self) -> bool:
        return bool(self._order)  # perhaps only empty buckets: cheap, and on the safe side

    def add(self, request: Request) -> None:
        """Watch a request; one without a time limit is not kept."""
        if request.deadline == NEVER:
            return
        number = int(request.deadline * _BUCKETS_PER_S)
        bucket = self._buckets.get(number)
        if bucket is not None:
            bucket.add(request)
            return
        if len(self._buckets) >= self._sweep_at:
            self._sweep()
        self._buckets[number] = {request}
        heapq.heappush(self._order, number)

    def discard(self, request: Request) -> None:
        """Forget a request that has its answer."""
        if request.deadline != NEVER:
            bucket = self._buckets.get(int(request.deadline * _BUCKETS_PER_S))
            if bucket is not None:
                bucket.discard(request)

    def expired(self, now: float, most: int) -> list[Request]:
        """Take out requests whose time limit has passed, at most so many."""
        late: list[Request] = []
        while self._order and self._order[0] <= now * _BUCKETS_PER_S and len(late) < most:
            bucket = self._buckets[self._order[0]]
            gone = [request for request in bucket if request.deadline <= now][: most - len(late)]
            bucket.difference_update(gone)
            late += gone
            if bucket:
                break  # the rest of this bucket is not late yet, or for the next time
            del self._buckets[heapq.heappop(self._order)]
        return late

    def next_check(self) -> float:
        """Return when to ask again, ``NEVER`` when nothing is watched; empty buckets are dropped on the way."""
        while self._order and not self._buckets[self._order[0]]:
            del self._buckets[heapq.heappop(self._order)]
        return (self._order[0] + 1) / _BUCKETS_PER_S if self._order else NEVER

    def _sweep(self) -> None:
        self._buckets = {number: bucket for number, bucket in self._buckets.items() if bucket}
        self._order = sorted(self._buckets)
        self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self._buckets))
