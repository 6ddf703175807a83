"""Whether a message that is not whole yet gets on. Pure; takes ``now``; knows neither bytes nor sockets.

A client that sends one byte a second of a message that it says is large would hold memory for ever. So in each ``window_s``
in which it is listened to, a message must either be finished or have grown by ``LEAST_BYTES``.
"""

from __future__ import annotations

LEAST_BYTES = 65536


class Progress:
    """The progress of one connection's messages."""

    __slots__ = ("_messages", "_nbytes", "_since")

    def __init__(self) -> None:
        self._messages = -1
        self._nbytes = 0
        self._since = 0.0

    def stalled_for(self, messages: int, nbytes: int, now: float) -> float:
        """Return for how many seconds too little has come.

        Args:
            messages: how many messages were finished so far.
            nbytes: how much there is of the next one.
            now: in seconds, monotonic.
        """
        if messages != self._messages or not nbytes or nbytes >= self._nbytes + LEAST_BYTES:
            self._messages, self._nbytes, self._since = messages, nbytes, now
        return now - self._since

    def pardon(self, now: float) -> None:
        """Begin anew: the client was not listened to until now."""
        self._since = now
