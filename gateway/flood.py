"""When a client that sends nothing of use is a flood. Pure; takes ``now``; knows neither messages nor sockets.

A bucket of tokens: what is of no use (messages that cannot be read, pings, pongs, empty fragments) takes one each, and time
brings them back. Who has taken all of them has sent more than ``_PER_SECOND`` for seconds; no client that works does that.
Requests never count, whatever their answer.
"""

from __future__ import annotations

_PER_SECOND = 2_000
_AT_ONCE = 10_000


class FloodGate:
    """Counts what one client sends that is of no use."""

    __slots__ = ("_left", "_since")

    def __init__(self) -> None:
        self._left = float(_AT_ONCE)
        self._since = 0.0

    def take(self, count: int, now: float) -> bool:
        """Count so many; tell whether that is a flood."""
        self._left = min(_AT_ONCE, self._left + _PER_SECOND * (now - self._since)) - count
        self._since = now
        return self._left < 0
