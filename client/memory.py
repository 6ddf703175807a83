"""How many bytes of unfinished requests and steps this client keeps. Pure; it knows neither of them, only their sizes."""

from __future__ import annotations

from typing import Protocol


class Kept(Protocol):
    """Something that takes memory.

    Attributes:
        nbytes: bytes that it would take.
        held_bytes: bytes of them that are counted.
    """

    nbytes: int
    held_bytes: int


class Memory:
    """The bytes that all of them take. More are given only within the limit, or to one alone.

    Attributes:
        held: the bytes now.
    """

    __slots__ = ("_limit", "held")

    def __init__(self, limit: int) -> None:
        self.held = 0
        self._limit = limit

    def has_room(self, kept: Kept) -> bool:
        """Tell whether something may take all its bytes; what has them already, since it was sent before, may keep them."""
        more = kept.nbytes - kept.held_bytes
        has_all = kept.held_bytes > 0 and more <= 0
        return has_all or self.held + more <= self._limit or self.held == kept.held_bytes

    def count(self, kept: Kept, nbytes: int) -> None:
        """Let something take this many bytes, instead of those that it took before."""
        self.held += nbytes - kept.held_bytes
        kept.held_bytes = nbytes
