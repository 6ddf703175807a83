"""The contents of a stream's last steps, by number, to tell a repetition from a conflict. Pure; knows no steps.

Kept as one row of numbers: so many small objects would be walked by each full garbage collection.

Bound: ``most`` of them; older ones are forgotten.
"""

from __future__ import annotations

from array import array


class Contents:
    """Contents of consecutive steps, 64 bits each."""

    __slots__ = ("_behind", "_most", "_row")

    def __init__(self, most: int) -> None:
        self._most = most
        self._row = array("q")
        self._behind = 1

    def add(self, number: int, content: int) -> None:
        """Remember the content of the number behind the last one."""
        self._row.append(content)
        self._behind = number + 1
        if len(self._row) > self._most:
            del self._row[0]

    def find(self, number: int) -> int | None:
        """Return the content of a number; None if it is not known any more, or not yet."""
        from_end = self._behind - number
        return self._row[-from_end] if 0 < from_end <= len(self._row) else None

    def forget_from(self, number: int) -> None:
        """Forget a number and those behind it."""
        keep = len(self._row) - max(0, self._behind - number)
        del self._row[max(0, keep) :]
        self._behind = min(self._behind, number)

    def clear(self) -> None:
        """Forget everything."""
        del self._row[:]
