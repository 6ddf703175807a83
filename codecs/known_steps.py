"""Steps whose header was met before, but for their stream and number: recognised by their bytes.

The same as ``known_headers`` does for requests, with the same bounds: a msgpack header that begins with ``op``, ``stream`` and
``step``, the last two being integers of at most 32 bits, is split behind them. Streams whose steps look alike share one
known header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .frames import LENGTH_BYTES
from .known_headers import HeaderMemory, KnownHeader, header_end, read_uint
from .messages import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .datatypes import Array

_OP_AND_STREAM = b"\xa2op\xa4step\xa6stream"
_STEP = b"\xa4step"
_STREAM_AT = LENGTH_BYTES + 1 + len(_OP_AND_STREAM)
_NUMBERS_END = _STREAM_AT + 5 + len(_STEP) + 5  # if both are as long as they may be
_decode = msgspec.msgpack.Decoder(Step).decode


class KnownSteps(HeaderMemory):
    """The headers of steps that were met so far."""

    __slots__ = ()

    def find(self, data: bytes) -> tuple[KnownHeader, int, int, int] | None:
        """Return the header of a binary message if it is known, its stream, its step, and the offset at which it ends."""
        split = _split(data)
        if split is None:
            return None
        known = self._known.get(split[0])
        return None if known is None else (known, split[1], split[2], split[3])

    def learn(self, data: bytes, message: Step, tensors: Sequence[Array]) -> KnownHeader | None:
        """Remember the header of a step that was read the long way and found good; return it once it is known."""
        split = _split(data)
        if split is None:
            return None
        rest, stream, step, _end = split
        return self._remember(
            rest, message, tensors, lambda: (message.stream, message.step) == (stream, step) and _are_where_they_seem(rest)
        )


def _are_where_they_seem(rest: bytes) -> bool:
    """Tell whether other numbers in their places are what decoding gives: a map may hold a key twice, and the last counts."""
    try:
        for number in (1, 2):
            other = _decode(rest[:1] + _OP_AND_STREAM + bytes([number]) + _STEP + bytes([number + 2]) + rest[1:])
            if (other.stream, other.step) != (number, number + 2):
                return False
    except msgspec.DecodeError:
        return False
    return True


def _split(data: bytes) -> tuple[bytes, int, int, int] | None:
    """Split a message's header behind its stream and step.

    Returns:
        The header without them (the map's first byte, then what follows), the stream, the step, and the offset of the
        header's end; None unless it is short and begins with op and two whole numbers, the step not being 0.
    """
    if data[LENGTH_BYTES + 1 : _STREAM_AT] != _OP_AND_STREAM or len(data) < _NUMBERS_END:
        return None
    stream, at = read_uint(data, _STREAM_AT)
    if not at or data[at : at + len(_STEP)] != _STEP:
        return None
    step, at = read_uint(data, at + len(_STEP))
    end = header_end(data, at)
    return (data[LENGTH_BYTES : LENGTH_BYTES + 1] + data[at:end], stream, step, end) if end and step else None
