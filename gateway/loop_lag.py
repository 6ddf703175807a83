"""How late the event loop is: a recorder that is only arithmetic, and a thin timer that feeds it.

A timer is set every 50 ms; how much later than due it runs is how long anything else would have waited at that moment. A
loop that was blocked for a second also swallowed nineteen timers, which would have been late too: they are counted with the
lag they would have had, else a rare long stop would look like one sample in a thousand good ones.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from .histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL_S = 0.05
WINDOW_S = 60.0
BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class LagReadout(NamedTuple):
    """Lag in the sliding window, in seconds."""

    p50_s: float
    p99_s: float
    max_s: float


class LoopLag:
    """Lag of one loop: the last minute exactly, all time in a histogram; bounded memory.

    Attributes:
        histogram: seconds of lag since the start.
    """

    __slots__ = ("_interval_s", "_recent", "histogram")

    def __init__(self, interval_s: float = INTERVAL_S, window_s: float = WINDOW_S) -> None:
        self._interval_s = interval_s
        # One entry stands for one interval, so that their number is the length of the window.
        self._recent: deque[float] = deque(maxlen=max(1, round(window_s / interval_s)))
        self.histogram = Histogram(BOUNDS_S)

    def record(self, lag_s: float) -> None:
        """Take in that a timer ran ``lag_s`` late, and the timers that it kept from running."""
        lag_s = max(lag_s, 0.0)
        swallowed = min(int(lag_s / self._interval_s), (self._recent.maxlen or 1) - 1)
        for missed in range(swallowed, -1, -1):
            late_s = lag_s - missed * self._interval_s
            self._recent.append(late_s)
            self.histogram.observe(late_s)

    def latest(self, count: int) -> list[float]:
        """Return the seconds of the newest so many records, as far as they are in the window."""
        return list(self._recent)[-count:] if count > 0 else []

    def readout(self) -> LagReadout:
        """Give percentiles of the last minute; zeros before the first record."""
        ordered = sorted(self._recent)
        if not ordered:
            return LagReadout(0.0, 0.0, 0.0)
        return LagReadout(_percentile(ordered, 0.5), _percentile(ordered, 0.99), ordered[-1])


class LoopLagMonitor:
    """Feeds a recorder from the running loop until it is stopped."""

    def __init__(self, lag: LoopLag, interval_s: float = INTERVAL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._lag = lag
        self._interval_s = interval_s
        # Not loop.time(): uvloop's stands still during a turn of the loop.
        self._clock = clock
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin to measure; must be called once, on the loop's thread."""
        self._schedule(loop or asyncio.get_running_loop())

    def stop(self) -> None:
        """Stop measuring; may be called at any time."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = self._clock() + self._interval_s
        self._handle = loop.call_later(self._interval_s, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lag.record(self._clock() - self._due)
        self._schedule(loop)


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[math.ceil(share * len(ordered)) - 1]
