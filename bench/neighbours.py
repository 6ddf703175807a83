"""A slow model beside a fast one: ``python -m bench.neighbours`` from the project's root.

*slow* (VGG 19, hundreds of milliseconds a run) is always asked for more than it can do; *digits* is asked by eight
clients that pause in between. Turn by turn: digits alone, then beside the slow model. With two compute slots its p99 should
stay within three times what it is alone; with one, it cannot be less than what is left of a run of the slow model, and
should be no more than one such run. The server has both cores, as a user starts it; the loads share the second.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import command, measure, servers, specials
from .measure import Load
from .stats import median, ratio, table
from .turns import Beside, Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from .command import Bench
    from .servers import Server

YIELDING = 10
FULL = Plan(rounds=5, window_s=8.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.5, window_s=3.0)


@dataclass(slots=True)
class Round(Beside):
    """The fast model alone, then beside the slow one."""

    @property
    def by_run(self) -> float:
        """The same, by the longest run of the slow model and what it was alone."""
        return ratio(self.beside.p99_us, self.others.checked.longest_us + self.alone.p99_us)


def _once(bench: Bench, server: Server) -> Round:
    fast = Load(model=specials.DIGITS, core=bench.cores[1], connections=8, in_flight=1, manner="pausing", pause_ms=10)
    slow = Load(model=specials.SLOW, core=bench.cores[1], connections=4, in_flight=2, nice=YIELDING)
    alone = measure.load(server, bench.space, bench.plan, fast)
    with measure.background(server, bench.space, bench.plan, slow) as loaded:
        beside = measure.load(server, bench.space, bench.plan, dataclasses.replace(fast, beside=(loaded.pid,)))
    return Round(alone, beside, loaded.window)


def _report(rounds: list[Round]) -> str:
    heads = ["", "alone/s", "CPU us", "p50 ms", "p99 ms", "beside/s", "p50 ms", "p99 ms", "ratio"]
    heads += ["slow runs/s", "ms a run", "longest", "p99 / (longest + alone)", "compute %", "steal/other"]
    lines = [
        (
            f"round {i}",
            *(r.alone.rate, r.alone.server_us, r.alone.p50_us / 1000, r.alone.p99_us / 1000),
            *(r.beside.rate, r.beside.p50_us / 1000, r.beside.p99_us / 1000, r.ratio),
            *(r.others.rate, r.others.checked.compute_us / 1000, r.others.checked.longest_us / 1000, r.by_run),
            *(r.beside.threads_share * 100, disturbance(r)),
        )
        for i, r in enumerate(rounds, 1)
    ]
    return table(heads, lines)


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    folder = bench.served(specials.digits(bench.space), specials.slow(bench.space))
    verdicts = []
    for slots in (2, 1):
        with servers.gateway(folder, options=("--compute-slots", str(slots))) as server:
            what = f"{slots} compute slot{'s' if slots > 1 else ''}"
            print(f"\n## {what.capitalize()}\n")
            rounds = repeat(what, bench.plan, lambda server=server: _once(bench, server))  # type: ignore[misc]
        print("\n" + _report(rounds))
        if slots == 1:
            by_run = median([r.by_run for r in rounds])
            verdicts.append(Verdict(f"{what}: digits' p99 / (longest run of slow + alone)", by_run, 1.0, False))
        else:
            verdicts.append(Verdict(f"{what}: digits' p99 / alone", median([r.ratio for r in rounds]), 3.0, False))
    return verdicts


if __name__ == "__main__":
    command.run(command.parser(__doc__, executor=True).parse_args(), run, full=FULL, quick=QUICK)
