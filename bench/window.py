"""What one measuring window says, and the clocks at its two ends. It knows no connections."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import proc
from .checks import EXAMPLES, Checked
from .stats import quantile, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .driver import Recorder


@dataclass(slots=True, kw_only=True)
class Usage:
    """What a window cost: the server's CPU per answer, and shares of one core."""

    server_us: float
    loop_share: float
    threads_share: float
    load_share: float
    noise: proc.Noise
    checked: Checked
    failures: list[str]

    @property
    def sound(self) -> bool:
        """Whether every answer came, once, and was right."""
        return not self.failures and not self.checked.wrong and self.checked.answers > 0


@dataclass(slots=True, kw_only=True)
class Window(Usage):
    """What was measured in one window of a closed loop; rates per second."""

    rate: float
    p50_us: float
    p99_us: float
    max_us: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All clocks at one end of the window.

    Attributes:
        threads: CPU seconds of the server's threads and of its children's; its main thread's id is its process id.
        others: CPU seconds of further processes that belong to the measurement, in all.
    """

    answers: int
    wall: float
    own: float
    threads: dict[int, float]
    others: float
    machine: proc.MachineTimes

    @classmethod
    def take(cls, answers: int, watched: int, others: Sequence[int]) -> Snapshot:
        """Read them now."""
        threads = proc.family_cpu_s(watched) if watched else {}
        return cls(
            answers,
            time.perf_counter(),
            time.process_time(),
            threads,
            sum(proc.cpu_s(pid) for pid in others),
            proc.machine_times(),
        )


def usage(first: Snapshot, last: Snapshot, watched: int, checked: Checked, failures: list[str]) -> dict[str, object]:
    """Return the fields of ``Usage`` for what lies between the two."""
    wall = last.wall - first.wall
    threads = {tid: cpu - first.threads.get(tid, 0.0) for tid, cpu in last.threads.items()}
    server, loop, own = sum(threads.values()), threads.get(watched, 0.0), last.own - first.own
    everything = server + own + last.others - first.others
    return {
        "server_us": ratio(server, last.answers - first.answers) * 1e6,
        "loop_share": loop / wall,
        "threads_share": (server - loop) / wall,
        "load_share": own / wall,
        "noise": proc.Noise.between(first.machine, last.machine, everything),
        "checked": checked,
        "failures": failures[:EXAMPLES],
    }


def closed(recorder: Recorder, first: Snapshot, last: Snapshot, watched: int, checked: Checked) -> Window:
    """Turn the two snapshots and what lies between them into a window."""
    latencies = recorder.latencies[first.answers : last.answers]
    return Window(
        rate=(last.answers - first.answers) / (last.wall - first.wall),
        p50_us=quantile(latencies, 0.5) * 1e6,
        p99_us=quantile(latencies, 0.99) * 1e6,
        max_us=max(latencies, default=float("nan")) * 1e6,
        **usage(first, last, watched, checked, recorder.failures),  # type: ignore[arg-type]
    )
