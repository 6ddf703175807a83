"""Runs one measuring window in a process of its own, with a time limit, and gives back what it printed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from . import proc, wire
from .load import Window
from .models import write_all
from .servers import ROOT, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MARGIN_S = 60.0
"""Time that a window's process may take beyond the window: start-up, the last answers, the checking."""
NOISY = 0.05
FEWEST_CALM = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often is measured; times in seconds."""

    rounds: int = 5
    most_rounds: int = 8
    warm_up_s: float = 0.5
    window_s: float = 2.0
    raw_s: float = 0.4
    peers: bool = True


QUICK = Plan(rounds=3, most_rounds=4, warm_up_s=0.2, window_s=0.6, raw_s=0.15, peers=False)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A temporary folder with the benches' models and cases."""

    models: Path
    cases: Path

    def only(self, name: str) -> Path:
        """Return a folder with this model alone."""
        folder = self.models.parent / f"only-{name}"
        folder.mkdir(exist_ok=True)
        target = folder / f"{name}.onnx"
        if not target.exists():
            target.write_bytes((self.models / target.name).read_bytes())
        return folder


@contextlib.contextmanager
def workspace() -> Iterator[Workspace]:
    """Make the models and cases, and remove them at the end."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
        space = Workspace(Path(folder) / "models", Path(folder) / "cases")
        write_all(space.models, space.cases)
        yield space


def _last_line(module: str, *arguments: object, limit_s: float) -> Any:
    command = [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise SystemExit(f"bench.{module} took more than {limit_s:.0f} s") from error
    if done.returncode:
        raise SystemExit(f"bench.{module} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def load(
    server: Server,
    space: Workspace,
    plan: Plan,
    *,
    model: str,
    core: int,
    speak: wire.Dialect = "tidegate",
    connections: int = 8,
    in_flight: int = 16,
) -> Window:
    """Load ``server`` for one window from ``core``.

    Raises:
        SystemExit: when an answer was missing or wrong; a rate of wrong answers is no result.
    """
    options = {
        "speak": speak,
        "model": model,
        "cases": space.cases / f"{model}.npz",
        "connections": connections,
        "in-flight": in_flight,
        "warm-up": plan.warm_up_s,
        "seconds": plan.window_s,
        "core": core,
        "watch": server.pid,
    }
    flat = [part for name, value in options.items() for part in (f"--{name}", value)]
    found = _last_line("load", server.url, *flat, limit_s=plan.warm_up_s + plan.window_s + MARGIN_S)
    window = Window(**{**found, "checked": wire.Checked(**found["checked"]), "noise": proc.Noise(**found["noise"])})
    if not window.sound:
        reasons = window.failures + window.checked.examples
        wrong = f"{window.checked.wrong} of {window.checked.answers} answers wrong: {'; '.join(reasons)}"
        raise SystemExit(f"bench: {server.name}: {wrong}\nIts own last words:\n{server.said()}")
    return window


@dataclass(frozen=True, slots=True)
class Raw:
    """onnxruntime alone: rows/s by batch size, and the p50 of a single run in microseconds."""

    rows: dict[int, float]
    single_us: float
    noise: proc.Noise


def raw(space: Workspace, plan: Plan, *, model: str, core: int, batch_sizes: tuple[int, ...]) -> Raw:
    """Measure onnxruntime in a process of its own on ``core``."""
    arguments = (space.models / f"{model}.onnx", "--core", core, "--seconds", plan.raw_s, "--batch-sizes", *batch_sizes)
    found = _last_line("raw", *arguments, limit_s=plan.raw_s * (len(batch_sizes) + 1) + MARGIN_S)
    rows = {int(size): rate for size, rate in found["rows"].items()}
    return Raw(rows, found["single_us"], proc.Noise(**found["noise"]))


class Round(Protocol):
    """One turn of everything that a row compares."""

    @property
    def parts(self) -> Sequence[Window | Raw]:
        """All that was measured in it."""


RoundT = TypeVar("RoundT", bound=Round)


def noise(part: Round) -> str:
    """Return the worst shares of a round that were stolen and used by other programs; "!" marks a disturbed round."""
    steal, other = (max(getattr(p.noise, name) for p in part.parts) for name in ("steal", "other"))
    return f"{steal:.0%}/{other:.0%}{'' if _calm(part) else ' !'}"


def _calm(part: Round) -> bool:
    return all(p.noise.steal + p.noise.other <= NOISY for p in part.parts)


def repeat(name: str, plan: Plan, once: Callable[[], RoundT]) -> list[RoundT]:
    """Run rounds until enough were calm; give only those, or all when hardly any was.

    Whoever shares the machine disturbs the one side of a ratio and not the other: such a round says nothing.
    """
    rounds: list[RoundT] = []
    while sum(map(_calm, rounds)) < plan.rounds and len(rounds) < plan.most_rounds:
        rounds.append(once())
    calm = [part for part in rounds if _calm(part)]
    kept = calm if len(calm) >= FEWEST_CALM else rounds
    print(f"{name}: {len(rounds)} rounds, {len(calm)} of them calm; {len(kept)} are shown and count.", flush=True)
    return kept
