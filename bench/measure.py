"""Measures one window: starts a load in a process of its own and takes no window with a wrong or missing answer."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from . import proc, runs
from .open_load import OpenWindow
from .pinger import Pings
from .window import Usage, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .servers import Server
    from .turns import Plan
    from .wire import Dialect
    from .workspace import Workspace

MARGIN_S = 60.0
"""Time that a window's process may take beyond the window: start-up, the last answers, the checking."""
LONGEST_S = 3600.0
"""Time that a load in the background may take in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Who asks what, and from which core.

    Attributes:
        manner: see ``driver``: ``steady``, ``pausing`` or ``grouping``; ``pause_ms`` is the mean pause of the second.
        nice: how far the load's process yields its core to others.
        beside: ids of other processes that belong to the measurement.
    """

    model: str
    core: int
    connections: int = 8
    in_flight: int = 16
    speak: Dialect = "tidegate"
    manner: str = "steady"
    pause_ms: float = 20.0
    nice: int = 0
    beside: tuple[int, ...] = ()

    def arguments(self, server: Server, space: Workspace, warm_up_s: float, window_s: float) -> list[object]:
        """Return the command line of ``bench.load``."""
        own = flags(speak=self.speak, manner=self.manner, pause_ms=self.pause_ms, in_flight=self.in_flight)
        return [*common(self, server, space, warm_up_s, window_s), *own]


def flags(**options: object) -> list[object]:
    """Return options as a command line has them."""
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]


def common(load: Load, server: Server, space: Workspace, warm_up_s: float, window_s: float) -> list[object]:
    """Return what the command lines of all load processes begin with."""
    where = flags(model=load.model, cases=space.cases / f"{load.model}.npz", connections=load.connections)
    when = flags(warm_up=warm_up_s, seconds=window_s)
    who = flags(core=load.core, nice=load.nice, watch=server.pid)
    return [server.url, *where, *when, *who, *(["--beside", *load.beside] if load.beside else [])]


UsageT = TypeVar("UsageT", bound=Usage)


def sound(server: Server, window: UsageT) -> UsageT:
    """Return ``window``, unless an answer in it was missing or wrong.

    Raises:
        SystemExit: one was.
    """
    if not window.sound:
        reasons = window.failures + window.checked.examples
        wrong = f"{window.checked.wrong} of {window.checked.answers} answers wrong: {'; '.join(reasons)}"
        raise SystemExit(f"bench: {server.name}: {wrong}\nIts own last words:\n{server.said()}")
    return window


def load(server: Server, space: Workspace, plan: Plan, how: Load) -> Window:
    """Load ``server`` for one window.

    Raises:
        SystemExit: when an answer was missing or wrong; a rate of wrong answers is no result.
    """
    arguments = how.arguments(server, space, plan.warm_up_s, plan.window_s)
    found = runs.result("load", arguments, plan.warm_up_s + plan.window_s + MARGIN_S)
    return sound(server, msgspec.convert(found, Window))


def open_load(server: Server, space: Workspace, plan: Plan, how: Load, *, rate: float, limit_ms: float) -> OpenWindow:
    """Offer ``rate`` requests a second for one window; otherwise as ``load``."""
    arguments = [*common(how, server, space, plan.warm_up_s, plan.window_s), *flags(rate=rate, limit_ms=limit_ms)]
    found = runs.result("open_load", arguments, plan.warm_up_s + plan.window_s + MARGIN_S)
    return sound(server, msgspec.convert(found, OpenWindow))


def retries(server: Server, space: Workspace, plan: Plan, how: Load, *, rate: float, limit_ms: float) -> dict[str, Any]:
    """Ask whether refusals say truly when to come again (see ``bench.retries``), under such a load."""
    arguments = [*common(how, server, space, plan.warm_up_s, plan.window_s), *flags(rate=rate, limit_ms=limit_ms)]
    found: dict[str, Any] = runs.result("retries", arguments, plan.warm_up_s + plan.window_s + MARGIN_S)
    if found["failures"]:
        raise SystemExit(f"bench: {server.name}: {'; '.join(found['failures'])}")
    return found


@dataclass(slots=True)
class Background:
    """A load that runs while something else is measured.

    Attributes:
        windows: its one window, once it has ended.
    """

    pid: int
    windows: list[Window] = field(default_factory=list)

    @property
    def window(self) -> Window:
        """What it measured itself, after its end."""
        return self.windows[0]


@contextlib.contextmanager
def background(server: Server, space: Workspace, plan: Plan, how: Load) -> Iterator[Background]:
    """Load ``server`` while the block runs: from its first line, when the load is warm, to its last."""
    with runs.Running("load", how.arguments(server, space, plan.warm_up_s, 0), LONGEST_S) as running:
        running.line()
        found = Background(running.pid)
        yield found
        running.stop()
        found.windows.append(sound(server, msgspec.convert(running.result(), Window)))


def pings(server: Server, seconds: float, core: int, beside: tuple[int, ...] = ()) -> Pings:
    """Measure the round trip of pings for that long."""
    arguments = [server.url, *flags(seconds=seconds, core=core), "--watch", server.pid, *beside]
    found = runs.result("pinger", arguments, seconds + MARGIN_S)
    result = msgspec.convert(found, Pings)
    if result.failures:
        raise SystemExit(f"bench: {server.name}: {'; '.join(result.failures)}\nIts own last words:\n{server.said()}")
    return result


@dataclass(frozen=True, slots=True)
class Raw:
    """onnxruntime alone: rows/s by batch size, and the p50 of a single run in microseconds."""

    rows: dict[int, float]
    single_us: float
    noise: proc.Noise


def raw(space: Workspace, plan: Plan, *, model: str, core: int, batch_sizes: tuple[int, ...]) -> Raw:
    """Measure onnxruntime in a process of its own on ``core``."""
    arguments = (space.models / f"{model}.onnx", "--core", core, "--seconds", plan.raw_s, "--batch-sizes", *batch_sizes)
    found = runs.result("raw", arguments, plan.raw_s * (len(batch_sizes) + 1) + MARGIN_S)
    rows = {int(size): rate for size, rate in found["rows"].items()}
    return Raw(rows, found["single_us"], proc.Noise(**found["noise"]))
