"""A thousand dashboards: ``python -m bench.dashboards`` from the project's root.

- What do they cost? The tiny model is asked as fast as it answers, without anybody who watches and beside 1,000 connections
  that subscribe to ``server/stats``, in turn: rate, and CPU of the server per request.
- What does one cost the others that stops reading? 999 watch ``server/stats`` while somebody publishes ten answers of a
  MiB a second, and one more dashboard watches those: first it reads all of them, then it reads nothing. Does every event
  still come to each of the 999, and no later?

The server has the first core; load and dashboards share the second.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from . import command, measure, places, proc, runs, specials
from .dashboard_fleet import Fleet
from .gauges import UNREAD, Scrape
from .measure import LONGEST_S, Load, flags
from .models import TINY
from .stats import median, ratio, table
from .turns import Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .command import Bench
    from .servers import Server
    from .window import Window

COUNT, QUICK_COUNT = 1000, 100
MIB = 1024 * 1024
FULL = Plan(rounds=5, window_s=5.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.3, window_s=2.0)


@dataclass(slots=True)
class Watched:
    """What a fleet saw while something else was measured; it is filled in when the fleet has gone."""

    pid: int
    found: list[Fleet] = field(default_factory=list)

    @property
    def fleet(self) -> Fleet:
        """What it saw, after its end."""
        return self.found[0]


@contextlib.contextmanager
def watching(server: Server, count: int, core: int) -> Iterator[Watched]:
    """Let so many dashboards watch while the block runs.

    Raises:
        SystemExit: one of them failed.
    """
    with runs.Running("dashboard_fleet", [server.url, *flags(count=count, core=core)], LONGEST_S) as running:
        running.line()
        watched = Watched(running.pid)
        yield watched
        running.stop()
        fleet = msgspec.convert(running.result(), Fleet)
    if fleet.failures:
        raise SystemExit(f"bench: {server.name}: {'; '.join(fleet.failures[:3])}\nIts own last words:\n{server.said()}")
    watched.found.append(fleet)


@dataclass(slots=True)
class Cost:
    """A busy model without dashboards, and beside them."""

    alone: Window
    beside: Window
    fleet: Fleet

    @property
    def parts(self) -> list[Window]:
        """Both windows; the fleet's process stands in the second as part of the measurement."""
        return [self.alone, self.beside]


def _cost(bench: Bench, server: Server, count: int) -> Cost:
    core = bench.cores[1]
    alone = measure.load(server, bench.space, bench.plan, Load(model=TINY.name, core=core))
    with watching(server, count, core) as watched:
        how = Load(model=TINY.name, core=core, beside=(watched.pid,))
        beside = measure.load(server, bench.space, bench.plan, how)
    return Cost(alone, beside, watched.fleet)


@dataclass(slots=True)
class Calm:
    """What disturbed a window in which nothing was asked."""

    noise: proc.Noise


@dataclass(slots=True)
class Stop:
    """The others while one more dashboard reads everything, and while it reads nothing; and what waits for that one."""

    reading: Fleet
    stopped: Fleet
    unread_mib: float
    parts: list[Calm]

    @property
    def later(self) -> float:
        """The others' p99 while it does not read, by what it is while it does."""
        return ratio(self.stopped.p99_ms, self.reading.p99_ms)


def _beside_one(bench: Bench, server: Server, count: int, *, reads: bool) -> tuple[Fleet, Calm, float]:
    core, cases = bench.cores[1], bench.space.cases / f"{TINY.name}.npz"
    arguments = [server.port, *flags(cases=cases, core=core), *(["--reads"] if reads else [])]
    with runs.Running("dashboard_stopped", arguments, LONGEST_S) as one, watching(server, count, core) as watched:
        one.line()
        time.sleep(1.0)  # until what does not read is full
        pids = (server.pid, watched.pid, one.pid)
        before, used_s = proc.machine_times(), sum(map(proc.cpu_s, pids))
        time.sleep(bench.plan.window_s)
        calm = Calm(proc.Noise.between(before, proc.machine_times(), sum(map(proc.cpu_s, pids)) - used_s))
        unread = Scrape.of(server).total(UNREAD) or 0.0
        one.stop()
        one.result()
    return watched.fleet, calm, unread / MIB


def _stop(bench: Bench, server: Server, count: int) -> Stop:
    reading, calm, _ = _beside_one(bench, server, count, reads=True)
    stopped, other, unread_mib = _beside_one(bench, server, count, reads=False)
    return Stop(reading, stopped, unread_mib, [calm, other])


def _costs(rounds: list[Cost]) -> str:
    heads = ["", "requests/s alone", "beside them", "ratio", "CPU us alone", "beside them", "p99 ms alone", "beside them"]
    heads += ["events", "missing", "delay p50 ms", "p99", "load %", "dashboards %", "steal/other"]
    lines = [
        (
            f"round {i}",
            *(r.alone.rate, r.beside.rate, ratio(r.beside.rate, r.alone.rate), r.alone.server_us, r.beside.server_us),
            *(r.alone.p99_us / 1000, r.beside.p99_us / 1000, f"{r.fleet.events:,}", r.fleet.missing),
            *(r.fleet.p50_ms, r.fleet.p99_ms, r.beside.load_share * 100, r.fleet.own_share * 100, disturbance(r)),
        )
        for i, r in enumerate(rounds, 1)
    ]
    return table(heads, lines)


def _stops(rounds: list[Stop]) -> str:
    heads = ["", "one reads: events", "missing", "p50 ms", "p99", "it stops: events", "missing", "p50 ms", "p99"]
    heads += ["p99 / p99", "MiB unread", "steal/other"]
    lines = [
        (
            f"round {i}",
            *(f"{r.reading.events:,}", r.reading.missing, r.reading.p50_ms, r.reading.p99_ms),
            *(f"{r.stopped.events:,}", r.stopped.missing, r.stopped.p50_ms, r.stopped.p99_ms),
            *(r.later, r.unread_mib, disturbance(r)),
        )
        for i, r in enumerate(rounds, 1)
    ]
    return table(heads, lines)


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    count = QUICK_COUNT if bench.quick else COUNT
    with places.one_core(bench.space.only(TINY.name, specials.wide(bench.space)), bench.cores) as server:
        print(f"\n## A busy model, and {count:,} dashboards\n")
        costs = repeat("dashboards", bench.plan, lambda: _cost(bench, server, count))
        print("\n" + _costs(costs))
        print(f"\n## {count - 1} dashboards, and one that stops reading\n")
        stops = repeat("one that stops", bench.plan, lambda: _stop(bench, server, count - 1))
        print("\n" + _stops(stops))
    lost = sum(r.fleet.missing for r in costs) + sum(r.reading.missing + r.stopped.missing for r in stops)
    return [
        Verdict(f"requests/s beside {count:,} dashboards / alone", median([_kept(r) for r in costs]), 0.9, True),
        Verdict("events that did not come to a dashboard that reads", float(lost), 0, False),
        Verdict("delay p99 of the others, one not reading / reading", median([r.later for r in stops]), 1.25, False),
    ]


def _kept(cost: Cost) -> float:
    return ratio(cost.beside.rate, cost.alone.rate)


if __name__ == "__main__":
    command.run(command.parser(__doc__).parse_args(), run, full=FULL, quick=QUICK)
