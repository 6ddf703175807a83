"""A time series of a process and its children, written down by a thread while something else is measured."""

from __future__ import annotations

import contextlib
import os
import statistics
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from . import proc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KIB = 1024
YIELDING = 10


class Sample(NamedTuple):
    """One look: when, in seconds, how much memory is resident, in MiB, and the CPU seconds that were used so far."""

    at: float
    rss_mib: float
    cpu_s: float


def look(pid: int) -> Sample:
    """Look now."""
    family = (pid, *proc.children(pid))
    cpu_s = sum(sum(proc.thread_cpu_s(one).values()) for one in family)
    return Sample(time.monotonic(), sum(map(proc.rss_kib, family)) / KIB, cpu_s)


def yield_core() -> None:
    """Let this thread, which only looks, take a core from nobody that is measured; on Linux niceness is a thread's own."""
    os.nice(YIELDING)


@contextlib.contextmanager
def watched(pid: int, every_s: float = 0.5) -> Iterator[list[Sample]]:
    """Look while the block runs; the list grows meanwhile, by one sample each ``every_s`` seconds."""
    samples, over = [look(pid)], threading.Event()

    def keep_looking() -> None:
        yield_core()
        while not over.wait(every_s):
            samples.append(look(pid))

    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
    samples.append(look(pid))


def slope_mib_per_minute(samples: Sequence[Sample]) -> float:
    """Return how fast memory grew over the second half, when whatever had to be filled first was full; NaN if too short."""
    late = samples[len(samples) // 2 :]
    if len(late) < 2:
        return float("nan")
    return statistics.linear_regression([s.at for s in late], [s.rss_mib for s in late]).slope * 60


def growth(samples: Sequence[Sample]) -> float:
    """Return the memory of the last quarter by that of the second, medians of each."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    return statistics.median(s.rss_mib for s in late) / statistics.median(s.rss_mib for s in early)
