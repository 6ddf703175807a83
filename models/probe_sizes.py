"""Which batch sizes to try, in which order, and what the findings amount to; it runs nothing.

The sizes that decide come first: the small ones and the powers of two. The others only add to the choice that a planner has,
so how much time there was changes the choice and hardly ever the verdict.

Of a model that is exact in some sizes and merely close in others (a kernel may take another path for an odd number of rows),
the exact sizes are kept when they reach far enough to be worth it: 8 rows, or half of the largest size. A planner then runs 12
rows as 8 and 4, which costs little, and every answer stays what it would have been alone. Otherwise all sizes are kept, and the
verdict is ``close``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .probe_compare import SAME, TOLERANCE, Comparison, Grade
from .signature import Batching

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_SIZE = 3
"""The number of rows with which the proof begins: not 2, which real models have as another dimension."""

_USEFUL = 8
_ALL_UP_TO = 16
_STEP = 8


class Measured(NamedTuple):
    """What was found for one batch size: the worst comparison with solo runs, and the fastest run in seconds."""

    size: int
    comparison: Comparison
    cost_s: float


def deciding_sizes(max_batch: int) -> list[int]:
    """Return the sizes that decide, ascending, from 2 on."""
    powers = [1 << power for power in range(max_batch.bit_length())]
    return sorted({size for size in (*powers, FIRST_SIZE, max_batch) if 1 < size <= max_batch})


def further_sizes(max_batch: int) -> list[int]:
    """Return all other sizes, the more useful first: small ones, then multiples of 8, then the rest."""
    rest = set(range(2, max_batch + 1)).difference(deciding_sizes(max_batch))
    return sorted(rest, key=lambda size: (0 if size <= _ALL_UP_TO else 1 if size % _STEP == 0 else 2, size))


def conclude(alone_s: float, found: Sequence[Measured], max_batch: int, elsewhere: Comparison = SAME) -> Batching:
    """Turn findings into a verdict.

    Args:
        alone_s: what one row costs, in seconds.
        found: what was found for sizes from 2 on.
        max_batch: the largest size that was asked for.
        elsewhere: what was found for other sizes of the dimensions that had to be guessed.
    """
    bad = next((measured for measured in found if measured.comparison.grade is Grade.DIFFERENT), None)
    if bad is not None:
        difference = bad.comparison.difference
        return none(
            f"{bad.size} rows together differ from the same rows alone by {difference:.2g} (more than {TOLERANCE})", alone_s
        )
    if not found:
        return none("there was no time to prove any number of rows: raise probe_ms in model.toml", alone_s)
    largest = max(measured.size for measured in found)
    exact = [measured for measured in found if max(elsewhere, measured.comparison).grade is Grade.EXACT]
    reach = max((measured.size for measured in exact), default=1)
    limit = "" if largest == max_batch else f"; more than {largest} did not fit into the time or memory for the proof"
    if exact and (reach >= _USEFUL or 2 * reach >= largest):
        left_out = f"; {len(found) - len(exact)} sizes that are merely close are not used" if len(exact) < len(found) else ""
        reason = f"each row is bit for bit what it is alone, in {len(exact)} batch sizes up to {reach}{left_out}{limit}"
        return _batching("exact", reason, alone_s, exact)
    difference = max(elsewhere.difference, *(measured.comparison.difference for measured in found))
    return _batching("close", f"rows differ by at most {difference:.2g} from what they are alone{limit}", alone_s, found)


def none(reason: str, alone_s: float | None = None) -> Batching:
    """Return the verdict that requests run one at a time."""
    return Batching("none", reason, (1,), MappingProxyType({} if alone_s is None else {1: alone_s}))


def _batching(verdict: str, reason: str, alone_s: float, kept: Sequence[Measured]) -> Batching:
    costs = {1: alone_s} | {measured.size: measured.cost_s for measured in sorted(kept)}
    return Batching("exact" if verdict == "exact" else "close", reason, tuple(costs), MappingProxyType(costs))
