"""What a connection still has to send, and whether its peer reads at all. Pure; takes ``now``; knows no socket.

Rules:

1. What is sent in one turn of the loop goes out in one write.
2. The bytes that wait, here and in the socket's buffer, have a bound. Beyond it nothing more is read from the peer, so that
   it cannot ask for more; results of what it had asked for already still pile up to twice the bound, and beyond that are
   replaced by errors.
3. A peer that takes nothing of a buffer that is not empty for ``stall_timeout_s`` is cut off. The library's own keepalive
   does not do that: its ping waits for the very buffer that does not drain.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT = 0x81
BINARY = 0x82


def frame_header(kind: int, length: int) -> bytes:
    """Return the header of an unmasked, unfragmented frame (RFC 6455 §5.2)."""
    if length < 126:
        return bytes((kind, length))
    if length < 65536:
        return struct.pack("!BBH", kind, 126, length)
    return struct.pack("!BBQ", kind, 127, length)


class Outbox:
    """Frames of one connection that were not yet handed to its socket."""

    __slots__ = ("_pieces", "nbytes")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.nbytes = 0

    def put(self, kind: int, payload: bytes) -> None:
        """Add a message as one frame."""
        header = frame_header(kind, len(payload))
        self._pieces += (header, payload)
        self.nbytes += len(header) + len(payload)

    def put_binaries(self, payloads: Sequence[bytes]) -> None:
        """Add binary messages, one frame each; results of one batch mostly have one length."""
        pieces = self._pieces
        last, header, nbytes = -1, b"", 0
        for payload in payloads:
            size = len(payload)
            if size != last:
                last, header = size, frame_header(BINARY, size)
            pieces.append(header)
            pieces.append(payload)
            nbytes += len(header) + size
        self.nbytes += nbytes

    def take(self) -> list[bytes]:
        """Return all pieces and forget them."""
        pieces, self._pieces, self.nbytes = self._pieces, [], 0
        return pieces


class StallWatch:
    """Tells when a peer has stopped reading."""

    __slots__ = ("_accepted", "_since", "_written")

    def __init__(self) -> None:
        self._written = 0
        self._accepted = 0
        self._since: float | None = None

    def wrote(self, nbytes: int) -> None:
        """Count bytes that were handed to the socket."""
        self._written += nbytes

    def stalled_for(self, waiting: int, now: float) -> float:
        """Return for how many seconds the peer has taken nothing, given the bytes that wait in the socket's buffer."""
        accepted = self._written - waiting
        if not waiting or accepted > self._accepted or self._since is None:
            self._accepted = accepted
            self._since = now if waiting else None
            return 0.0
        return now - self._since
