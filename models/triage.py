"""Which rows of a batch can still be answered in time, and how large the batch may be for that. Pure.

All members of a batch are answered when it ends, so each of them waits for the others. Rules, each with a test:

1. A request that could not be answered in time even by itself is given up, unless it is all there is to do.
2. Where everything that waits is in the batch, it is cut short so that its most urgent member is in time.
3. Where more waits than fits, the batch is cut short only while rows per second hardly suffer; else its urgent members are
   given up: saving them would make more of the others late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .queue import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .request import Piece

_GOOD_RATE = 0.9  # of the rows per second of the batch as it was


def triage(
    pieces: Sequence[Piece], now: float, cost: Callable[[int], float], within: Callable[[float, int], int], *, crowded: bool
) -> tuple[list[Piece], list[Piece], list[Piece]]:
    """Look through a batch that was taken at ``now``.

    Args:
        pieces: the batch.
        now: when it begins to run.
        cost: seconds that so many rows take.
        within: the largest number of rows, up to a number, that takes so many seconds.
        crowded: whether more rows wait than are in the batch.

    Returns:
        What runs now, what waits for the next batch, and what is given up.
    """
    rows = rows_of(pieces)
    if _earliest(pieces) >= now + cost(rows):
        return list(pieces), [], []
    keep = [piece for piece in pieces if piece[0].deadline >= now + cost(piece[2] - piece[1])]
    late = [piece for piece in pieces if piece[0].deadline < now + cost(piece[2] - piece[1])]
    if not keep:
        return (list(pieces), [], []) if not crowded else ([], [], late)
    rows = rows_of(keep)
    end = now + cost(rows)
    slack = _earliest(keep) - now
    if now + slack >= end:
        return keep, [], late
    size = within(slack, rows)
    if not crowded or size / max(cost(size), 1e-9) >= _GOOD_RATE * rows / max(cost(rows), 1e-9):
        now_, later = _split(keep, size)
        return now_, later, late
    return (
        [piece for piece in keep if piece[0].deadline >= end],
        [],
        late + [piece for piece in keep if piece[0].deadline < end],
    )


def _earliest(pieces: Sequence[Piece]) -> float:
    return min([piece[0].deadline for piece in pieces])


def _split(pieces: Sequence[Piece], size: int) -> tuple[list[Piece], list[Piece]]:
    """Keep the most urgent pieces, up to so many rows but at least one piece."""
    ordered = sorted(pieces, key=lambda piece: piece[0].deadline)
    kept, rows = 0, 0
    for _, start, stop in ordered:
        rows += stop - start
        if rows > size and kept:
            break
        kept += 1
    return ordered[:kept], ordered[kept:]
