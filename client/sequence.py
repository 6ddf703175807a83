"""Which of a stream's results have come, and how many more the server may send. Pure; it knows neither steps nor messages.

Rules:

1. What came before does not come again, and nothing is missing that no gap stands for: a number that is skipped without one is
   a defect of the server.
2. The server may send ``window`` results more than the program has taken: so that many may lie here unread, at most.
3. The server is told anew when half of that is used, or half of what it keeps for a replay, or ``TOLD_BYTES``: it keeps what it
   was not told that it came, and under ``block`` runs nothing more when its memory for that is full.
"""

from __future__ import annotations

from typing import NamedTuple

TOLD_BYTES = 64 * 1024


class Told(NamedTuple):
    """What the server is told.

    Attributes:
        until: it may send results up to this number.
        seen: it need not keep those up to this one.
    """

    until: int
    seen: int


class Hole(Exception):
    """Raised when a number came and the one before it did not."""


class Sequence:
    """The numbers of one stream.

    Attributes:
        window: see rule 2.
        last: the last number that came.
        unread: how many results came and were not taken by the program.
        dropped: how many results were dropped, as gaps tell.
        kept: how many results the server keeps.
    """

    __slots__ = ("_bytes", "_told", "dropped", "kept", "last", "unread", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.last = 0
        self.unread = 0
        self.dropped = 0
        self._bytes = 0
        self.kept = window
        self._told = Told(window, 0)

    def keeps(self, results: int) -> None:
        """Take note of how many results the server keeps."""
        self.kept = results

    def take(self, first: int, last: int) -> bool:
        """Take note that ``first`` to ``last`` came; return whether any of them is new.

        Raises:
            Hole: something before them is missing.
        """
        if last <= self.last:
            return False
        if first > self.last + 1:
            raise Hole(f"result {first} came after result {self.last}")
        self.last = last
        return True

    def drop(self, first: int, last: int) -> bool:
        """Take note of a gap; return whether it is new.

        Raises:
            Hole: something before it is missing.
        """
        before = self.last
        if not self.take(first, last):
            return False
        self.dropped += last - before
        return True

    def weigh(self, nbytes: int, *, unread: bool) -> None:
        """Take note of the size of a result that came, and whether it lies here for the program."""
        self._bytes += nbytes
        self.unread += unread

    def read(self, count: int) -> None:
        """Take note that the program took some."""
        self.unread -= count

    def due(self) -> Told | None:
        """Return what the server should be told now, if it is time."""
        half = max(1, min(self.window, self.kept) // 2)
        until = self.last - self.unread + self.window
        if until - self._told.until >= half or self.last - self._told.seen >= half or self._bytes >= TOLD_BYTES:
            return self.tell()
        return None

    def tell(self) -> Told:
        """Return what the server should be told if it may have missed what it was told before."""
        self._bytes = 0
        self._told = Told(self.last - self.unread + self.window, self.last)
        return self._told
