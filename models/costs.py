"""What a batch of each size costs, learned while it runs, and how large a batch is still worth it.

Pure; knows nothing of queues or models. Sizes are gathered in buckets that are powers of two (a batch of 33 to 64 rows
counts for 64), since single sizes are seen too rarely to be told from noise. Each bucket keeps an exponentially
weighted mean of the seconds per row. The cap is the smallest bucket within two per cent of the best rate: beyond it
rows per second do not rise any more, and a larger batch would only make everybody in it wait longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WEIGHT = 0.1  # of a new measurement
_PLENTY = 0.98  # of the best rate is as good as the best
_EXPLORE_EVERY = 128  # full batches, then one of the next larger bucket is tried: a bucket spoilt by noise recovers

_HANDING_OVER_S = 20e-6  # what a batch costs beside its run: two thread switches, and a write for each connection
_REFLECT_EVERY = 8  # measurements


def _bucket(size: int) -> int:
    return (size - 1).bit_length()


class Costs:
    """Learned cost per batch size of one model."""

    __slots__ = ("_cap", "_full", "_largest", "_observed", "_per_row", "_sizes")

    def __init__(self, sizes: Sequence[int], measured_s: Mapping[int, float]) -> None:
        """Start from what was measured at load.

        Args:
            sizes: the batch sizes that may be used, ascending, with 1 among them.
            measured_s: seconds of a run, for some of them.
        """
        self._sizes = tuple(sizes)
        self._largest = {_bucket(size): size for size in self._sizes}  # usable size of each bucket
        self._per_row: dict[int, float] = {}
        self._full = 0
        self._observed = 0
        for size in sorted(measured_s):
            self._per_row[_bucket(size)] = (
                measured_s[size] + _HANDING_OVER_S
            ) / size  # the largest size of a bucket stands for it
        self._cap = self._find_cap()

    def observe(self, size: int, seconds: float) -> None:
        """Learn from a run of ``size`` rows that took ``seconds``."""
        bucket, per_row = _bucket(size), (seconds + _HANDING_OVER_S) / size
        known = self._per_row.get(bucket)
        self._per_row[bucket] = per_row if known is None else known + _WEIGHT * (per_row - known)
        if size >= self._cap:
            self._full += 1
        self._observed += 1
        if self._observed % _REFLECT_EVERY == 0:
            self._cap = self._find_cap()

    def estimate_s(self, rows: int) -> float:
        """Return the seconds that a run of so many rows is expected to take; 0 when nothing is known."""
        bucket = _bucket(rows)
        known_s = self._per_row.get(bucket)
        if known_s is not None:
            return known_s * rows
        if not self._per_row:
            return 0.0
        nearest = min(self._per_row, key=lambda known: (abs(known - bucket), -known))
        return self._per_row[nearest] * rows

    def cap(self) -> int:
        """Return the largest batch that is worth it now."""
        if self._full >= _EXPLORE_EVERY:
            self._full = 0
            return next((size for size in reversed(self._sizes) if size <= 2 * self._cap), 1)
        return self._cap

    def best_rate(self) -> float:
        """Return the rows per second of the best bucket; 0 when nothing is known."""
        return 1.0 / min(self._per_row.values()) if self._per_row else 0.0

    def _find_cap(self) -> int:
        if not self._per_row:
            return self._sizes[-1]
        enough = min(self._per_row.values()) / _PLENTY
        bucket = min([known for known, per_row in self._per_row.items() if per_row <= enough])
        return self._largest[bucket]
