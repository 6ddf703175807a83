"""The contents of a stream's last steps, by number, to tell a repetition from a conflict. Pure; knows no steps.

Kept as one row of bytes, sixteen for each step: so many small objects would be walked by each full garbage collection.

Bound: ``most`` of them; older ones are forgotten.
"""

from __future__ import annotations

_SIZE = 16


class Contents:
    """Contents of consecutive numbers, sixteen bytes each."""

    __slots__ = ("_behind", "_most_bytes", "_row")

    def __init__(self, most: int) -> None:
        self._most_bytes = most * _SIZE
        self._row = bytearray()
        self._behind = 1

    def add(self, number: int, content: bytes) -> None:
        """Remember the content of the number behind the last one."""
        self._row += content
        self._behind = number + 1
        if len(self._row) > self._most_bytes:
            del self._row[:_SIZE]

    def find(self, number: int) -> bytes | None:
        """Return the content of a number; None if it is not known any more, or not yet."""
        from_end = (self._behind - number) * _SIZE
        if not 0 < from_end <= len(self._row):
            return None
        start = len(self._row) - from_end
        return bytes(self._row[start : start + _SIZE])

    def forget_from(self, number: int) -> None:
        """Forget a number and those behind it."""
        keep = len(self._row) - max(0, self._behind - number) * _SIZE
        del self._row[max(0, keep) :]
        self._behind = min(self._behind, number)

    def clear(self) -> None:
        """Forget everything."""
        self._row.clear()
