"""Row 3: one request in flight; the gateway's p50 against a raw run plus a bare echo's round trip of the same bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import measure, servers
from .measure import Load
from .models import SHAPES
from .stats import median, ratio, table
from .turns import disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from .measure import Raw
    from .turns import Plan
    from .window import Window
    from .workspace import Workspace


@dataclass(slots=True)
class Round:
    """One model, once: the raw run, the echo of its requests, the gateway."""

    raw: Raw
    echo: Window
    gateway: Window

    @property
    def parts(self) -> list[Window | Raw]:
        """All that was measured."""
        return [self.raw, self.echo, self.gateway]

    @property
    def ratio(self) -> float:
        """How much longer than the sum of both limits."""
        return ratio(self.gateway.p50_us, self.raw.single_us + self.echo.p50_us)


def run(space: Workspace, plan: Plan, cores: tuple[int, int]) -> list[Verdict]:
    """Measure and print the row: all models, server on one core, client on the other."""
    server_core, load_core = cores
    # Thousands of round trips fit into half a window.
    plan = dataclasses.replace(plan, window_s=plan.window_s / 2)
    print(f"\n## One request in flight, server on core {server_core}, client on core {load_core}; p50 in us\n")
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(servers.echo("asyncio", [server_core]))
        gateway = stack.enter_context(servers.gateway(space.models, [server_core]))

        def once(name: str) -> Round:
            raw = measure.raw(space, plan, model=name, core=server_core, batch_sizes=())
            lone = Load(model=name, core=load_core, connections=1, in_flight=1)
            bare = measure.load(echo, space, plan, dataclasses.replace(lone, speak="echo"))
            return Round(raw, bare, measure.load(gateway, space, plan, lone))

        rounds = {name: repeat(name, plan, functools.partial(once, name)) for name in SHAPES}
    heads = ["model", "raw run", "echo", "gateway", "p99", "CPU us", "ratio", "ratio by round", "steal/other"]
    print("\n" + table(heads, [_line(name, found) for name, found in rounds.items()]))
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
        " ".join(disturbance(r) for r in rounds),
    )
