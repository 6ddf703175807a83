"""What was taken from a stream and may be asked for once more, in order. Pure; knows no models and no messages.

Results that were written for somebody are kept as they were written, many in one block. As objects each of them would be seven
small ones, which live for seconds among others that live for a millisecond: after a while everything that is new lies on memory
that was not touched for long, and the whole gateway becomes a quarter slower. They are read when they are asked for again.

Bound: whoever keeps the count. A block has room for so many results and so many bytes at most, and for no more than twice as
many as were left of the one before it; its memory is given back when all of it is forgotten.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from .chain import Chain
from .items import Gap, Item, Produced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST = 32
_MOST_BYTES = 16 * 1024


class _Block(Struct, gc=False):
    """Results with consecutive numbers and equally many bytes.

    Attributes:
        seq: the number of the first.
        nbytes: for which each of them counts.
        read: reads one.
        size: bytes of each.
        room: for how many there is room.
        data: all of them, one behind the other.
        count: how many there are.
        gone: how many of them were forgotten, from the first on.
    """

    seq: int
    nbytes: int
    read: Callable[[bytes], Produced]
    size: int
    room: int
    data: bytearray
    count: int = 0
    gone: int = 0

    def __iter__(self) -> Iterator[Produced]:
        size = self.size
        for at in range(self.gone, self.count):
            item = self.read(bytes(self.data[at * size : (at + 1) * size]))
            item.seq, item.nbytes = self.seq + at, self.nbytes
            yield item


@lru_cache(256)
def _writer(size: int) -> Any:
    """Return what writes so many bytes to a place; a slice of a ``bytearray`` would copy them first."""
    return struct.Struct(f"{size}s").pack_into


class Kept:
    """Items in the order in which they were taken.

    Attributes:
        count: how many there are.
    """

    __slots__ = ("_block", "_entries", "count")

    def __init__(self) -> None:
        self.count = 0
        self._entries: Chain[Item | _Block] = Chain()
        self._block: _Block | None = None  # the last entry, if it is one

    def __iter__(self) -> Iterator[Item]:
        for entry in self._entries:
            if isinstance(entry, _Block):
                yield from entry
            else:
                yield entry

    @property
    def first_seq(self) -> int:
        """The number of the item that was taken first; there must be one."""
        entry = self._entries.first
        return entry.seq + entry.gone if isinstance(entry, _Block) else entry.seq

    def append(self, item: Item) -> None:
        """Keep an item as it is."""
        self._entries.append(item)
        self._block = None
        self.count += 1

    def append_written(self, seq: int, nbytes: int, written: bytes, read: Callable[[bytes], Produced]) -> None:
        """Keep a result as it was written.

        Args:
            seq: its number.
            nbytes: for which it counts.
            written: its bytes.
            read: reads them.
        """
        block, size = self._block, len(written)
        if (
            block is None
            or size != block.size
            or seq != block.seq + block.count
            or nbytes != block.nbytes
            or read is not block.read
            or block.count == block.room
        ):
            room = 1 if block is None else max(1, min(2 * (block.count - block.gone), _MOST, _MOST_BYTES // size))
            block = self._block = _Block(seq, nbytes, read, size, room, bytearray(room * size))
            self._entries.append(block)
        _writer(size)(block.data, block.count * size, written)
        block.count += 1
        self.count += 1

    def popleft(self) -> int:
        """Forget the item that was taken first; there must be one. Return the bytes for which it counted."""
        self.count -= 1
        entry = self._entries.first
        if not isinstance(entry, _Block):
            self._entries.popleft()
            return 0 if isinstance(entry, Gap) else entry.nbytes
        entry.gone += 1
        if entry.gone == entry.count:
            self._entries.popleft()
            if entry is self._block:
                self._block = None
        return entry.nbytes

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._block = None
        self.count = 0
