"""Who asks: the one whose turn it is, and whose share of the memory is counted. Knows no connection and no name."""

from __future__ import annotations

_LATELY_S = 1.0


class Client:
    """Somebody who asks; clients with work for the same model take turns.

    Attributes:
        requests: how many of its requests wait or run.
        nbytes: bytes of their tensors.
        most_nbytes: the most that these have been since ``lately_nbytes`` began to count anew.
        streams: how many it has open. Each runs one step at a time, so it counts as a client of its own where others are to be
            spared a flood.
    """

    __slots__ = ("_before", "_since", "most_nbytes", "nbytes", "requests", "streams")

    def __init__(self) -> None:
        self.requests = 0
        self.nbytes = 0
        self.streams = 0
        self.most_nbytes = 0
        self._before = 0  # the most in the time before that
        self._since = 0.0

    def lately_nbytes(self, now: float) -> int:
        """Return the most bytes that waited or ran at one time, in the last second or two at least.

        If nobody has asked for longer, it may have been at any time since then.
        """
        if now - self._since >= _LATELY_S:
            self._before, self.most_nbytes, self._since = self.most_nbytes, self.nbytes, now
        return max(self._before, self.most_nbytes, self.nbytes)
