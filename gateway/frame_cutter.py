"""Cuts the bytes of a client into WebSocket frames, quickly. Pure; knows nothing of messages, sockets or state.

Only what nearly all traffic consists of is decoded here: whole, unfragmented, masked binary frames (RFC 6455 §5.2).
Every other frame is returned as it came, for the ``websockets`` library to judge, and so is everything from the first
byte that is not a frame at all.
"""

from __future__ import annotations

from websockets.speedups import apply_mask

_FIN_BINARY = 0x82
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


def next_frame(data: bytes | bytearray, at: int, most_bytes: int) -> bytes | None:
    """Return the frame at the front of ``data[at:]`` as it came, whatever its kind.

    Returns:
        The frame; None while it is not whole; ``b""`` if no acceptable frame begins there: it is not masked, claims
        an extension, or has more than ``most_bytes``.
    """
    head = data[at : at + _HEADER_BYTES]
    if len(head) < 2:
        return None
    if head[0] & _RESERVED_BITS or not head[1] & _MASK_BIT:
        return b""
    length = head[1] & 0x7F
    size = {126: 8, 127: 14}.get(length, 6)
    if len(head) < size:
        return None
    if length >= 126:
        length = int.from_bytes(head[2 : size - 4], "big")
    if length > most_bytes:
        return b""
    end = at + size + length
    return bytes(data[at:end]) if end <= len(data) else None
