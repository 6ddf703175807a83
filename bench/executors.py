"""A thread or a worker process to compute in? ``python -m bench.executors`` from the project's root.

The same three models in two gateways that differ in ``executor`` alone, turn by turn: throughput, latency of a single
request, loop lag, memory. Computing has one core to itself in both; the loop and the load share the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from . import command, measure, places, proc
from .gauges import Scrape, lag_p99_ms
from .measure import Load
from .models import BIG, SHAPES
from .stats import median, ratio, table
from .turns import Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from .command import Bench
    from .servers import Server
    from .window import Window

CONFIGS = {"thread": 'executor = "thread"\n', "process": places.PROCESS}
FULL = Plan(rounds=5, window_s=2.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.2, window_s=0.8)


@dataclass(slots=True)
class Side:
    """One executor: many requests, one at a time, and the loop's lag under the many."""

    many: Window
    single: Window
    lag_ms: float


@dataclass(slots=True)
class Round:
    """Both executors, one after the other."""

    thread: Side
    process: Side

    @property
    def parts(self) -> list[Window]:
        """All windows."""
        return [self.thread.many, self.thread.single, self.process.many, self.process.single]


def _side(bench: Bench, server: Server, name: str) -> Side:
    many = Load(model=name, core=bench.cores[1], connections=8, in_flight=32 if name == BIG.name else 16)
    before = Scrape.of(server)
    crowd = measure.load(server, bench.space, bench.plan, many)
    lag = lag_p99_ms(before, Scrape.of(server))
    single = dataclasses.replace(many, connections=1, in_flight=1)
    return Side(crowd, measure.load(server, bench.space, bench.plan, single), lag)


def _once(bench: Bench, gateways: dict[str, Server], name: str) -> Round:
    return Round(*(_side(bench, gateways[executor], name) for executor in CONFIGS))


def _lines(name: str, rounds: list[Round]) -> list[tuple[object, ...]]:
    return [
        (
            name,
            executor,
            *(median([s.many.rate for s in sides]), median([s.many.server_us for s in sides])),
            *(median([s.many.p99_us for s in sides]) / 1000, median([s.many.checked.mean_batch for s in sides])),
            *(median([s.lag_ms for s in sides]), median([s.many.loop_share for s in sides]) * 100),
            *(median([s.single.p50_us for s in sides]), median([s.single.p99_us for s in sides])),
            *(median([s.single.server_us for s in sides]), " ".join(disturbance(r) for r in rounds)),
        )
        for executor in CONFIGS
        if (sides := [getattr(r, executor) for r in rounds])
    ]


def _verdicts(name: str, rounds: list[Round]) -> list[Verdict]:
    rate = median([ratio(r.process.many.rate, r.thread.many.rate) for r in rounds])
    single = median([ratio(r.process.single.p50_us, r.thread.single.p50_us) for r in rounds])
    return [
        Verdict(f"{name}: rows/s, process / thread", rate, 1.0, True),
        Verdict(f"{name}: one in flight, p50, process / thread", single, 1.0, False),
    ]


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    with contextlib.ExitStack() as stack:
        gateways = {
            executor: stack.enter_context(
                places.slot_apart(bench.space.folder(executor, dict.fromkeys(SHAPES, config)), bench.cores)
            )
            for executor, config in CONFIGS.items()
        }
        idle = {executor: proc.shared_kib(server.pid) for executor, server in gateways.items()}
        found = {name: repeat(name, bench.plan, partial(_once, bench, gateways, name)) for name in SHAPES}
        heads = ["model", "executor", "rows/s", "CPU us", "p99 ms", "mean batch", "loop lag p99 ms", "loop %"]
        heads += ["one: p50 us", "p99 us", "CPU us", "steal/other"]
        print("\n" + table(heads, [line for name, rounds in found.items() for line in _lines(name, rounds)]))
        heads = ["executor", "processes", "MiB when started", "MiB after the load"]
        lines = [
            (executor, 1 + len(proc.children(s.pid)), idle[executor] / 1024, proc.shared_kib(s.pid) / 1024)
            for executor, s in gateways.items()
        ]
        print("\n" + table(heads, lines))
    return [verdict for name, rounds in found.items() for verdict in _verdicts(name, rounds)]


if __name__ == "__main__":
    command.run(command.parser(__doc__).parse_args(), run, full=FULL, quick=QUICK)
