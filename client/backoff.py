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

TRIES = 6
"""How often a gateway is asked, at least, while it keeps streams for a client that is gone."""

_LAST_DOUBLING = 16  # beyond it the cap decides anyway, and 2 ** attempt would grow for ever


class Random(Protocol):
    """Where the jitter comes from."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return a number between the two."""
        ...


class Backoff:
    """The delays between attempts.

    Rules:

    1. The delay before attempt n after a loss is uniform between 0 and ``min(CAP_S, BASE_S * 2^n)``, but for rule 4.
    2. Counting starts anew only after a connection that held ``STABLE_S``: a server that accepts and drops at once is
       approached ever more slowly.
    3. Only a ``goaway`` on such a connection is followed at once: the server asked for it.
    4. While a gateway keeps streams for their client, it is asked ``TRIES`` times at least.
    """

    __slots__ = ("_cap_s", "_opened_at", "_random", "attempt")

    def __init__(self, source: Random | None = None) -> None:
        self.attempt = 0
        self._opened_at: float | None = None
        self._random: Random = source or random.SystemRandom()
        self._cap_s = CAP_S

    def opened(self, now: float, kept_s: float = 0.0) -> None:
        """Take note that a connection was opened, to a gateway that keeps streams for so long after its end."""
        self._opened_at = now
        self._cap_s = min(CAP_S, kept_s / TRIES) if kept_s else CAP_S

    def next_delay(self, now: float, *, invited: bool = False) -> float:
        """Return the seconds to wait before the next attempt; ``invited`` after a ``goaway``."""
        stable = self._opened_at is not None and now - self._opened_at >= STABLE_S
        self._opened_at = None
        if stable:
            self.attempt = 0
        ceiling: float = min(self._cap_s, BASE_S * 2.0 ** min(self.attempt, _LAST_DOUBLING))
        self.attempt += 1
        return 0.0 if invited and stable else self._random.uniform(0.0, ceiling)
