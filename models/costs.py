"""What a batch of each size costs, learned while it runs, and how large a batch is still worth it.

Pure; knows nothing of queues or models. A cost is the product of two things that are learned. Seconds per row by size:
sizes are gathered in buckets that are powers of two (a batch of 33 to 64 rows counts for 64), since single sizes are seen
too rarely to be told from noise; each bucket keeps a slow exponentially weighted mean, and between the full sizes of two
buckets cost is taken to rise on a straight line. And a factor by batch key: keys differ in shape, and a row of 500 tokens
costs more than one of 5; it follows quickly, so that it also tells what the machine is able to do at the moment.

The cap is the smallest bucket within two per cent of the best rate: beyond it rows per second do not rise any more, and a
larger batch would only make everybody in it wait longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

_WEIGHT = 0.1  # of a new measurement, for its size
_KEY_WEIGHT = 0.2  # and for its key
_KEYS = 1024  # remembered factors; at the bound all are forgotten
_OUTLIER = 4.0  # a run that took longer than this, compared with what was expected, counts as if it took this
_PLENTY = 0.98  # of the best rate is as good as the best
_EXPLORE_EVERY = 128  # full batches, then one of the next larger bucket is tried: a bucket spoilt by noise recovers

_HANDING_OVER_S = 20e-6  # what a batch costs beside its run: two thread switches, and a write for each connection
_UNKNOWN_ROW_S = 1e-4
_REFLECT_EVERY = 8  # measurements


def _bucket(size: int) -> int:
    return (size - 1).bit_length()


class Costs:
    """Learned cost per batch size and key of one model."""

    __slots__ = ("_at_load", "_cap", "_factors", "_full", "_largest", "_observed", "_per_row", "_sizes")

    def __init__(self, sizes: Sequence[int], measured_s: Mapping[int, float]) -> None:
        """Start from what was measured at load.

        Args:
            sizes: the batch sizes that may be used, ascending, with 1 among them.
            measured_s: seconds of a run, for some of them.
        """
        self._sizes = tuple(sizes)
        self._largest = {_bucket(size): size for size in self._sizes}  # usable size of each bucket
        self._per_row: dict[int, float] = {}
        self._factors: dict[Hashable, float] = {}
        self._full = 0
        self._observed = 0
        for size in sorted(measured_s):  # the largest size of a bucket stands for it
            self._per_row[_bucket(size)] = (measured_s[size] + _HANDING_OVER_S) / size
        self._at_load = dict(self._per_row)
        self._cap = self._find_cap()

    def observe(self, size: int, seconds: float, key: Hashable = None) -> None:
        """Learn from a run of ``size`` rows with one key that took ``seconds``."""
        seconds += _HANDING_OVER_S
        bucket, factor = _bucket(size), self._factors.get(key, 1.0)
        known = self._per_row.get(bucket)
        if known is None:
            self._per_row[bucket] = seconds / size / factor
        else:
            off = min(seconds / self.estimate_s(size, key), _OUTLIER) - 1.0
            self._learn_key(key, factor * (1.0 + _KEY_WEIGHT * off))
            self._per_row[bucket] = known * (1.0 + _WEIGHT * off)
        if size >= self._cap:
            self._full += 1
        self._observed += 1
        if self._observed % _REFLECT_EVERY == 0:
            self._cap = self._find_cap()

    def estimate_s(self, rows: int, key: Hashable = None) -> float:
        """Return the seconds that a run of so many rows is expected to take; 0 when nothing is known."""
        return _run_s(self._per_row, rows) * self._factors.get(key, 1.0)

    def row_s(self, key: Hashable) -> float:
        """Return what a row with this key costs at best, in seconds; a guess when nothing is known."""
        return self._per_row.get(_bucket(self._cap), _UNKNOWN_ROW_S) * self._factors.get(key, 1.0)

    def at_load_s(self, rows: int) -> float:
        """Return what a run of so many rows took when the model was loaded; 0 when nothing is known."""
        return _run_s(self._at_load, rows)

    def size_within(self, seconds: float, rows: int, key: Hashable = None) -> int:
        """Return the largest number of rows, at most ``rows`` and at least 1, that is expected to run so quickly."""
        if rows == 1 or self.estimate_s(rows, key) <= seconds:
            return rows
        least = 1
        while rows - least > 1:  # cost rises with size
            middle = (least + rows) // 2
            least, rows = (middle, rows) if self.estimate_s(middle, key) <= seconds else (least, middle)
        return least

    def worthwhile_s(self, share: float, key: Hashable = None) -> float:
        """Return the seconds of the shortest batch that makes a share of the best rate in rows per second."""
        enough = share * self.best_rate()
        rows, least = self._cap, 0
        while rows - least > 1:  # the rate rises with size, up to the cap
            middle = (least + rows) // 2
            least, rows = (least, middle) if middle >= enough * _run_s(self._per_row, middle) else (middle, rows)
        return self.estimate_s(rows, key)

    def cap(self) -> int:
        """Return the largest batch that is worth it now."""
        return self._cap

    def explore(self) -> int:
        """Return the most rows for the next batch: the cap, and after many full batches once the next larger size."""
        if self._full >= _EXPLORE_EVERY:
            self._full = 0
            return next((size for size in reversed(self._sizes) if size <= 2 * self._cap), 1)
        return self._cap

    def best_rate(self) -> float:
        """Return the rows per second of the best bucket; 0 when nothing is known."""
        return 1.0 / min(self._per_row.values()) if self._per_row else 0.0

    def _learn_key(self, key: Hashable, factor: float) -> None:
        if len(self._factors) >= _KEYS and key not in self._factors:
            self._factors.clear()
        self._factors[key] = factor

    def _find_cap(self) -> int:
        if not self._per_row:
            return self._sizes[-1]
        enough = min(self._per_row.values()) / _PLENTY
        bucket = min([known for known, per_row in self._per_row.items() if per_row <= enough])
        return self._largest[bucket]


def _run_s(per_row: Mapping[int, float], rows: int) -> float:
    """Return the seconds of a run: between the full sizes of two buckets on a straight line; 0 when nothing is known."""
    bucket = _bucket(rows)
    per_row_s = per_row.get(bucket)
    if per_row_s is None:
        # The nearest bucket, the larger of two.
        nearest = min(per_row, key=lambda known: (abs(known - bucket), -known), default=None)
        return 0.0 if nearest is None else per_row[nearest] * rows
    full, below = 1 << bucket, per_row.get(bucket - 1)
    if rows == full or below is None:
        return per_row_s * rows
    half = full >> 1
    high_s, low_s = per_row_s * full, below * half
    return low_s + max(0.0, high_s - low_s) * (rows - half) / half
