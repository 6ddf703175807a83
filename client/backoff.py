"""How long to wait before the next attempt to connect: full jitter. Pure; it knows no sockets and keeps no clock.

``random(0, min(cap, base * 2^attempt))`` spreads the clients of a gateway that comes back best over time, at the least
total work, among the schemes compared by Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from typing import Protocol

BASE_S = 0.5
CAP_S = 20.0
STABLE_S = 10.0
"""A connection that held this long was a good one: after it, counting starts anew."""

_LAST_DOUBLING = 16  # beyond it the cap decides anyway, and 2 ** attempt would grow for ever


class Random(Protocol):
    """Where the jitter comes from."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return a number between the two."""
        ...


class Backoff:
    """The delays between attempts.

    Rules:

    1. The delay before attempt n after a loss is uniform between 0 and ``min(CAP_S, BASE_S * 2^n)``.
    2. Counting starts anew only after a connection that held ``STABLE_S``: a server that accepts and drops at once is
       approached ever more slowly.
    3. Only a ``goaway`` on such a connection is followed at once: the server asked for it.
    """

    __slots__ = ("_opened_at", "_random", "attempt")

    def __init__(self, source: Random | None = None) -> None:
        self.attempt = 0
        self._opened_at: float | None = None
        self._random: Random = source or random.SystemRandom()

    def opened(self, now: float) -> None:
        """Take note that a connection was opened."""
        self._opened_at = now

    def next_delay(self, now: float, *, invited: bool = False) -> float:
        """Return the seconds to wait before the next attempt; ``invited`` after a ``goaway``."""
        stable = self._opened_at is not None and now - self._opened_at >= STABLE_S
        self._opened_at = None
        if stable:
            self.attempt = 0
        ceiling: float = min(CAP_S, BASE_S * 2.0 ** min(self.attempt, _LAST_DOUBLING))
        self.attempt += 1
        return 0.0 if invited and stable else self._random.uniform(0.0, ceiling)
