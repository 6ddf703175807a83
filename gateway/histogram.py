"""A histogram that is cheap to fill: a list of counters, found by bisection. It knows neither labels nor Prometheus."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Histogram:
    """Counts of values up to each bound, and their sum.

    Attributes:
        bounds: upper bounds, ascending; a value equal to a bound belongs to it.
        counts: one number for each bound and one for what is above all of them; not cumulative.
        total: sum of the values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_many(self, values: Sequence[float]) -> None:
        """Count values that belong together; cheap when they are near each other, as waits of one batch are."""
        if len(values) < 2:
            for value in values:
                self.observe(value)
            return
        bounds, counts = self.bounds, self.counts
        first, last = bisect_left(bounds, min(values)), bisect_left(bounds, max(values))
        self.total += sum(values)
        if first == last:
            counts[first] += len(values)
            return
        for value in values:
            counts[bisect_left(bounds, value, first, last)] += 1

    def buckets(self) -> list[tuple[float, int]]:
        """Give (upper bound, how many values up to it), the last bound being infinite; safe on any thread."""
        return list(zip((*self.bounds, math.inf), accumulate(self.counts.copy()), strict=True))
