"""What concurrency and batching gain: the same work twice, question by question and then many at once, as a table.

It knows lanes, clocks and the gateway's counters, and no models.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from .measuring import Costs, drive
from .slots import read_slots
from .stage import new_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.table import Table

    from tidegate.results import Result

    from .asking import Lane
    from .scene import Scene

_ROUNDS = 3  # taken in turn, so that a disturbance meets both ways of asking
_BUDGET_S = 4.0  # no further round after that: a slow machine takes fewer


@dataclass(frozen=True, slots=True)
class Work:
    """Something to ask.

    Attributes:
        model: whom.
        what: the work in words.
        lanes: makes it anew.
        at_once: how many lanes run at the same time when it is asked concurrently.
        output: what is compared between the two ways.
    """

    model: str
    what: str
    lanes: Callable[[], Sequence[Lane]]
    at_once: int
    output: str


async def show_gain(scene: Scene, work: Work) -> None:
    """Do the work both ways, and print what it cost."""
    with scene.stage.busy(f"measuring {work.model} …"):
        alone, together, apart = await _compare(scene, work)
    scene.stage.show(_table(work, alone, together))
    scene.stage.say(_summary(work, alone, together, apart), style="green")


async def _compare(scene: Scene, work: Work) -> tuple[Costs, Costs, float]:
    alone, together, apart = Costs(), Costs(), 0.0
    await drive(work.lanes()[:1], 1, Costs())
    end = perf_counter() + _BUDGET_S
    for _ in range(_ROUNDS):
        one = await _timed(scene, work, 1, alone)
        many = await _timed(scene, work, work.at_once, together)
        apart = max(apart, _difference(one, many, work.output))
        if perf_counter() > end:
            break
    return alone, together, apart


async def _timed(scene: Scene, work: Work, at_once: int, costs: Costs) -> list[list[Result]]:
    before, wall_before_s = await read_slots(scene.gw.url), costs.wall_s
    results = await drive(work.lanes(), at_once, costs)
    after = await read_slots(scene.gw.url)
    if before and after:
        costs.busy_s += after.busy_s - before.busy_s
        costs.slot_s += after.slots * (costs.wall_s - wall_before_s)
    return results


def _difference(ones: list[list[Result]], others: list[list[Result]], output: str) -> float:
    if list(map(len, ones)) != list(map(len, others)):
        return float("inf")
    one, other = (np.array([result[output] for lane in lanes for result in lane]) for lanes in (ones, others))
    return float(np.abs(one - other).max())


def _table(work: Work, alone: Costs, together: Costs) -> Table:
    table = new_table(f"{work.model}: {work.what}", "one by one", f"{work.at_once} at once", "ratio", widths=(12, 12, 8))
    _row(table, "answers a second", alone.per_second, together.per_second, "{:,.0f}")
    _row(table, "latency, median", alone.latency_ms(50), together.latency_ms(50), "{:.2f} ms")
    _row(table, "latency, 99th percentile", alone.latency_ms(99), together.latency_ms(99), "{:.2f} ms")
    _row(table, "rows in a batch", alone.rows_per_batch, together.rows_per_batch, "{:.1f}")
    if alone.busy_share and together.busy_share:
        _row(table, "compute time an answer", alone.busy_us, together.busy_us, "{:.1f} µs")
        _row(table, "compute slots busy", alone.busy_share, together.busy_share, "{:.1%}")
    return table


def _row(table: Table, name: str, alone: float, together: float, form: str) -> None:
    table.add_row(name, form.format(alone), form.format(together), _ratio(together / alone))


def _ratio(ratio: float) -> str:
    return f"{ratio:.1f} \N{MULTIPLICATION SIGN}" if ratio >= 1 else f"1/{1 / ratio:.1f}"


def _summary(work: Work, alone: Costs, together: Costs, apart: float) -> str:
    cost = f" for {_ratio(together.busy_us / alone.busy_us)} of the compute time" if alone.busy_us and together.busy_us else ""
    close = f"the same to within {apart:.0e}" if apart < 1 else "not all the same"
    equal = close if apart else "bit for bit the same"
    return f"{work.model}: {_ratio(together.per_second / alone.per_second)} the throughput{cost}; the answers are {equal}."
