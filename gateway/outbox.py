"""What a connection still has to send, and how its peer takes it. Pure; takes ``now``; knows no socket.

Rules:

1. What is sent in one turn of the loop goes out in one write.
2. The memory that unread answers keep has a bound: those that wait here and in the socket's buffer, whole writes of which
   only a part was taken, and arrays of which only a view is sent. Beyond it nothing more is read from the peer, so that it
   cannot ask for more; results of what it had asked for already still pile up to twice the bound, and beyond that are
   replaced by errors. What all peers together may keep is bounded in ``backlogs``.
3. A peer that takes nothing of a buffer that is not empty for ``stall_s`` has stalled. The library's own keepalive does not
   see that: its ping waits for the very buffer that does not drain.
4. A peer of which something has waited for ``age_s``, and which in that time took less than ``FAIR_BYTES_S``, is slow: who
   takes a byte now and then keeps old results for ever. A peer on a poor line that reads at that rate or better stays, however
   much it asked for: so no byte is older than ``age_s`` or than the bound of rule 2 divided by that rate, whichever is longer.
   Times are those of looks, of which about sixteen are remembered: what is older than ``age_s`` is found within a look and a
   sixteenth of it.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    Piece = bytes | memoryview

TEXT = 0x81
BINARY = 0x82

FAIR_BYTES_S = 65_536  # half a megabit a second
_MARKS = 16


def frame_header(kind: int, length: int) -> bytes:
    """Return the header of an unmasked, unfragmented frame (RFC 6455 §5.2)."""
    if length < 126:
        return bytes((kind, length))
    if length < 65536:
        return struct.pack("!BBH", kind, 126, length)
    return struct.pack("!BBQ", kind, 127, length)


class Outbox:
    """Frames of one connection that were not yet handed to its socket.

    Attributes:
        nbytes: bytes of them.
        memory: bytes of memory that they keep; more than ``nbytes`` when there are views of larger arrays.
    """

    __slots__ = ("_pieces", "_surplus", "nbytes")

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._surplus = 0
        self.nbytes = 0

    @property
    def memory(self) -> int:
        """Bytes of memory that the frames keep."""
        return self.nbytes + self._surplus

    def put(self, kind: int, payload: bytes) -> None:
        """Add a message as one frame."""
        header = frame_header(kind, len(payload))
        self._pieces += (header, payload)
        self.nbytes += len(header) + len(payload)

    def put_pieces(self, kind: int, pieces: Sequence[Piece], surplus: int) -> None:
        """Add a message that comes in pieces as one frame; ``surplus`` is the memory that they keep beyond their own bytes."""
        size = sum(map(len, pieces))
        header = frame_header(kind, size)
        self._pieces += (header, *pieces)
        self.nbytes += len(header) + size
        self._surplus += surplus

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

    def take(self) -> list[Piece]:
        """Return all pieces and forget them."""
        pieces, self._pieces, self.nbytes, self._surplus = self._pieces, [], 0, 0
        return pieces


class Reading:
    """How a peer takes what is written to it.

    Args:
        stall_s: seconds after which a peer that takes nothing has stalled.
        age_s: seconds for which a peer that does not read at a fair rate may leave something unread.
    """

    __slots__ = ("_accepted", "_age_s", "_kept", "_marks", "_since", "_stall_s", "_surplus", "_written")

    def __init__(self, stall_s: float, age_s: float) -> None:
        self._stall_s = stall_s
        self._age_s = age_s
        self._written = 0
        self._accepted = 0
        self._since: float | None = None
        # Time, and what was written and accepted by then.
        self._marks: deque[tuple[float, int, int]] = deque()
        # Large writes that are not accepted to their end: where they begin and end, and their surplus. There are no more of
        # them than their bytes divided by the least of a large write.
        self._kept: deque[tuple[int, int, int]] = deque()
        self._surplus = 0

    def wrote(self, nbytes: int) -> None:
        """Count bytes that were handed to the socket."""
        self._written += nbytes

    def keep(self, nbytes: int, memory: int) -> None:
        """Take note that the last ``nbytes`` keep so much memory, until the last of them is accepted."""
        self._kept.append((self._written - nbytes, self._written, memory - nbytes))
        self._surplus += memory - nbytes

    def memory(self, waiting: int) -> int:
        """Return the bytes of memory that the socket's buffer keeps, given the bytes that wait in it."""
        kept, accepted = self._kept, self._written - waiting
        while kept and kept[0][1] <= accepted:
            self._surplus -= kept.popleft()[2]
        return waiting + self._surplus + (max(0, accepted - kept[0][0]) if kept else 0)

    def fault(self, waiting: int, now: float) -> Literal["stalled", "slow"] | None:
        """Look at the peer: has it stalled, or is it slow? ``waiting`` counts what the kernel holds for it as well."""
        accepted = self._written - waiting
        if not waiting:
            self._since = None
            self._marks.clear()
            return None
        if self._since is None or accepted > self._accepted:
            self._accepted, self._since = accepted, now
        elif now - self._since >= self._stall_s:
            return "stalled"
        return "slow" if self._is_slow(accepted, now) else None

    def _is_slow(self, accepted: int, now: float) -> bool:
        marks = self._marks
        if not marks or now - marks[-1][0] >= self._age_s / _MARKS:
            marks.append((now, self._written, accepted))
        while len(marks) > 1 and now - marks[1][0] >= self._age_s:
            marks.popleft()
        then, written_then, accepted_then = marks[0]
        age_s = now - then
        return age_s >= self._age_s and accepted < written_then and accepted - accepted_then < FAIR_BYTES_S * age_s
