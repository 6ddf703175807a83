"""Row 1: a tiny model on one core against bare echo servers of the same bytes; CPU per message and rate."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import measure, servers
from .gauges import Scrape, lag_p99_ms
from .measure import Load
from .models import TINY
from .stats import median, ratio, table
from .turns import disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from .turns import Plan
    from .window import Window
    from .wire import Dialect
    from .workspace import Workspace

CONNECTIONS, IN_FLIGHT = 8, 16


@dataclass(slots=True)
class Round:
    """One window of each server."""

    echo: Window
    sansio: Window
    gateway: Window
    naive: Window | None
    lag_ms: float

    @property
    def parts(self) -> list[Window]:
        """All of them."""
        return [w for w in (self.echo, self.sansio, self.gateway, self.naive) if w]


def run(space: Workspace, plan: Plan, cores: tuple[int, int]) -> list[Verdict]:
    """Measure and print the row."""
    server_core, load_core = cores
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(servers.echo("asyncio", [server_core]))
        sansio = stack.enter_context(servers.echo("sansio", [server_core]))
        naive = stack.enter_context(servers.naive(space.models, [server_core])) if plan.peers else None
        gateway = stack.enter_context(servers.gateway(space.only(TINY.name), [server_core]))
        where = f"server on core {server_core}, load on core {load_core}"
        print(f"\n## Tiny model, {CONNECTIONS} connections x {IN_FLIGHT} in flight, {where}\n")
        rounds = repeat(TINY.name, plan, lambda: _round(space, plan, load_core, echo, sansio, naive, gateway))
    return _report(rounds)


def _round(
    space: Workspace,
    plan: Plan,
    core: int,
    echo: servers.Server,
    sansio: servers.Server,
    naive: servers.Server | None,
    gateway: servers.Server,
) -> Round:
    def window(server: servers.Server, speak: Dialect) -> Window:
        how = Load(model=TINY.name, core=core, speak=speak, connections=CONNECTIONS, in_flight=IN_FLIGHT)
        return measure.load(server, space, plan, how)

    bare = window(echo, "echo")
    before = Scrape.of(gateway)
    served = window(gateway, "tidegate")
    lag = lag_p99_ms(before, Scrape.of(gateway))
    return Round(bare, window(sansio, "echo"), served, window(naive, "naive") if naive else None, lag)


def _report(rounds: list[Round]) -> list[Verdict]:
    heads = ["server", "per second", "CPU us each", "p50 us", "p99 us", "load's own CPU %", "right answers"]
    print("\n" + table(heads, _servers(rounds)))
    cpu = [ratio(r.echo.server_us, r.gateway.server_us) for r in rounds]
    rate = [ratio(r.gateway.rate, r.echo.rate) for r in rounds]
    lines = [
        (f"round {i}", r.echo.server_us, r.gateway.server_us, c, r.echo.rate, r.gateway.rate, q, disturbance(r))
        for i, (r, c, q) in enumerate(zip(rounds, cpu, rate, strict=True), 1)
    ]
    heads = ["", "echo CPU us", "gateway CPU us", "CPU ratio", "echo/s", "gateway/s", "rate ratio", "steal/other"]
    print("\n" + table(heads, lines))
    last = [r.gateway for r in rounds]
    print(
        f"\nmean batch {median([w.checked.mean_batch for w in last]):.1f} rows; bit-equal to a run alone:"
        f" {median([w.checked.exact_share for w in last]):.1%}; loop lag p99 {median([r.lag_ms for r in rounds]):.1f} ms"
    )
    return [
        Verdict("tiny: echo's CPU per message / CPU per request", median(cpu), 1.5, True),
        Verdict("tiny: requests/s / echo's messages/s", median(rate), 1.5, True),
    ]


def _servers(rounds: list[Round]) -> list[tuple[object, ...]]:
    named = {
        "websockets asyncio echo": [r.echo for r in rounds],
        "websockets Sans-I/O echo": [r.sansio for r in rounds],
        "tidegate": [r.gateway for r in rounds],
        "naive server": [r.naive for r in rounds if r.naive],
    }
    return [
        (
            name,
            median([w.rate for w in windows]),
            median([w.server_us for w in windows]),
            median([w.p50_us for w in windows]),
            median([w.p99_us for w in windows]),
            median([w.load_share for w in windows]) * 100,
            f"{sum(w.checked.answers for w in windows):,}",
        )
        for name, windows in named.items()
        if windows
    ]
