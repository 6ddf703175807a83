"""How a binary message is laid out: ``u32 little-endian H | header, H bytes | zeros to 8 | tensors, each with zeros to 8``.

This module cuts and joins bytes. It does not know what a header says, nor where one tensor ends and the next begins.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from .errors import Fault
from .limits import HEADER_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .datatypes import Array

    Payload = bytes | bytearray | memoryview | Array

ALIGNMENT = 8
LENGTH_BYTES = 4
PADDING = tuple(bytes(count) for count in range(ALIGNMENT))
"""``PADDING[-n % 8]`` is what follows ``n`` bytes."""

_RESERVED_SHIFT = 24
_unpack_length = struct.Struct("<I").unpack_from


def aligned(offset: int) -> int:
    """Round up to the next multiple of 8."""
    return (offset + 7) & -8


def split(data: bytes, header_bytes: int = HEADER_MAX_BYTES) -> tuple[bytes, int]:
    """Cut the header out of a message and tell the offset of the first tensor.

    Raises:
        Fault: if the length word or the padding is not as laid out, or if the header is larger than ``header_bytes``.
    """
    if len(data) < ALIGNMENT:
        raise Fault("invalid_message", "", "a header length and a header", f"a message of {len(data)} bytes")
    (size,) = _unpack_length(data)
    end = LENGTH_BYTES + size
    start = (end + 7) & -8
    if size > header_bytes or start > len(data):
        raise _lying_length(data, size, header_bytes)
    if start != end and data[end:start] != PADDING[start - end]:
        raise nonzero_padding(end)
    return data[LENGTH_BYTES:end], start


def join(header: bytes, payloads: Iterable[Payload] = ()) -> bytes:
    """Lay out a message; each payload is anything with C-contiguous bytes and is copied once."""
    size = len(header)
    pieces: list[Any] = [size.to_bytes(LENGTH_BYTES, "little"), header, PADDING[-(LENGTH_BYTES + size) % ALIGNMENT]]
    for payload in payloads:
        nbytes = len(payload) if isinstance(payload, bytes | bytearray) else payload.nbytes
        pieces += (payload, PADDING[-nbytes % ALIGNMENT])
    return b"".join(pieces)


def header_of(data: bytes) -> bytes | None:
    """Give the header of a message that is otherwise refused, if it can be told."""
    size = int.from_bytes(data[:LENGTH_BYTES], "little")
    end = LENGTH_BYTES + size
    return data[LENGTH_BYTES:end] if 0 < size <= HEADER_MAX_BYTES and end <= len(data) else None


def nonzero_padding(offset: int) -> Fault:
    """Word the fault of padding that says something."""
    return Fault("invalid_message", "", "padding of zero bytes", f"something else at byte {offset}")


def _lying_length(data: bytes, size: int, header_bytes: int) -> Fault:
    if size >> _RESERVED_SHIFT:
        return Fault("invalid_message", "", "bits 24-31 of the header length to be zero", f"a header length of {size:#010x}")
    if size > header_bytes:
        return Fault("too_large", "", f"a header of at most {header_bytes} bytes", f"{size} bytes")
    needed = aligned(LENGTH_BYTES + size)
    return Fault("invalid_message", "", f"a message of {needed} bytes or more, as its header length says", f"{len(data)}")
