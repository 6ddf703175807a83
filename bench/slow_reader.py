"""A client that stops reading: ``python -m bench.slow_reader`` from the project's root.

A client asks for 80 MiB of answers, reads the first and is stopped (SIGSTOP) with more than 64 MiB due. How long until
the gateway has cut it off, what happens to the server's memory meanwhile and afterwards, and do others notice? Two
questions, since computing and writing 80 MiB costs others something whoever reads them:

- What does not reading do? The others' p99 before it comes, while its answers lie there unread (from when what waits for
  it no longer grows) until it is gone, and after.
- What does the burst itself do? Their p99 in a short window in which it asks, by that beside a client that asks for the same
  and reads it: writing for one who does not read must not cost others more than for one who does.
"""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import command, measure, places, proc, runs, series, specials
from .gauges import UNREAD, Scrape
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

DUE_MIB, LEAST_DUE_MIB = 80, 64
STALL_S, QUICK_STALL_S = 10.0, 3.0
MARGIN_S = 1.0
"""How much later than the time limit the gateway may be: it looks once in a while."""
DELAY_S, BURST_S = 0.8, 1.0
"""When it asks, so that the others' window has begun, and how long that window is."""
GONE_TIMEOUT_S = 60.0
DUE_TIMEOUT_S = 5.0
SETTLING_S = 1.0
LOOK_S = 0.1
MIB = 1024 * 1024
FULL = Plan(rounds=3, most_rounds=4, window_s=5.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.3, window_s=1.5)


@dataclass(slots=True)
class Round:
    """One client that reads everything, and one that comes, stops and is cut off."""

    before: Window
    control: Window
    burst: Window
    during: Window
    after: Window
    gone_s: float
    due_mib: float
    rss_mib: float
    samples: list[Sample]

    @property
    def parts(self) -> list[Window]:
        """All windows in which nobody else of the measurement computes."""
        return [self.before, self.during, self.after]

    @property
    def moved(self) -> float:
        """The others' p99 while somebody does not read, by what it was before."""
        return ratio(self.during.p99_us, self.before.p99_us)

    @property
    def burst_ratio(self) -> float:
        """The others' p99 while answers are made for one who does not read, by that for one who does."""
        return ratio(self.burst.p99_us, self.control.p99_us)

    @property
    def kept(self) -> float:
        """The share of what was due that still lies in the server's memory at the end."""
        return (self.samples[-1].rss_mib - self.rss_mib) / DUE_MIB


def _gone_after(held: proc.Socket, asks: float, stall_s: float) -> float:
    """Return how long after it asked the gateway holds its end no more; nobody looks before it may be cut off."""
    series.yield_core()
    time.sleep(max(0.0, asks + 0.9 * stall_s - time.monotonic()))
    while held.is_open():
        if time.monotonic() - asks > GONE_TIMEOUT_S:
            raise SystemExit(f"bench: a client that does not read was still there after {GONE_TIMEOUT_S:.0f} s")
        time.sleep(LOOK_S)
    return time.monotonic() - asks


def _due_mib(server: Server) -> float:
    """Return what waits for the one that does not read, once it grows no more."""
    before, until = -1.0, time.monotonic() + DUE_TIMEOUT_S
    while (unread := Scrape.of(server).total(UNREAD) or 0.0) < LEAST_DUE_MIB / 2 * MIB or unread != before:
        if time.monotonic() > until:
            raise SystemExit(f"bench: {unread / MIB:.0f} MiB wait for a client that does not read; it asked for {DUE_MIB}")
        before = unread
        time.sleep(LOOK_S)
    return unread / MIB


def _once(bench: Bench, server: Server, stall_s: float) -> Round:
    core, space = bench.cores[1], bench.space
    others = Load(model=TINY.name, core=core, connections=8, in_flight=1, manner="pausing", pause_ms=5)
    short = dataclasses.replace(bench.plan, warm_up_s=0.1, window_s=BURST_S)
    asked = [
        server.port,
        "--cases",
        space.cases / f"{TINY.name}.npz",
        *measure.flags(requests=DUE_MIB, core=core, delay=DELAY_S),
    ]
    rss_mib = series.look(server.pid).rss_mib  # also before the one that reads comes, which leaves some
    with series.watched(server.pid, LOOK_S):  # looking costs something too: it is done in all windows
        before = measure.load(server, space, bench.plan, others)
    with runs.Running("stopped", [*asked, "--reads"], GONE_TIMEOUT_S) as reading:
        reading.line()
        control = measure.load(server, space, short, others)
    time.sleep(SETTLING_S)
    with series.watched(server.pid, LOOK_S) as samples, ThreadPoolExecutor() as pool:
        with runs.Running("stopped", asked, GONE_TIMEOUT_S * 2) as stopped:
            port, asks = int(stopped.line()), time.monotonic() + DELAY_S
            gone = pool.submit(_gone_after, proc.Socket.of(server.pid, server.port, port), asks, stall_s)
            burst = measure.load(server, space, short, others)
            due_mib = _due_mib(server)
            left_s = asks + stall_s + MARGIN_S - time.monotonic()
            during = measure.load(server, space, dataclasses.replace(short, window_s=max(0.5, left_s)), others)
            gone_s = gone.result()
        time.sleep(SETTLING_S)
    with series.watched(server.pid, LOOK_S):
        after = measure.load(server, space, bench.plan, others)
    return Round(before, control, burst, during, after, gone_s, due_mib, rss_mib, samples)


def _report(rounds: list[Round]) -> str:
    heads = ["", "MiB unread", "gone after s", "RSS MiB before", "most", "after", "others/s", "CPU us"]
    heads += ["p99 ms before", "unread", "after", "unread / before", "burst: one reads", "nobody", "ratio", "steal/other"]
    lines = [
        (
            f"round {i}",
            *(r.due_mib, r.gone_s, r.rss_mib, max(s.rss_mib for s in r.samples), r.samples[-1].rss_mib),
            *(r.before.rate, r.before.server_us),
            *(r.before.p99_us / 1000, r.during.p99_us / 1000, r.after.p99_us / 1000, r.moved),
            *(r.control.p99_us / 1000, r.burst.p99_us / 1000, r.burst_ratio, disturbance(r)),
        )
        for i, r in enumerate(rounds, 1)
    ]
    return table(heads, lines)


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
        Verdict("the others' p99 while nothing is read / before", median([r.moved for r in rounds]), 1.25, False),
        Verdict("their p99 in the burst / beside one who reads it", median([r.burst_ratio for r in rounds]), 1.25, False),
    ]


if __name__ == "__main__":
    command.run(command.parser(__doc__).parse_args(), run, full=FULL, quick=QUICK)
