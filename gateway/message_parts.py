"""A message that comes in parts: a frame larger than a packet, or several fragments. Pure; knows neither socket nor library.

Each part is unmasked when it arrives and never copied again until the message is whole, so the last byte of a large message
costs no more than the first. Small parts are put together, since a bytes object of few bytes takes many.

Bound: fragments of one message; its bytes are bounded by who counts them (see ``frame_connection`` and ``inbound``).
"""

from __future__ import annotations

from websockets.speedups import apply_mask

from .frame_cutter import FIN, Head

FRAGMENTS = 4096  # of one message, as in the library's own recv()
_SMALL_BYTES = 16 * 1024
_JOINED_BYTES = 64 * 1024


class MessageParts:
    """What there is of a message.

    Attributes:
        nbytes: how much that is.
        is_text: whether it is a text message.
        fragments: how many frames it has come in; 0 when there is no message.
    """

    __slots__ = ("_parts", "_tail", "fragments", "is_text", "nbytes")

    def __init__(self) -> None:
        self.nbytes = 0
        self.is_text = False
        self.fragments = 0
        self._parts: list[bytes] = []
        self._tail = bytearray()

    def add(self, part: bytes) -> None:
        """Add what comes next."""
        self.nbytes += len(part)
        if len(part) >= _SMALL_BYTES:
            self._close_tail()
            self._parts.append(part)
        else:
            self._tail += part
            if len(self._tail) >= _JOINED_BYTES:
                self._close_tail()

    def take(self) -> list[bytes]:
        """Return all parts and forget them."""
        self._close_tail()
        parts, self._parts = self._parts, []
        self.nbytes = self.fragments = 0
        return parts

    def _close_tail(self) -> None:
        if self._tail:
            self._parts.append(bytes(self._tail))
            self._tail = bytearray()


class LargeFrame:
    """A frame whose payload is taken as it arrives.

    Attributes:
        ends_message: whether no further frame belongs to its message.
        left: bytes of its payload that have not come yet.
    """

    __slots__ = ("_mask", "ends_message", "left")

    def __init__(self, head: Head) -> None:
        self.ends_message = bool(head.first & FIN)
        self.left = head.length
        self._mask = head.mask

    def unmask(self, data: bytes | bytearray, at: int) -> bytes:
        """Return the part of the payload that begins at ``data[at:]``, unmasked."""
        end = at + self.left
        part = apply_mask(data[at:end] if at or end < len(data) else data, self._mask)
        self.left -= len(part)
        turned = len(part) % 4
        self._mask = self._mask[turned:] + self._mask[:turned]
        return part
