"""Is the gateway there for a ping while it works and loads? ``python -m bench.health`` from the project's root.

The round trip of the protocol's ping in three situations, turn by turn: when nothing else happens, while every compute
slot is busy, and while, besides, a model of 100 MB is being loaded. It is loaded in two ways: in the gateway's own
process, on a thread as at a start, and in a worker process that is killed again and again so that its successor has to
load. The server has both cores and as many compute slots; the loads and the pings share the second core with it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import command, measure, places, servers, specials
from .gauges import Scrape, lag_p99_ms
from .loading import LOADED
from .measure import Load
from .models import BIG
from .stats import median, table
from .turns import Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .command import Bench
    from .pinger import Pings
    from .servers import Server
    from .window import Window

YIELDING = 10
KILL_EVERY_S = 1.5
"""Hardly longer than a worker process needs to start and load."""
FULL = Plan(rounds=5, window_s=4.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.3, window_s=2.0)


@dataclass(slots=True)
class Round:
    """Pings in the three situations, the load of the last, and how late the loop was meanwhile."""

    idle: Pings
    busy: Pings
    loading: Pings
    load: Window
    lag_ms: float

    @property
    def parts(self) -> list[Pings]:
        """The pings."""
        return [self.idle, self.busy, self.loading]


@contextlib.contextmanager
def _in_process(server: Server) -> Iterator[None]:
    server.signal(signal.SIGUSR1)
    try:
        yield
    finally:
        server.signal(signal.SIGUSR2)


@contextlib.contextmanager
def _by_kills(server: Server) -> Iterator[None]:
    over = threading.Event()

    def keep_killing() -> None:
        while not over.is_set():
            with contextlib.suppress(SystemExit, ProcessLookupError):  # it may not be back yet
                places.kill_worker(server)
            over.wait(KILL_EVERY_S)

    thread = threading.Thread(target=keep_killing, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


LOADING = {"in the gateway's process": _in_process, "in a worker process": _by_kills}


def _once(bench: Bench, server: Server, what: str) -> Round:
    core, seconds = bench.cores[1], bench.plan.window_s
    busy = Load(model=BIG.name, core=core, connections=8, in_flight=32, nice=YIELDING)
    idle = measure.pings(server, seconds, core)
    with measure.background(server, bench.space, bench.plan, busy) as loaded:
        pings = measure.pings(server, seconds, core, (loaded.pid,))
        before = Scrape.of(server)
        with LOADING[what](server):
            loading = measure.pings(server, seconds, core, (loaded.pid,))
            lag = lag_p99_ms(before, Scrape.of(server))
    return Round(idle, pings, loading, loaded.window, lag)


def _report(rounds: list[Round]) -> str:
    heads = ["", "idle p50 ms", "p99", "busy p50", "p99", "most", "loading p50", "p99", "most", "pings", "loop lag p99"]
    heads += ["rows/s", "CPU us", "server's cores", "steal/other"]
    lines = [
        (
            f"round {i}",
            *(r.idle.p50_ms, r.idle.p99_ms, r.busy.p50_ms, r.busy.p99_ms, r.busy.max_ms),
            *(r.loading.p50_ms, r.loading.p99_ms, r.loading.max_ms, r.loading.count, r.lag_ms),
            *(r.load.rate, r.load.server_us, r.loading.server_cpu, disturbance(r)),
        )
        for i, r in enumerate(rounds, 1)
    ]
    return table(heads, lines)


def _measured(bench: Bench, server: Server, what: str) -> Verdict:
    print(f"\n## Loading {what}\n")
    rounds = repeat(f"loading {what}", bench.plan, lambda: _once(bench, server, what))
    print("\n" + _report(rounds))
    return Verdict(f"ping p99 ms, busy and loading {what}", median([r.loading.p99_ms for r in rounds]), 20.0, False)


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    large, big = specials.large(bench.space), bench.space.only(BIG.name)
    here, there = LOADING
    with servers.loading(big, bench.space.only(large)) as server:
        verdicts = [_measured(bench, server, here)]
        print(f"\nIt was {[line for line in server.said().splitlines() if LOADED in line][-1]}.")
    with servers.gateway(bench.space.folder("both", {BIG.name: "", large: places.PROCESS})) as server:
        return [*verdicts, _measured(bench, server, there)]


if __name__ == "__main__":
    command.run(command.parser(__doc__).parse_args(), run, full=FULL, quick=QUICK)
