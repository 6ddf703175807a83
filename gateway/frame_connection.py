"""A WebSocket connection as far as reading goes: bytes in, whole messages out. Awaits nothing.

The ``websockets`` library does the handshake, fragments, text and everything irregular. Whole binary frames, which nearly
all traffic consists of, are cut out before it, at a fifth of the library's cost; so are pings, of which a run is answered
by one pong, and the payload of large frames, which is unmasked as it comes. In the place of each large frame that is not a
message by itself the library sees an empty one, so that it still judges their order.
Knows nothing of what messages say, nor of what is sent.

Bounds, for each turn of the loop: frames, the bytes of one packet, and time (see ``turn_budget``); the rest waits in line
while reading is paused. For each message: bytes and fragments. Bytes that come before the handshake was answered. The
other bounds are those of ``listening_connection``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import CONNECTING, OPEN

from .frame_cutter import BINARY, FIN, Head, cut_binary, cut_pings, next_frame, stand_in
from .listening_connection import DECODING, IN_LINE, ListeningConnection
from .message_parts import FRAGMENTS, LargeFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.protocol import Event

    from tidegate.codecs.steps import Steps

    from .intake import Intake

_FRAMES_AT_ONCE = 16  # between two looks at the clock; to subscribe to a thousand topics takes the better part of a millisecond
_PACKET_BYTES = 128 * 1024  # after a packet as large as this, others have a turn before the next is read
_WHOLE_BYTES = 64 * 1024  # a frame with more is taken as it comes, and its message decoded on the thread
_TEXT_BYTES = 32 * 1024  # the same for a text message, which takes longer to decode
_END_OF_HEAD = b"\r\n\r\n"


class FrameConnection(ListeningConnection):
    """A server connection that hands whole messages to its ``take_…`` methods, once it is open."""

    def __init__(self, intake: Intake, *args: Any, **kwargs: Any) -> None:
        super().__init__(intake, *args, **kwargs)
        self._message_bytes = intake.message_bytes
        self._whole_bytes = min(_WHOLE_BYTES, intake.message_bytes)
        self._head: bytearray | None = bytearray()
        self._large: LargeFrame | None = None
        self._standing_in = False
        self._ping: bytes | None = None
        self._next_packet_s = 0.0

    # What it is for; overridden.

    def take_binaries(self, payloads: Sequence[bytes], now: float) -> None:
        """Take small binary messages, in order."""
        raise AssertionError("to be overridden")

    def take_text(self, text: str, now: float) -> None:
        """Take a small text message."""
        raise AssertionError("to be overridden")

    def take_large(self, parts: list[bytes], *, is_text: bool, now: float) -> Steps[Any] | None:
        """Take a large message, whose bytes come in parts; return the steps to decode it, or None if nothing is left to do."""
        raise AssertionError("to be overridden")

    # Bytes come.

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        self.last_received = now = time.monotonic()
        if self.protocol.state is CONNECTING:
            self._shake_hands(data)
            return
        if self._dropping or self.protocol.eof_sent:
            return
        if self._in_line or self._deaf & DECODING:
            self._rest += data
            self._keep_in_line()
            return
        until = self._turns.budget.until(now)
        # To keep a part of a large frame for later costs as much as to take it now.
        at_once = until > now or (self._large is not None and not self._rest)
        if self._rest:
            self._rest += data
            data = self._rest  # type: ignore[assignment]
        if at_once:
            self._read(data, now, until)
        else:
            self._keep(data, 0)
            self._intake.busy(now)
            self._wait(new=True)

    def _shake_hands(self, data: bytes) -> None:
        """Give the library the request's head, and keep what comes after it until the handshake is judged."""
        if self._head is not None:
            # The last bytes that came before are looked at again, since the end of the head may be cut in two.
            before = len(self._head)
            self._head += data
            end = self._head.find(_END_OF_HEAD)
            self._head = self._head[-len(_END_OF_HEAD) + 1 :] if end < 0 else None
            used = len(data) if end < 0 else end + len(_END_OF_HEAD) - before
            super().data_received(data[:used])
            data = data[used:]
        self._rest += data
        self._keep_in_line()

    def read_early(self) -> None:
        """Read what came before the handshake was answered; to be called once it is."""
        if self._rest:
            self._wait(new=True)

    def read_on(self, now: float, until: float) -> None:
        """Have a turn (see ``ReadingTurns``)."""
        self._in_line = False
        if self.transport.is_closing():
            return
        if self._rest and not self._deaf & DECODING:
            self._read(self._rest, now, until)
        else:
            self._turns.spend(self._next_packet_s)
        if not self._in_line:
            self._go_on_reading(IN_LINE)

    def _read(self, data: bytes | bytearray, now: float, until: float) -> None:
        """Read frames until a time, or until the turn is over for another reason."""
        protocol = self.protocol
        most = frames = self._turns.budget.frames
        at, size = 0, len(data)
        while True:
            payloads: list[bytes] = []
            end = at
            if self._large is None and protocol.current_size is None:
                payloads, end = cut_binary(data, at, min(frames, _FRAMES_AT_ONCE), self._whole_bytes)
            if payloads:
                self._messages += len(payloads)
                frames -= len(payloads)
                if protocol.state is OPEN:
                    self.take_binaries(payloads, now)
            else:
                end, count = self._read_other(data, at, frames, now)
                frames -= count
            waits = end == at
            at = end
            passed = time.monotonic()
            if waits or at >= size or frames <= 0 or passed >= until or self._deaf & DECODING:
                break
        self._turns.spend(passed - now, most - frames)
        if self._ping is not None:
            self._send_pong(self._ping)
        self._keep(data, at)
        # Half of a packet's way, from the kernel into memory, was over before this began.
        is_large = size >= _PACKET_BYTES
        self._next_packet_s = 2 * (passed - now) if is_large else 0.0
        is_full = bool(self._rest) and not waits
        if self._deaf & DECODING or not (is_full or is_large):
            self._count()
            return
        if is_full:
            self._intake.busy(now)
        self._stop_reading(IN_LINE)
        self._wait(new=False)

    def _read_other(self, data: bytes | bytearray, at: int, frames: int, now: float) -> tuple[int, int]:
        """Read what is no small binary message; return where it ends and how many frames it was."""
        if self._large is not None:
            return self._read_large(self._large, data, at), 1
        ping, count, end = cut_pings(data, at, frames)
        if count:
            self._ping = self._ping if ping is None else ping
            self.of_no_use(count, now)
            return end, count
        frame = next_frame(data, at, self._message_bytes - (self.protocol.current_size or 0), self._whole_bytes)
        if frame is None:
            return at, 0
        if isinstance(frame, Head):
            self._begin_large(frame)
            end = frame.end
        else:
            end = at + len(frame)
            if end == at + 6 and not frame[0] & FIN:
                self.of_no_use(1, now)
            # The library words best what is wrong with what is no frame.
            super().data_received(frame or bytes(data[at:]))
        # Once the library has failed or ended the connection, nothing that comes is of interest.
        return (len(data), 1) if self.protocol.eof_sent or self._dropping else (end, 1)

    def _keep(self, data: bytes | bytearray, end: int) -> None:
        """Keep what was not used yet."""
        if self._dropping:
            self._rest.clear()
        elif data is self._rest:
            del self._rest[:end]
        elif end < len(data):
            self._rest += data[end:]

    def _send_pong(self, payload: bytes) -> None:
        self._ping = None
        if self.protocol.state is OPEN:
            self.protocol.send_pong(payload)
            self.send_data()

    # Large frames and messages in parts.

    def _begin_large(self, head: Head) -> None:
        protocol = self.protocol
        if head.first == FIN | BINARY and protocol.current_size is None:
            self._message.is_text = False
            self._message.fragments = 1
        else:
            self._standing_in = True
            super().data_received(stand_in(head.first))
            self._standing_in = False
            if protocol.current_size is not None:
                protocol.current_size += head.length
        self._large = LargeFrame(head)

    def _read_large(self, large: LargeFrame, data: bytes | bytearray, at: int) -> int:
        part = large.unmask(data, at)
        if self.protocol.state is OPEN:
            self._message.add(part)
        if not large.left:
            self._large = None
            if large.ends_message:
                self._end_of_message()
        return at + len(part)

    def process_event(self, event: Event) -> None:
        """Take a frame from the library: text and fragments, and everything before the first frame."""
        if not isinstance(event, Frame) or event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            super().process_event(event)
        elif self.protocol.state is OPEN:
            self._take_frame(event)

    def _take_frame(self, frame: Frame) -> None:
        message = self._message
        if frame.opcode is not Opcode.CONT:
            message.is_text = frame.opcode is Opcode.TEXT
        message.fragments += 1
        message.add(bytes(frame.data))
        if message.fragments > FRAGMENTS:
            message.take()
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
        elif frame.fin and not self._standing_in:
            self._end_of_message()

    def _end_of_message(self) -> None:
        is_text, nbytes, parts = self._message.is_text, self._message.nbytes, self._message.take()
        self._messages += 1
        if self.protocol.state is not OPEN:
            return
        if nbytes > (_TEXT_BYTES if is_text else self._whole_bytes):
            steps = self.take_large(parts, is_text=is_text, now=self.last_received)
            if steps is not None:
                self._decode(steps, nbytes)
        elif not is_text:
            self.take_binaries([b"".join(parts)], self.last_received)
        else:
            try:
                text = b"".join(parts).decode()
            except UnicodeDecodeError:
                self._fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
            else:
                self.take_text(text, self.last_received)
