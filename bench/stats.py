"""Medians, quantiles and tables of text; it knows no clock and no file."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["bucket_quantile", "median", "quantile", "ratio", "table"]


def quantile(values: Sequence[float], q: float) -> float:
    """Return the smallest value that at least the share ``q`` of ``values`` does not exceed; NaN when there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def bucket_quantile(buckets: Sequence[tuple[float, float]], q: float) -> float:
    """Return the quantile of a histogram given as (upper bound, cumulative count), linear inside a bucket.

    It is the last finite bound when the quantile lies beyond it, and NaN when nothing was counted.
    """
    total = buckets[-1][1] if buckets else 0
    if not total:
        return float("nan")
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= q * total:
            return low if bound == float("inf") else low + (bound - low) * (q * total - below) / max(count - below, 1e-12)
        low, below = bound, count
    return low


def ratio(a: float, b: float) -> float:
    """Return ``a / b``, or NaN when ``b`` is nothing."""
    return a / b if b else float("nan")


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if value != value:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table, aligned so that it reads well in a terminal too; numbers stand on the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(head), *(len(row[i]) for row in cells)) for i, head in enumerate(heads)]

    def line(row: Sequence[str]) -> str:
        padded = [row[0].ljust(widths[0]), *(value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    return "\n".join([line(heads), rule, *map(line, cells)])
