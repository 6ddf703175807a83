"""A client that stops reading: ``python -m bench.slow_reader`` from the project's root.

A client asks for 80 MiB of answers, reads the first and is stopped (SIGSTOP) with more than 64 MiB due. How long until
the gateway has cut it off, what happens to the server's memory meanwhile and afterwards, and do others notice? Their
p99 is measured before it comes, while it is stopped until it is gone, and after.
"""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import command, measure, places, proc, runs, series, specials
from .measure import Load
from .models import TINY
from .stats import median, ratio, table
from .turns import Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from .command import Bench
    from .series import Sample
    from .servers import Server
    from .window import Window

DUE_MIB = 80
STALL_S, QUICK_STALL_S = 10.0, 1.5
MARGIN_S = 1.0
"""How much later than the time limit the gateway may be: it looks once in a while."""
GONE_TIMEOUT_S = 60.0
SETTLING_S = 1.0
FULL = Plan(rounds=3, most_rounds=5, window_s=6.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.3, window_s=1.5)


@dataclass(slots=True)
class Round:
    """One client that comes, stops and is cut off."""

    before: Window
    during: Window
    after: Window
    gone_s: float
    samples: list[Sample]

    @property
    def parts(self) -> list[Window]:
        """All windows."""
        return [self.before, self.during, self.after]

    @property
    def moved(self) -> float:
        """The others' p99 while somebody does not read, by what it was before."""
        return ratio(self.during.p99_us, self.before.p99_us)

    @property
    def kept(self) -> float:
        """The share of what was due that still lies in the server's memory at the end."""
        return (self.samples[-1].rss_mib - self.samples[0].rss_mib) / DUE_MIB


def _gone_after(server: Server, port: int, began: float) -> float:
    while proc.connected(server.port, port):
        if time.monotonic() - began > GONE_TIMEOUT_S:
            raise SystemExit(f"bench: a client that does not read was still there after {GONE_TIMEOUT_S:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - began


def _once(bench: Bench, server: Server, stall_s: float) -> Round:
    core, space = bench.cores[1], bench.space
    others = Load(model=TINY.name, core=core, connections=8, in_flight=1, manner="pausing", pause_ms=5)
    meanwhile = dataclasses.replace(bench.plan, warm_up_s=0.1, window_s=stall_s + MARGIN_S)
    before = measure.load(server, space, bench.plan, others)
    arguments = (server.port, "--cases", space.cases / f"{TINY.name}.npz", "--requests", DUE_MIB, "--core", core)
    with series.watched(server.pid, 0.1) as samples, ThreadPoolExecutor() as pool:
        with runs.Running("stopped", arguments, GONE_TIMEOUT_S * 2) as stopped:
            gone = pool.submit(_gone_after, server, int(stopped.line()), time.monotonic())
            during = measure.load(server, space, meanwhile, others)
            gone_s = gone.result()
        time.sleep(SETTLING_S)
    return Round(before, during, measure.load(server, space, bench.plan, others), gone_s, samples)


def _report(rounds: list[Round]) -> str:
    heads = ["", "gone after s", "RSS MiB before", "most", "after", "others/s", "CPU us", "p99 ms before", "while", "after"]
    lines = [
        (
            f"round {i}",
            *(r.gone_s, r.samples[0].rss_mib, max(s.rss_mib for s in r.samples), r.samples[-1].rss_mib),
            *(r.before.rate, r.before.server_us),
            *(r.before.p99_us / 1000, r.during.p99_us / 1000, r.after.p99_us / 1000, r.moved, disturbance(r)),
        )
        for i, r in enumerate(rounds, 1)
    ]
    return table([*heads, "while / before", "steal/other"], lines)


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    stall_s = QUICK_STALL_S if bench.quick else STALL_S
    options = ("--stall-timeout-s", f"{stall_s:g}")
    folder = bench.space.only(TINY.name, specials.wide(bench.space))
    with places.one_core(folder, bench.cores, options) as server:
        print(f"\n## {DUE_MIB} MiB for a client that is stopped; cut off after {stall_s:g} s\n")
        rounds = repeat("slow reader", bench.plan, lambda: _once(bench, server, stall_s))
    print("\n" + _report(rounds))
    return [
        Verdict("seconds until it is gone", median([r.gone_s for r in rounds]), stall_s + MARGIN_S, False),
        Verdict("share of what was due that stays in memory", median([r.kept for r in rounds]), 0.25, False),
        Verdict("the others' p99 meanwhile / before", median([r.moved for r in rounds]), 1.25, False),
    ]


if __name__ == "__main__":
    command.run(command.parser(__doc__).parse_args(), run, full=FULL, quick=QUICK)
