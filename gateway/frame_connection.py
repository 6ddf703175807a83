"""A WebSocket connection as far as reading goes: bytes in, whole messages out. Awaits nothing.

The ``websockets`` library does the handshake, control frames, fragments, text and everything irregular. Whole binary
frames, which nearly all traffic consists of, are cut out before it: that is a fifth of the library's cost per message.
Knows nothing of what messages say, nor of what is sent.

Bounds: frames per turn of the loop (the rest waits while reading is paused), bytes of one message, fragments of one
message, and what a client may send before its handshake was answered.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import CONNECTING, OPEN

from .frame_cutter import cut_binary, next_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.protocol import Event

_FRAMES_PER_TURN = 128
_EARLY_BYTES = 65536  # that a client may send before it has our answer to its handshake; then reading pauses
_FRAGMENTS = 4096  # of one message, as in the library's own recv()
_END_OF_HEAD = b"\r\n\r\n"


class FrameConnection(ServerConnection):
    """A server connection that hands whole messages to ``take_binaries`` and ``take_text``, once it is open.

    Attributes:
        message_bytes: size of the largest message.
        last_received: when the peer was last heard, in seconds of the monotonic clock.
        choked: whether reading is stopped until ``choke(False)``.
    """

    def __init__(self, message_bytes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.message_bytes = message_bytes
        self.last_received = time.monotonic()
        self.choked = False
        self._rest = bytearray()
        self._head: bytearray | None = bytearray()
        self._reads_later = False
        self._fragments: list[bytes] = []
        self._fragments_are_text = False

    def take_binaries(self, payloads: Sequence[bytes], now: float) -> None:
        """Take binary messages, in order."""
        raise AssertionError("to be overridden")

    def take_text(self, text: str, now: float) -> None:
        """Take a text message."""
        raise AssertionError("to be overridden")

    def turn_was_full(self) -> None:
        """Take note that the peer sends more than one turn of the loop takes."""

    def read_early(self) -> None:
        """Read what came before the handshake was answered; to be called once it is."""
        if self._rest:
            self._read_on_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was not read."""
        super().connection_lost(exc)
        self._rest.clear()
        self._fragments = []

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        self.last_received = now = time.monotonic()
        if self.protocol.state is OPEN:
            if self._rest:
                self._rest += data
            self._read(self._rest or data, now)
        elif self.protocol.state is CONNECTING:
            self._shake_hands(data)
        else:
            # The library goes on where the cutting stopped, perhaps in the middle of a frame.
            super().data_received(bytes(self._rest) + data if self._rest else data)
            self._rest.clear()

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
        if len(self._rest) > _EARLY_BYTES:
            self.transport.pause_reading()

    def _read(self, data: bytes | bytearray, now: float) -> None:
        most = self.message_bytes
        at, turn = 0, _FRAMES_PER_TURN
        while turn > 0 and self.protocol.state is OPEN:
            if self.protocol.current_size is None:
                payloads, at = cut_binary(data, at, turn, most)
                self.take_binaries(payloads, now)
                turn -= len(payloads)
            frame = next_frame(data, at, most) if turn > 0 else None
            if frame is None:
                break
            frame = frame or bytes(data[at:])  # the library words best what is wrong with what is no frame
            at += len(frame)
            turn -= 1
            super().data_received(frame)
        self._keep(data, at, more=turn <= 0)

    def _keep(self, data: bytes | bytearray, end: int, *, more: bool) -> None:
        """Keep what was not used yet; after a full turn let the others have theirs before going on."""
        if data is self._rest:
            del self._rest[:end]
        elif end < len(data):
            self._rest += data[end:]
        if more and self._rest:
            self.turn_was_full()
            self._read_on_later()

    def _read_on_later(self) -> None:
        if not self._reads_later and not self.transport.is_closing():
            self._reads_later = True
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._reads_later = False
        if not self.transport.is_closing():
            self.choke(self.choked)
            if self.protocol.state is OPEN:
                self._read(self._rest, time.monotonic())

    def choke(self, choked: bool) -> None:
        """Stop reading from the peer, or read on."""
        self.choked = choked
        if choked or self._reads_later:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def process_event(self, event: Event) -> None:
        """Take a frame from the library: text, fragments and pongs, and everything before the first frame."""
        if not isinstance(event, Frame) or event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            super().process_event(event)
        elif self.protocol.state is OPEN:
            self._take_frame(event)

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._fragments_are_text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if len(self._fragments) > _FRAGMENTS:
            self._fragments = []
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
        elif frame.fin:
            payload = self._fragments[0] if len(self._fragments) == 1 else b"".join(self._fragments)
            self._fragments = []
            self._take_message(payload)

    def _take_message(self, payload: bytes) -> None:
        if not self._fragments_are_text:
            self.take_binaries([payload], self.last_received)
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
        else:
            self.take_text(text, self.last_received)

    def _fail(self, code: CloseCode, text: str) -> None:
        self.protocol.fail(code, text)
        self.send_data()
