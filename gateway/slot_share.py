"""Which share of the compute slots' time was used lately. Pure: it is told the time, and it knows no slots."""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0
_MIN_SPAN_S = 0.5  # of two readings nearer than this the difference is mostly chance


class SlotShare:
    """Turns readings of a growing number, busy seconds of all slots, into a share between 0 and 1."""

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings: deque[tuple[float, float]] = deque(maxlen=64)

    def read(self, now: float, busy_s: float, slots: int) -> float:
        """Take a reading and give the share since the reading about ten seconds ago, or the nearest there is.

        Args:
            now: seconds, monotonic.
            busy_s: seconds that all slots together have been busy until now.
            slots: how many there are.
        """
        share = self._share(now, busy_s, slots)
        if not self._readings or now - self._readings[-1][0] >= _MIN_SPAN_S:
            self._readings.append((now, busy_s))
        return share

    def _share(self, now: float, busy_s: float, slots: int) -> float:
        # The newest reading that is older than the window is kept, so that a rare reader sees all the time in between.
        while len(self._readings) > 1 and now - self._readings[1][0] >= WINDOW_S:
            self._readings.popleft()
        if not self._readings or slots < 1:
            return 0.0
        then, busy_then_s = self._readings[0]
        return min(1.0, max(0.0, (busy_s - busy_then_s) / (slots * (now - then)))) if now > then else 0.0
