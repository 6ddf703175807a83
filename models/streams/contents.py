"""The contents of a stream's last steps, by number, to tell a repetition from a conflict. Pure; knows no steps.

Kept as one row of numbers: so many small objects would be walked by each full garbage collection.

Bound: ``most`` of them; older ones are forgotten.
"""

from __future__ import annotations

from array import array


class Contents:
    """Contents of consecutive steps, 64 bits each."""

    __slots__ = ("_behind", "_first", "_most", "_row")

    def __init__(self, most: int) -> None:
        self._most = most
        self._row = array("q")  # that of a number is at the number modulo ``most``
        self._first = self._behind = 1

    def add(self, number: int, content: int) -> None:
        """Remember the content of the number behind the last one."""
        row, at = self._row, (number - 1) % self._most
        if at >= len(row):
            row.frombytes(bytes((at + 1 - len(row)) * row.itemsize))
        row[at] = content
        self._behind = number + 1

    def find(self, number: int) -> int | None:
        """Return the content of a number; None if it is not known any more, or not yet."""
        known = max(self._first, self._behind - self._most) <= number < self._behind
        return self._row[(number - 1) % self._most] if known else None

    def forget_from(self, number: int) -> None:
        """Forget a number and those behind it."""
        self._first = max(self._first, self._behind - self._most)
        self._behind = min(self._behind, number)
        self._first = min(self._first, self._behind)

    def clear(self) -> None:
        """Forget everything."""
        del self._row[:]
        self._first = self._behind
