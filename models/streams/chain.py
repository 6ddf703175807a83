"""A queue that the garbage collector does not walk. Pure; knows nothing of what it holds.

A full collection visits each element of each deque, also of those whose elements it does not track: with some thousand streams
that keep hundreds of results each, that stopped the event loop for 50 ms. What a chain holds must be part of no cycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


class _Link(Struct, gc=False):
    item: Any
    behind: _Link | None = None


class Chain(Generic[T]):
    """Items in the order in which they were added.

    Attributes:
        count: how many there are.
    """

    __slots__ = ("_first", "_last", "count")

    def __init__(self) -> None:
        self._first: _Link | None = None
        self._last: _Link | None = None
        self.count = 0

    def __iter__(self) -> Iterator[T]:
        link = self._first
        while link is not None:
            yield link.item
            link = link.behind

    @property
    def first(self) -> T:
        """The item that was added before all others; there must be one."""
        assert self._first is not None
        return self._first.item  # type: ignore[no-any-return]  # links know no types

    def append(self, item: T) -> None:
        """Add an item behind the others."""
        link = _Link(item)
        if self._last is None:
            self._first = link
        else:
            self._last.behind = link
        self._last = link
        self.count += 1

    def extend(self, items: Iterable[T]) -> None:
        """Add items behind the others."""
        for item in items:
            self.append(item)

    def popleft(self) -> T:
        """Take away the first item; there must be one."""
        link = self._first
        assert link is not None
        self._first = link.behind
        if self._first is None:
            self._last = None
        self.count -= 1
        return link.item  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Take away all items."""
        self._first = self._last = None
        self.count = 0
