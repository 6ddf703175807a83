"""Is the server still there? A pure watchdog over the time of the last sign of life; it sends nothing and closes nothing.

It is needed because the keepalive of ``websockets`` awaits its turn to write, without limit, before its timer starts: a
peer that stops reading is never noticed.
"""

from __future__ import annotations

from enum import Enum


class Pulse(Enum):
    """What to do now."""

    FINE = "fine"
    ASK = "ask"
    """Send a ping."""
    DEAD = "dead"
    """Cut the connection."""


class Heartbeat:
    """The watchdog of one connection.

    Rules:

    1. Any frame from the server is a sign of life. So is, while bytes wait to be sent, that the network takes some of them:
       a slow upload is not a dead peer, though our pings are stuck behind it. Without such a backlog it means nothing, since
       the operating system takes small messages for a peer that is long gone.
    2. After ``keepalive_s`` without one, ask, once.
    3. When the question has had no answer for as long again, the peer is dead: usually after twice ``keepalive_s``, later if
       this program was stopped meanwhile and could not ask.
    """

    __slots__ = ("_alive_at", "_asked_at", "_delivered", "_had_backlog", "keepalive_s")

    def __init__(self, keepalive_s: float, now: float) -> None:
        self.keepalive_s = keepalive_s
        self._alive_at = now
        self._asked_at: float | None = None
        self._delivered = 0
        self._had_backlog = False

    def heard(self, now: float) -> None:
        """Take note that something came from the server."""
        self._alive_at = now
        self._asked_at = None

    def check(self, now: float, delivered: int = 0, backlog: int = 0) -> Pulse:
        """Decide, given the bytes that the network has taken so far, and those that wait for it."""
        if delivered > self._delivered and self._had_backlog:
            self.heard(now)
        self._delivered, self._had_backlog = delivered, backlog > 0
        if self._asked_at is not None:
            return Pulse.DEAD if now - self._asked_at >= self.keepalive_s else Pulse.FINE
        if now - self._alive_at < self.keepalive_s:
            return Pulse.FINE
        self._asked_at = now
        return Pulse.ASK

    def next_check(self) -> float:
        """Return when ``check`` may next have something to say."""
        return (self._alive_at if self._asked_at is None else self._asked_at) + self.keepalive_s
