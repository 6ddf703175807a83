"""Row 3: one request in flight; the gateway's p50 against a raw run plus a bare echo's round trip of the same bytes."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import measure, servers
from .models import SHAPES
from .stats import median, ratio, table
from .verdict import Verdict

if TYPE_CHECKING:
    from .load import Window
    from .measure import Plan, Raw, Workspace


@dataclass(slots=True)
class Round:
    """One model, once: the raw run, the echo of its requests, the gateway."""

    raw: Raw
    echo: Window
    gateway: Window

    @property
    def ratio(self) -> float:
        """How much longer than the sum of both limits."""
        return ratio(self.gateway.p50_us, self.raw.single_us + self.echo.p50_us)


def run(space: Workspace, plan: Plan, cores: tuple[int, int]) -> list[Verdict]:
    """Measure and print the row: all models, server on one core, client on the other."""
    server_core, load_core = cores
    rounds: dict[str, list[Round]] = {name: [] for name in SHAPES}
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(servers.echo("asyncio", [server_core]))
        gateway = stack.enter_context(servers.gateway(space.models, [server_core]))
        for _ in range(plan.rounds):
            for name, found in rounds.items():
                raw = measure.raw(space, plan, model=name, core=server_core, batch_sizes=())
                one = functools.partial(measure.load, space=space, plan=plan, model=name, core=load_core)
                bare = one(echo, speak="echo", connections=1, in_flight=1)
                found.append(Round(raw, bare, one(gateway, connections=1, in_flight=1)))
    print(f"\n## One request in flight, server on core {server_core}, client on core {load_core}; p50 in us\n")
    heads = ["model", "raw run", "echo", "gateway", "p99", "CPU us", "ratio", "ratio by round", "steal/other"]
    print(table(heads, [_line(name, found) for name, found in rounds.items()]))
    return [
        Verdict(f"one in flight, {name}: p50 / (raw run + echo)", median([r.ratio for r in found]), 1.5, False)
        for name, found in rounds.items()
    ]


def _line(name: str, rounds: list[Round]) -> tuple[object, ...]:
    return (
        name,
        median([r.raw.single_us for r in rounds]),
        median([r.echo.p50_us for r in rounds]),
        median([r.gateway.p50_us for r in rounds]),
        median([r.gateway.p99_us for r in rounds]),
        median([r.gateway.server_us for r in rounds]),
        median([r.ratio for r in rounds]),
        " ".join(f"{r.ratio:.2f}" for r in rounds),
        measure.noise(*(w for r in rounds for w in (r.echo, r.gateway))),
    )
