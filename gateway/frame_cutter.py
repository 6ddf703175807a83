"""Cuts the bytes of a client into WebSocket frames, quickly. Pure; knows nothing of messages, sockets or state.

Only what nearly all traffic consists of is decoded here (RFC 6455 §5.2): whole, unfragmented, masked binary frames, pings
and pongs, and the heads of large data frames, whose payload is unmasked as it arrives. Every other frame is returned as it
came, for the ``websockets`` library to judge, and so is everything from the first byte that is not a frame at all.
"""

from __future__ import annotations

from typing import NamedTuple

from websockets.speedups import apply_mask

FIN = 0x80
TEXT, BINARY = 0x1, 0x2
_DATA_OPCODES = (0x0, TEXT, BINARY)
_FIN_BINARY = FIN | BINARY
_FIN_PING = 0x89
_FIN_PONG = 0x8A
_CONTROL = 0x8
_CONTROL_BYTES = 125
_OPCODE = 0x0F
_RESERVED_BITS = 0x70
_MASK_BIT = 0x80
_HEADER_BYTES = 14  # at most: two bytes, a length of eight, a mask of four


def cut_binary(data: bytes | bytearray, at: int, most_frames: int, most_bytes: int) -> tuple[list[bytes], int]:
    """Cut whole binary frames from the front of ``data[at:]``, until something else comes.

    Returns:
        The payloads, at most ``most_frames`` of at most ``most_bytes`` each, and the offset behind them.
    """
    payloads: list[bytes] = []
    size = len(data)
    while size - at >= 6 and data[at] == _FIN_BINARY and len(payloads) < most_frames:
        length = data[at + 1] - _MASK_BIT
        if length < 0:
            break
        mask = at + 2
        if length == 126:
            mask = at + 4
            length = data[at + 2] << 8 | data[at + 3]
        elif length == 127:
            mask = at + 10
            length = int.from_bytes(data[at + 2 : mask], "big")
        start = mask + 4
        end = start + length
        if end > size or length > most_bytes:
            break
        payloads.append(apply_mask(data[start:end], data[mask:start]))
        at = end
    return payloads, at


def cut_pings(data: bytes | bytearray, at: int, most_frames: int) -> tuple[bytes | None, int, int]:
    """Cut whole pings and pongs from the front of ``data[at:]``, until something else comes.

    Returns:
        The payload of the latest ping, which is the only one that needs an answer (RFC 6455 §5.5.3), None if there was
        none; how many frames there were; and the offset behind them.
    """
    size = len(data)
    latest, count = -1, 0
    while size - at >= 6 and count < most_frames:
        first, length = data[at], data[at + 1] - _MASK_BIT
        end = at + 6 + length
        if first not in (_FIN_PING, _FIN_PONG) or not 0 <= length <= _CONTROL_BYTES or end > size:
            break
        if first == _FIN_PING:
            latest = at
        count += 1
        at = end
    if latest < 0:
        return None, count, at
    start = latest + 6
    return apply_mask(data[start : start + data[latest + 1] - _MASK_BIT], data[latest + 2 : start]), count, at


class Head(NamedTuple):
    """The head of a large data frame.

    Attributes:
        first: its first byte: whether it ends a message, and its kind.
        length: of its payload, as it claims.
        mask: the four bytes to unmask it with.
        end: the offset at which its payload begins.
    """

    first: int
    length: int
    mask: bytes
    end: int


def next_frame(data: bytes | bytearray, at: int, most_bytes: int, whole_bytes: int) -> bytes | Head | None:
    """Return the frame at the front of ``data[at:]`` as it came, whatever its kind, or the head of a large one.

    Args:
        data: what came.
        at: where to look.
        most_bytes: of a payload that is acceptable.
        whole_bytes: a data frame with more than this is large, and only its head is waited for.

    Returns:
        The frame; None while it is not whole; ``b""`` if no acceptable frame begins there, as the library sees from the
        head: it is not masked, has an unknown kind, or has more than ``most_bytes``. In the place of a frame that the
        library refuses only when all of it is here, for an extension or a control frame's length, a short one that is
        refused for the same.
    """
    head = data[at : at + _HEADER_BYTES]
    if len(head) < 2:
        return None
    opcode = head[0] & _OPCODE
    if not head[1] & _MASK_BIT or (opcode not in _DATA_OPCODES and not 8 <= opcode <= 10):
        return b""
    length = head[1] & 0x7F
    size = {126: 8, 127: 14}.get(length, 6)
    if len(head) < size:
        return None
    if length >= 126:
        length = int.from_bytes(head[2 : size - 4], "big")
    if length > most_bytes:
        return b""
    if head[0] & _RESERVED_BITS:
        return stand_in(head[0])
    if opcode >= _CONTROL and length > _CONTROL_BYTES:
        return _too_long(head[0])
    if length > whole_bytes:
        return Head(head[0], length, bytes(head[size - 4 : size]), at + size)
    end = at + size + length
    return bytes(data[at:end]) if end <= len(data) else None


def stand_in(first: int) -> bytes:
    """Make an empty frame, to be judged in the place of a large one: all that counts is whether it may come now."""
    return bytes((first, _MASK_BIT)) + bytes(4)


def _too_long(first: int) -> bytes:
    """Make a control frame that is refused for its length, in the place of one that would be when all of it is here."""
    length = _CONTROL_BYTES + 1
    return bytes((first, _MASK_BIT | 126)) + length.to_bytes(2, "big") + bytes(4 + length)
