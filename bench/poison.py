"""A row that fails, and a worker that is killed: ``python -m bench.poison`` from the project's root.

First, groups of 32 requests in one batch, one of which fails inside the graph: 31 right answers and one
``model_failed``, each time; what it costs to find the guilty one stands beside groups in which nobody fails. Then the same
rows at random in batches under full load. Last, a model runs in the only worker process, and that is killed
(``kill -9``) under load, once in each window: nothing may be lost or wrong, and the longest wait of any request tells
how long it took until the next one was there. The server then has both cores, as a user starts it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import command, measure, places, servers, specials
from .gauges import Scrape
from .measure import Load
from .models import MID
from .stats import ratio, table
from .turns import Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from .command import Bench
    from .servers import Server
    from .window import Window

FULL = Plan(rounds=5, window_s=4.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.3, window_s=1.5)
TOGETHER = f"max_batch = {specials.GROUP}\nmax_delay_ms = 200\n"
RUNS = "tidegate_run_seconds_count"


@dataclass(slots=True)
class Round:
    """The same load without and with the row that fails."""

    clean: Window
    poisoned: Window
    runs: float

    @property
    def parts(self) -> list[Window]:
        """Both."""
        return [self.clean, self.poisoned]

    @property
    def failures(self) -> int:
        """Answers that were ``model_failed``; each was checked to be the marked row's."""
        return self.poisoned.checked.errors.get("model_failed", 0)


def _once(bench: Bench, server: Server, manner: str, connections: int) -> Round:
    def window(model: str) -> Window:
        how = Load(model=model, core=bench.cores[1], connections=connections, in_flight=specials.GROUP, manner=manner)
        return measure.load(server, bench.space, bench.plan, how)

    clean, before = window(specials.CLEAN), Scrape.of(server)
    poisoned = window(specials.POISONED)
    runs = (Scrape.of(server).total(RUNS) or 0.0) - (before.total(RUNS) or 0.0)
    return Round(clean, poisoned, runs)


def _isolation(bench: Bench, server: Server, what: str, manner: str, connections: int) -> list[Verdict]:
    print(f"\n## {what.capitalize()}\n")
    rounds = repeat(what, bench.plan, lambda: _once(bench, server, manner, connections))
    heads = ["", "clean rows/s", "CPU us", "p50 ms", "poisoned rows/s", "CPU us", "p50 ms", "rate", "failed", "right"]
    lines = [
        (
            f"round {i}",
            *(r.clean.rate, r.clean.server_us, r.clean.p50_us / 1000),
            *(r.poisoned.rate, r.poisoned.server_us, r.poisoned.p50_us / 1000, ratio(r.poisoned.rate, r.clean.rate)),
            *(f"{r.failures:,}", f"{r.poisoned.checked.answers - r.failures:,}", ratio(r.runs, r.failures), disturbance(r)),
        )
        for i, r in enumerate(rounds, 1)
    ]
    print("\n" + table([*heads, "good runs per failure", "steal/other"], lines))
    return [Verdict(f"{what}: answers lost or wrong", sum(r.poisoned.checked.wrong for r in rounds), 0, False)]


@dataclass(slots=True)
class Kill:
    """A window in which nobody was killed, and one with a kill in the middle."""

    calm: Window
    killed: Window


def _kill_once(bench: Bench, server: Server, how: Load) -> Kill:
    calm = measure.load(server, bench.space, bench.plan, how)
    with measure.background(server, bench.space, bench.plan, how) as loaded:
        time.sleep(bench.plan.window_s / 2)
        places.kill_worker(server)
        time.sleep(bench.plan.window_s / 2)
    return Kill(calm, loaded.window)


def _kills(bench: Bench) -> list[Verdict]:
    folder = bench.space.folder("killed", {MID.name: places.PROCESS})
    how = Load(model=MID.name, core=bench.cores[1])
    print("\n## A worker process is killed under load, once in each window\n")
    with servers.gateway(folder, options=places.ONE_SLOT) as server:
        kills = [_kill_once(bench, server, how) for _ in range(bench.plan.rounds)]
    heads = ["", "calm rows/s", "p99 ms", "longest ms", "rows/s", "p99 ms", "longest ms", "answers", "lost or wrong"]
    lines = [
        (
            f"kill {i}",
            *(k.calm.rate, k.calm.p99_us / 1000, k.calm.max_us / 1000),
            *(k.killed.rate, k.killed.p99_us / 1000, k.killed.max_us / 1000),
            *(f"{k.killed.checked.answers:,}", k.killed.checked.wrong),
        )
        for i, k in enumerate(kills, 1)
    ]
    print(table(heads, lines))
    lost = sum(k.killed.checked.wrong for k in kills)
    return [Verdict("kill -9 of a worker: answers lost or wrong", lost, 0, False)]


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    specials.poisoned(bench.space)
    verdicts = []
    together = bench.space.folder("together", dict.fromkeys((specials.POISONED, specials.CLEAN), TOGETHER))
    with places.slot_apart(together, bench.cores) as server:
        verdicts += _isolation(bench, server, "groups of 32 in one batch", "grouping", 1)
    with places.slot_apart(bench.space.only(specials.POISONED, specials.CLEAN), bench.cores) as server:
        verdicts += _isolation(bench, server, "at random under load", "steady", 8)
    return verdicts + _kills(bench)


if __name__ == "__main__":
    command.run(command.parser(__doc__).parse_args(), run, full=FULL, quick=QUICK)
