"""What many streams notice of a client that has only one: hundreds on a few connections, and one on a connection of its own.

Knows neither servers nor processes: it is given what measures a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .stats import median, ratio, table
from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from .streams_window import StreamsWindow

SHARE = 0.8
"""Of the streams that hold: enough that half of the rate would not do, and with some room for pauses of the machine."""
PAIRS = 3
MOST = 1.5
"""The p99 of all beside one more client, by what it is without."""


def beside(window: Callable[[int, int], StreamsWindow], holding: int, pairs: int) -> list[Verdict]:
    """Measure in turn without and with one more client; print and return what it says.

    Args:
        window: measures so many streams, and as many beside them on connections of their own.
        holding: how many streams hold.
        pairs: how often.
    """
    streams = int(SHARE * holding)
    found = [[window(streams, lone) for lone in (0, 1)] for _ in range(pairs)]
    print(f"\n### {streams:,} streams, without and beside one more client that has a single stream\n")
    heads = ["", "chunks/s", "p50 ms", "p99 ms", "mean batch", "beside it: chunks/s", "p50 ms", "p99 ms", "mean batch"]
    cells = [[(w.rate, w.due_p50_ms, w.due_p99_ms, w.checked.mean_batch) for w in pair] for pair in found]
    print(table(heads, [(f"pair {i}", *alone, *with_it) for i, (alone, with_it) in enumerate(cells, 1)]))
    worse = median([ratio(with_it.due_p99_ms, alone.due_p99_ms) for alone, with_it in found])
    return [Verdict("p99 beside one more client / without", worse, MOST, False)]
