"""One WebSocket connection: bytes in, frames to the session; frames of the session, bytes out. Awaits nothing.

The ``websockets`` library does the handshake, control frames, fragments, text and everything irregular. Whole binary
frames, which nearly all traffic consists of, are cut out in ``data_received`` before it: that and one write per turn of
the loop is a third of the library's cost per message. Knows nothing of what messages say.

Bounds: frames handled per turn of the loop (the rest waits while reading is paused), bytes of one message, bytes that
wait to be sent, and the time that a peer may read nothing.
"""

from __future__ import annotations

import fcntl
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import CONNECTING, OPEN

from .frame_cutter import cut_binary, next_frame
from .outbox import BINARY, TEXT, Outbox, StallWatch
from .session import Session

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from websockets.protocol import Event

    from .hub import Hub

_FRAMES_PER_TURN = 128
_EARLY_BYTES = 65536  # that a client may send before it has our answer to its handshake; then reading pauses
_FRAGMENTS = 4096  # of one message, as in the library's own recv()
_JOIN_BYTES = 65536  # up to here one joined write costs less than a vector of pieces
_END_OF_HEAD = b"\r\n\r\n"


class GatewayConnection(ServerConnection):
    """A server connection that feeds a session.

    Attributes:
        backlog: bytes that the socket could not take when it was last looked at.
    """

    def __init__(self, hub: Hub, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hub = hub
        self._session: Session | None = None
        self._outbox = Outbox()
        self._watch = StallWatch()
        self._marked = False
        self._rest = bytearray()
        self._head: bytearray | None = bytearray()
        self._paused_input = False
        self._fragments: list[bytes] = []
        self._fragments_are_text = False
        self._reason: str | None = None
        self._end: asyncio.TimerHandle | None = None
        self._choked = False
        self.backlog = 0
        self._last_received = self._last_sent = time.monotonic()

    # The connection's life.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        super().connection_made(transport)
        self._hub.arrived(self)

    def open(self) -> Session:
        """Greet the client; called when the handshake is done, by whatever notices first."""
        if self._session is None:
            self._session = Session(self._hub, self)
            self._hub.opened(self)
            self._session.hello()
            if self._rest:
                self._pause_input()
        return self._session

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel what the client asked for."""
        super().connection_lost(exc)
        if self._end is not None:
            self._end.cancel()
        if self._session is not None:
            self._session.close()
        self._hub.closed(self, self._reason or self._how_it_ended())
        self._outbox.take()
        self._rest.clear()

    def abort(self, reason: str) -> None:
        """Cut the peer off at once; a peer that does not read cannot receive a close frame."""
        self._reason = self._reason or reason
        self.transport.abort()

    def close_soon(self, code: int, text: str, reason: str) -> None:
        """Begin the closing handshake, without waiting for it."""
        if self.protocol.state is OPEN:
            self.flush()
            self._reason = self._reason or reason
            self.protocol.send_close(code, text)
            self.send_data()

    def _fail(self, code: CloseCode, text: str) -> None:
        self.protocol.fail(code, text)
        self.send_data()

    def _how_it_ended(self) -> str:
        sent, received = self.protocol.close_sent, self.protocol.close_rcvd
        if received is not None and self.protocol.close_rcvd_then_sent:
            return "client"
        if sent is None:
            return "lost"
        return "too_large" if sent.code == CloseCode.MESSAGE_TOO_BIG else "protocol_error"

    # Bytes come in.

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        self._last_received = now = time.monotonic()
        if self.protocol.state is OPEN:
            if self._rest:
                self._rest += data
            self._read(self._rest or data, now)
        elif self.protocol.state is CONNECTING:
            self._shake_hands(data)
        else:
            super().data_received(data)

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
        session = self.open()
        most = self._hub.settings.message_bytes
        at, turn = 0, _FRAMES_PER_TURN
        while turn > 0 and self.protocol.state is OPEN:
            if self.protocol.current_size is None:
                payloads, at = cut_binary(data, at, turn, most)
                session.binaries(payloads, now)
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
        if self.protocol.state is not OPEN:
            self._rest.clear()
        elif data is self._rest:
            del self._rest[:end]
        elif end < len(data):
            self._rest += data[end:]
        if more and self._rest:
            self._pause_input()

    def _pause_input(self) -> None:
        if not self._paused_input and not self.transport.is_closing():
            self._paused_input = True
            self.transport.pause_reading()
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._paused_input = False
        if not self.transport.is_closing():
            if not self._choked:
                self.transport.resume_reading()
            if self.protocol.state is OPEN:
                self._read(self._rest, time.monotonic())

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
        session = self.open()
        if not self._fragments_are_text:
            session.binaries([payload], self._last_received)
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
        else:
            session.text(text, self._last_received)

    # Bytes go out.

    def post(self, payload: bytes, *, text: bool) -> None:
        """Send one message at the end of this turn of the loop; dropped when the connection is closing."""
        if self.protocol.state is not OPEN or self._reason is not None:
            return
        self._outbox.put(TEXT if text else BINARY, payload)
        if not self._marked:
            self._marked = True
            self._hub.send_soon(self)

    def send_now(self, payloads: Sequence[bytes]) -> None:
        """Send binary messages at once, in one write with what waits."""
        if self.protocol.state is OPEN and self._reason is None:
            self._outbox.put_binaries(payloads)
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one write."""
        nbytes = self._outbox.nbytes
        if not nbytes or self.protocol.state is not OPEN or self.transport.is_closing():
            return
        pieces = self._outbox.take()
        if nbytes <= _JOIN_BYTES:
            self.transport.write(b"".join(pieces))
        else:
            self.transport.writelines(pieces)
        self._wrote(nbytes)

    def flush_soon(self) -> None:
        """Do what ``post`` asked the hub for."""
        self._marked = False
        self.flush()

    def send_data(self) -> None:
        """Write the library's own frames; pongs count like everything else that the peer has to read."""
        nbytes = sum(map(len, self.protocol.writes))
        super().send_data()
        if nbytes:
            self._wrote(nbytes)
        if self._end is None and self.protocol.close_expected():
            assert self.close_timeout is not None
            self._end = self.loop.call_later(self.close_timeout, lambda: self.abort(self._how_it_ended()))

    def _wrote(self, nbytes: int) -> None:
        self._watch.wrote(nbytes)
        self._last_sent = time.monotonic()
        self.backlog = self.transport.get_write_buffer_size()
        if self.backlog:
            self._hub.watch(self)
            if self.backlog > self._hub.settings.outbound_bytes and not self._choked:
                self._choked = True
                self.transport.pause_reading()

    def waiting_bytes(self) -> int:
        """Return the bytes that the peer has not read yet, as far as can be told."""
        return self.transport.get_write_buffer_size() + self._outbox.nbytes

    # Time goes by.

    def keep_alive(self, now: float) -> None:
        """Ping a client that would be left in silence; cut off one that has been silent for too long."""
        keepalive_s = self._hub.settings.keepalive_s
        if self._choked:
            return  # nothing is read from it, so it cannot be heard; whether it reads is checked instead
        if now - self._last_received >= 2 * keepalive_s:
            self.abort("keepalive")
        elif self._session is not None and max(now - self._last_sent, (now - self._last_received) / 2) >= keepalive_s / 2:
            # One for the client's program, which cannot see the other; one that every WebSocket library answers by itself.
            self._session.ping()
            if self.protocol.state is OPEN:
                self.protocol.send_ping(b"")
                self.send_data()

    def check_reading(self, now: float) -> bool:
        """Cut off a peer that reads nothing; tell whether it has read all there was."""
        self.backlog = self.transport.get_write_buffer_size()
        if (
            self._watch.stalled_for(self.backlog and self.backlog + self._in_kernel(), now)
            >= self._hub.settings.stall_timeout_s
        ):
            self.abort("stalled")
        elif self._choked and self.backlog <= self._hub.settings.outbound_bytes // 2:
            self._choked = False
            self._last_received = now
            if not self._paused_input:
                self.transport.resume_reading()
        return not self.backlog and not self._choked

    def _in_kernel(self) -> int:
        """Return the bytes that the kernel holds for the peer: its buffer takes more only when a third of it is free."""
        sock = self.transport.get_extra_info("socket")
        try:
            return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"), sys.byteorder)
        except (OSError, AttributeError):
            return 0

    def goaway(self, time_left_ms: int, reason: str) -> None:
        """Announce the end of the connection."""
        if self._session is not None:
            self._session.goaway(time_left_ms, reason)

    @property
    def live(self) -> int:
        """How many requests wait for their answer."""
        return self._session.live if self._session is not None else 0
