"""What all clients together have not read, and who has to go when that is too much. Pure; knows no connections.

Rules:

1. A client may leave unread what is still free, and no more: the more the others hold, the sooner nothing more is read from
   the one that holds much, so that it cannot ask for more.
2. At the bound the client that holds the most is cut off, then the next, until an eighth is free.

The numbers are those of the last look at each client; whoever is about to cut somebody off looks again first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

ClientT = TypeVar("ClientT", bound="Hashable")


class Backlogs(Generic[ClientT]):
    """Bytes that clients have not read.

    Args:
        most: how many all of them together may leave unread.

    Attributes:
        total: bytes that all of them hold.
    """

    __slots__ = ("_held", "_most", "total")

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[ClientT, int] = {}
        self.total = 0

    def __iter__(self) -> Iterator[ClientT]:
        """Give the clients that hold something."""
        return iter(tuple(self._held))

    def __len__(self) -> int:
        return len(self._held)

    def note(self, client: ClientT, nbytes: int) -> None:
        """Take note of what a client holds now; with 0 it is forgotten."""
        self.total += nbytes - self._held.pop(client, 0)
        if nbytes:
            self._held[client] = nbytes

    @property
    def room(self) -> int:
        """Bytes that are still free."""
        return max(0, self._most - self.total)

    @property
    def full(self) -> bool:
        """Whether somebody has to go."""
        return self.total > self._most

    def surplus(self) -> list[ClientT]:
        """Name the clients that have to go, those that hold the most first; nobody unless an eighth is not free."""
        goal, gone, left = self._most - self._most // 8, [], self.total
        for client in sorted(self._held, key=lambda client: -self._held[client]):
            if left <= goal:
                break
            gone.append(client)
            left -= self._held[client]
        return gone
