"""Row 2: a compute-bound model with a core for its compute slot, against onnxruntime's best batched rate on that core.

Two cores: one computes and nothing else; the server's loop and the load generator share the other.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import measure, places, servers
from .gauges import Scrape, lag_p99_ms
from .measure import Load
from .models import BIG
from .stats import median, ratio, table
from .turns import disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from .measure import Raw
    from .turns import Plan
    from .window import Window
    from .wire import Dialect
    from .workspace import Workspace

CONNECTIONS, IN_FLIGHT = 8, 32
BATCH_SIZES = (16, 32, 64, 128)


@dataclass(slots=True)
class Round:
    """onnxruntime alone and the gateway, one after the other."""

    raw: Raw
    gateway: Window
    naive: Window | None
    lag_ms: float

    @property
    def parts(self) -> list[Window | Raw]:
        """All that was measured."""
        return [self.raw, self.gateway, *([self.naive] if self.naive else [])]


def best_size(rounds: list[Round]) -> int:
    """Return onnxruntime's best batch size, chosen over all rounds: a round's own maximum would also collect its luck."""
    return max(BATCH_SIZES, key=lambda size: median([r.raw.rows[size] for r in rounds]))


def run(space: Workspace, plan: Plan, cores: tuple[int, int]) -> list[Verdict]:
    """Measure and print the row."""
    compute_core, loop_core = cores
    with contextlib.ExitStack() as stack:
        naive = stack.enter_context(servers.naive(space.models)) if plan.peers else None
        gateway = stack.enter_context(places.slot_apart(space.only(BIG.name), cores))
        print(
            f"\n## Big model, {CONNECTIONS} connections x {IN_FLIGHT} in flight, compute slot on core {compute_core},"
            f" loop and load on core {loop_core}\n"
        )
        rounds = repeat(BIG.name, plan, lambda: _round(space, plan, cores, gateway, naive))
    size = best_size(rounds)
    ratios = [ratio(r.gateway.rate, r.raw.rows[size]) for r in rounds]
    _report(rounds, ratios, size)
    return [Verdict("big: rows/s / onnxruntime's best batched rows/s", median(ratios), 0.95, True)]


def _round(
    space: Workspace, plan: Plan, cores: tuple[int, int], gateway: servers.Server, naive: servers.Server | None
) -> Round:
    def window(server: servers.Server, speak: Dialect) -> Window:
        how = Load(model=BIG.name, core=cores[1], speak=speak, connections=CONNECTIONS, in_flight=IN_FLIGHT)
        return measure.load(server, space, plan, how)

    raw = measure.raw(space, plan, model=BIG.name, core=cores[0], batch_sizes=BATCH_SIZES)
    before = Scrape.of(gateway)
    served = window(gateway, "tidegate")
    lag = lag_p99_ms(before, Scrape.of(gateway))
    return Round(raw, served, window(naive, "naive") if naive else None, lag)


def _report(rounds: list[Round], ratios: list[float], size: int) -> None:
    heads = ["", f"raw rows/s in {size}s", "gateway rows/s", "ratio", "mean batch"]
    heads += ["compute %", "loop %", "load %", "p50 ms", "steal/other"]
    lines = [
        (
            f"round {i}",
            r.raw.rows[size],
            r.gateway.rate,
            share,
            r.gateway.checked.mean_batch,
            r.gateway.threads_share * 100,
            r.gateway.loop_share * 100,
            r.gateway.load_share * 100,
            r.gateway.p50_us / 1000,
            disturbance(r),
        )
        for i, (r, share) in enumerate(zip(rounds, ratios, strict=True), 1)
    ]
    print("\n" + table(heads, lines))
    exact = median([r.gateway.checked.exact_share for r in rounds])
    print(f"\nbit-equal to a run alone: {exact:.1%}; loop lag p99 {median([r.lag_ms for r in rounds]):.1f} ms", end="")
    naive = [r.naive.rate for r in rounds if r.naive]
    print(f"; naive server on both cores: {median(naive):,.0f} rows/s" if naive else "")
