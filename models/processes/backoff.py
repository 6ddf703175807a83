"""When a worker process that died is started again. Pure: it takes ``now``, in seconds of any clock."""

from __future__ import annotations

FIRST_S = 0.1
LONGEST_S = 5.0
GOOD_WHILE_S = 10.0


class Backoff:
    """The first start is at once, the first after a death soon, further ones later and later until one lives for a while."""

    def __init__(self) -> None:
        self._next_s = FIRST_S
        self._started: float | None = None

    def started(self, now: float) -> None:
        """Take note of a worker that is ready."""
        self._started = now

    def died(self, now: float) -> float:
        """Take note of a worker that died, or never became ready; returns how many seconds to wait."""
        if self._started is not None and now - self._started >= GOOD_WHILE_S:
            self._next_s = FIRST_S
        self._started = None
        delay, self._next_s = self._next_s, min(2 * self._next_s, LONGEST_S)
        return delay
