"""When connections are written to that get tokens all the time: each about once in a millisecond, and one after the other.

A write costs as much as twenty tokens, so that what is made within a millisecond goes out together. Writes of many connections
at once would keep the interpreter lock from a compute slot that needs it for its next step; so they are spread. Pure; takes
``now``; knows no connection.

Bound: each connection is in here once, for two milliseconds at most, if ``late`` is asked every millisecond.
"""

from __future__ import annotations

from typing import Generic, TypeVar

WITHIN_S = 0.001

T = TypeVar("T")


class Trickle(Generic[T]):
    """Those to whom something is to be written, and since when."""

    __slots__ = ("_next", "_since")

    def __init__(self) -> None:
        self._since: dict[T, float] = {}
        self._next = 0.0

    def __bool__(self) -> bool:
        return bool(self._since)

    def add(self, who: T, now: float) -> T | None:
        """Take note that there is something to write; return who is to be written to now, if it is anybody's turn.

        While n of them wait, each n-th part of a millisecond is the turn of the one that has waited longest.
        """
        since = self._since
        if not since:
            self._next = now + WITHIN_S
        since.setdefault(who, now)
        if now < self._next:
            return None
        first = next(iter(since))
        self._next = now + WITHIN_S / len(since)
        del since[first]
        return first

    def late(self, now: float) -> list[T]:
        """Return those that have waited for a millisecond: nothing that came after it was their turn."""
        late = [who for who, since in self._since.items() if now - since >= WITHIN_S]
        for who in late:
            del self._since[who]
        return late

    def forget(self, who: T) -> None:
        """Take note that nothing is to be written any more."""
        self._since.pop(who, None)
