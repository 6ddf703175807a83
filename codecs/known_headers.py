"""Requests whose header was met before, but for its id: recognised by their bytes, without decoding them again.

A client sends the same header over and over, with another id each time. A msgpack header that begins with ``op`` and
``id``, as PROTOCOL.md recommends, is split behind its id; if the rest is equal to that of a header that was decoded and
found good, so is this one, and only the tensors' padding is left to check. That takes a fifth of the time. Everything
that is out of the ordinary (text ids, strings, booleans, empty tensors, a wrong length) goes the long way, which also
words all errors. Headers of steps, which have two numbers in front, are recognised by ``known_steps``.

Bounds: so many headers of so many bytes; at the bound all are forgotten. A header is learned when it is met the second
time, so that a client whose headers all differ costs little and drives nobody out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from .datatypes import DATATYPES
from .frames import LENGTH_BYTES, PADDING, aligned
from .messages import Infer, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .datatypes import Array

_KNOWN = 512
_SEEN_ONCE = 2048
_HEADER_BYTES = 1024
_UINT_BYTES = 5
_OP_AND_ID = b"\xa2op\xa5infer\xa2id"
_ID_AT = LENGTH_BYTES + 1 + len(_OP_AND_ID)
_MAP_AT = LENGTH_BYTES
_decode = msgspec.msgpack.Decoder(Infer).decode
_VIEWED = frozenset(DATATYPES) - {"BOOL", "BYTES"}  # any bytes of these are valid


class KnownHeader:
    """A header that was decoded and found good.

    Attributes:
        message: what it said; its id, or its stream and step, are another one's.
        names: names of the tensors, in order.
        context: a place for the reader's user to keep what it found out about such requests.
    """

    __slots__ = ("_layout", "_nbytes", "_pads", "context", "message", "names")

    def __init__(self, message: Infer | Step, tensors: Sequence[Array]) -> None:
        self.message: Any = message
        self.names = tuple(header.name for header in message.inputs)
        self.context: Any = None
        self._layout: list[tuple[tuple[int, ...], np.dtype[Any], int]] = []
        self._pads: list[tuple[int, int]] = []
        self._nbytes = 0
        for array in tensors:
            self._layout.append((array.shape, array.dtype, self._nbytes))
            end = self._nbytes + array.nbytes
            self._nbytes = aligned(end)
            if end != self._nbytes:
                self._pads.append((end, self._nbytes))

    def tensors(self, data: bytes, header_end: int) -> list[Array] | None:
        """Return read-only views of the tensors, in order; None if the message must go the long way."""
        start = aligned(header_end)
        if len(data) != start + self._nbytes or data[header_end:start] != PADDING[start - header_end]:
            return None
        for pad, end in self._pads:
            if data[start + pad : start + end] != PADDING[end - pad]:
                return None
        return [np.ndarray(shape, dtype, data, start + offset) for shape, dtype, offset in self._layout]


class HeaderMemory:
    """Headers by what they have beside their numbers."""

    __slots__ = ("_known", "_seen_once")

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHeader] = {}
        self._seen_once: set[bytes] = set()

    def _remember(
        self, rest: bytes, message: Infer | Step, tensors: Sequence[Array], is_sure: Callable[[], bool]
    ) -> KnownHeader | None:
        """Learn a header that was found good, when it is met again and ``is_sure``; return it then."""
        if not _is_plain(message, tensors):
            return None
        if rest not in self._seen_once:
            if len(self._seen_once) >= _SEEN_ONCE:
                self._seen_once.clear()
            self._seen_once.add(rest)
            return None
        if not is_sure():
            return None
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[rest] = known = KnownHeader(message, tensors)
        return known


class KnownHeaders(HeaderMemory):
    """The headers of requests that were met so far."""

    __slots__ = ()

    def find(self, data: bytes) -> tuple[KnownHeader, int, int] | None:
        """Return the header of a binary message if it is known, its id, and the offset at which it ends."""
        split = _split(data)
        if split is None:
            return None
        known = self._known.get(split[0])
        return None if known is None else (known, split[1], split[2])

    def learn(self, data: bytes, message: Infer, tensors: Sequence[Array]) -> KnownHeader | None:
        """Remember the header of a message that was read the long way and found good; return it once it is known."""
        split = _split(data)
        if split is None:
            return None
        rest, id_, _end = split
        return self._remember(
            rest, message, tensors, lambda: message.id == id_ and _id_is_where_it_seems(rest, (id_ + 1) % 128)
        )


def _id_is_where_it_seems(rest: bytes, other: int) -> bool:
    """Tell whether another id in that place is what decoding gives: a map may hold a key twice, and the last one counts."""
    try:
        return _decode(rest[:1] + _OP_AND_ID + bytes([other]) + rest[1:]).id == other
    except msgspec.DecodeError:
        return False


def _split(data: bytes) -> tuple[bytes, int, int] | None:
    """Split a message's header at its id.

    Returns:
        The header without its id (the map's first byte, then what follows the id), the id, and the offset of the
        header's end; None unless it is short and begins with op and a whole number for an id.
    """
    if data[_MAP_AT + 1 : _ID_AT] != _OP_AND_ID or len(data) <= _ID_AT + _UINT_BYTES:
        return None
    id_, at = read_uint(data, _ID_AT)
    end = header_end(data, at)
    return (data[_MAP_AT : _MAP_AT + 1] + data[at:end], id_, end) if end else None


def read_uint(data: bytes, at: int) -> tuple[int, int]:
    """Read a msgpack integer of at most 32 bits where there are five bytes at least.

    Returns:
        The integer and the offset behind it; that is 0 if it is none.
    """
    first = data[at]
    if first < 0x80:
        return first, at + 1
    if first == 0xCD:
        return data[at + 1] << 8 | data[at + 2], at + 3
    if first == 0xCC:
        return data[at + 1], at + 2
    if first == 0xCE:
        return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
    return 0, 0


def header_end(data: bytes, at: int) -> int:
    """Give the offset at which a header ends; 0 if it is long, or if there is none or no end behind ``at``."""
    end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
    # Whatever it claims, no more than that is ever copied.
    return end if 0 < at < end <= len(data) and end <= _HEADER_BYTES else 0


def _is_plain(message: Infer | Step, tensors: Sequence[Array]) -> bool:
    headers = message.inputs
    return len(headers) == len(tensors) and all(
        header.datatype in _VIEWED and array.nbytes for header, array in zip(headers, tensors, strict=True)
    )
