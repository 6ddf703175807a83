"""How much memory half-received messages may take, and who is read from when there is little left. Pure; knows no sockets.

What counts is what is here: bytes of messages that are not whole yet, bytes that wait to be read, and whole messages that
wait to be decoded. A header that merely claims a size costs nothing.

Rules:

1. Below half of the bound everybody is read from.
2. From there on, connections that hold more than ``SMALL_BYTES`` are paused, but for those that began to hold so much
   first: as many of them as can be finished in the other half. So some always go on, nobody is refused for being big, and
   messages of the usual size are not concerned at all.
3. Beyond the bound the connection that holds most is cut off. It takes thousands that hold a little each to get there.
4. Paused ones go on in the order in which they were paused, no more of them at once than there is room for.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL_BYTES = 65536
_READ_BYTES = 262_144  # that a connection may bring at once when it is read from

T = TypeVar("T")


class Inbound(Generic[T]):
    """Who holds how much.

    Attributes:
        nbytes: all together.
    """

    __slots__ = ("_first", "_half", "_held", "_large", "_most", "_paused", "nbytes")

    def __init__(self, most_bytes: int, message_bytes: int) -> None:
        self.nbytes = 0
        self._most = most_bytes
        self._half = most_bytes // 2
        self._first = max(1, self._half // message_bytes)
        self._held: dict[T, int] = {}
        self._large: dict[T, None] = {}
        self._paused: OrderedDict[T, None] = OrderedDict()

    def hold(self, holder: T, nbytes: int) -> None:
        """Take note that somebody holds so much now, 0 for nothing."""
        self.nbytes += nbytes - self._held.get(holder, 0)
        if nbytes:
            self._held[holder] = nbytes
        else:
            self._held.pop(holder, None)
        if nbytes > SMALL_BYTES:
            self._large.setdefault(holder)
        else:
            self._large.pop(holder, None)

    def must_pause(self, holder: T) -> bool:
        """Tell whether somebody must not be read from; then it is told by ``released`` when it may be."""
        if self._may_go_on(holder):
            return False
        self._paused.setdefault(holder)
        return True

    def forget(self, holder: T) -> None:
        """Take note that somebody is gone."""
        self.hold(holder, 0)
        self._paused.pop(holder, None)

    def released(self) -> list[T]:
        """Return those that were paused and may go on now."""
        released = [holder for holder in self._leaders() if holder in self._paused]
        room = (self._half - self.nbytes) // _READ_BYTES + 1 if self.nbytes < self._half else 0
        released += itertools.islice((holder for holder in self._paused if holder not in released), room)
        for holder in released:
            del self._paused[holder]
        return released

    def surplus(self) -> T | None:
        """Return who must be cut off, since all together hold too much; None while they do not."""
        return max(self._held, key=self._held.__getitem__) if self.nbytes > self._most else None

    @property
    def anybody_paused(self) -> bool:
        """Tell whether ``released`` can have anything to say."""
        return bool(self._paused)

    def _may_go_on(self, holder: T) -> bool:
        return self.nbytes < self._half or holder not in self._large or holder in self._leaders()

    def _leaders(self) -> Iterator[T]:
        return itertools.islice(self._large, self._first)
