"""One client's connection: its life, its session, and what is sent to it. Awaits nothing.

Everything that is sent in one turn of the loop goes out in one write. Knows nothing of what messages say, nor of how
they are read (see ``frame_connection``).

Bounds: bytes that wait to be sent, and the time that a peer may read nothing or say nothing; see ``outbox``.
"""

from __future__ import annotations

import fcntl
import logging
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

from websockets.frames import CloseCode
from websockets.protocol import OPEN

from .frame_connection import FrameConnection
from .outbox import BINARY, TEXT, Outbox, Reading
from .session import Session

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from tidegate.codecs.steps import Steps

    from .hub import Hub

_log = logging.getLogger("tidegate.gateway")

_FLOOD = 4429  # the protocol's own close codes
_SUPERSEDED = 4501
_JOIN_BYTES = 65536  # up to here one joined write costs less than a vector of pieces


class GatewayConnection(FrameConnection):
    """A server connection that feeds a session.

    Attributes:
        backlog: bytes of memory that answers kept when it was last looked: those that the socket could not take, and
            those that are still being written.
    """

    def __init__(self, hub: Hub, *args: Any, **kwargs: Any) -> None:
        super().__init__(hub.intake, *args, **kwargs)
        self.backlog = 0
        self._hub = hub
        self._session: Session | None = None
        self._outbox = Outbox()
        self._unread = Reading(hub.settings.stall_timeout_s, hub.settings.outbound_age_s)
        self._owed = 0
        self._marked = False
        self._reason: str | None = None
        self._end: asyncio.TimerHandle | None = None
        self._last_sent = time.monotonic()

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
            self.read_early()
        return self._session

    def take_binaries(self, payloads: Sequence[bytes], now: float) -> None:
        """Hand messages to the session."""
        self.open().binaries(payloads, now)

    def take_text(self, text: str, now: float) -> None:
        """Hand a message to the session."""
        self.open().text(text, now)

    def take_large(self, parts: list[bytes], *, is_text: bool, now: float) -> Steps[Any] | None:
        """Hand a message to the session."""
        return self.open().large(parts, is_text=is_text, now=now)

    def take_decoded(self, outcome: Any, now: float) -> None:
        """Hand a message to the session."""
        self.open().decoded(outcome, now)

    def refuse_flood(self) -> None:
        """Close, and do not even look for an answer to that."""
        self.close_soon(_FLOOD, "more than a client can mean", "flood")
        self.drop()

    def refuse_bytes(self) -> None:
        """Close: others need the memory more."""
        self.close_soon(CloseCode.TRY_AGAIN_LATER, "no room for half-received messages", "inbound_bytes")

    def superseded(self) -> None:
        """Close: another connection goes on with this one's streams."""
        self.close_soon(_SUPERSEDED, "another connection has resumed the session", "superseded")

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel what the client asked for; its streams wait for it."""
        super().connection_lost(exc)
        if self._end is not None:
            self._end.cancel()
        if self._session is not None:
            self._session.close(time.monotonic())
        self._hub.closed(self, self._reason or self._how_it_ended())
        self._outbox.take()

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

    def _how_it_ended(self) -> str:
        sent, received = self.protocol.close_sent, self.protocol.close_rcvd
        if received is not None and self.protocol.close_rcvd_then_sent:
            return "client"
        if sent is None:
            return "lost"
        return "too_large" if sent.code == CloseCode.MESSAGE_TOO_BIG else "protocol_error"

    # Bytes go out.

    def post(self, payload: bytes, *, text: bool) -> None:
        """Send one message at the end of this turn of the loop; dropped when the connection is closing."""
        if self.protocol.state is OPEN and self._reason is None:
            self._outbox.put(TEXT if text else BINARY, payload)
            self._send_soon()

    def post_all(self, payloads: Sequence[bytes]) -> None:
        """Send binary messages at the end of this turn of the loop; dropped when the connection is closing."""
        if self.protocol.state is OPEN and self._reason is None:
            self._outbox.put_binaries(payloads)
            self._send_soon()

    def post_pieces(self, pieces: Sequence[bytes | memoryview], surplus: int, *, text: bool) -> None:
        """Send one message that comes in pieces, soon; ``surplus`` is the memory that they keep beyond their own bytes."""
        if self.protocol.state is not OPEN or self._reason is not None:
            return
        before = self._outbox.memory
        self._outbox.put_pieces(TEXT if text else BINARY, pieces, surplus)
        self.backlog += self._outbox.memory - before
        self._send_soon()

    def _send_soon(self) -> None:
        if not self._marked:
            self._marked = True
            self._hub.send_soon(self)

    def owe(self, nbytes: int) -> None:
        """Count bytes of an answer as unread though they are not written yet, or, if negative, no longer."""
        self._owed += nbytes
        self._look()

    def post_soon(self, payloads: Sequence[bytes]) -> None:
        """Send binary messages in one write with what comes within the next millisecond (see ``Hub.send_later``)."""
        if self.protocol.state is OPEN and self._reason is None:
            self._outbox.put_binaries(payloads)
            self._hub.send_later(self)

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
        if nbytes <= _JOIN_BYTES:
            self.transport.write(b"".join(self._outbox.take()))
            self._wrote(nbytes)
        else:
            memory = self._outbox.memory
            self.transport.writelines(self._outbox.take())
            self._wrote(nbytes, memory)

    def flush_soon(self) -> None:
        """Do what ``post`` asked the hub for."""
        self._marked = False
        try:
            self.flush()
        except Exception:
            _log.exception("a connection could not be written to")
            self.abort("error")

    def send_data(self) -> None:
        """Write the library's own frames; pongs count like everything else that the peer has to read."""
        nbytes = sum(map(len, self.protocol.writes))
        super().send_data()
        if nbytes:
            self._wrote(nbytes)
        if self._end is None and self.protocol.close_expected():
            assert self.close_timeout is not None
            self._end = self.loop.call_later(self.close_timeout, lambda: self.abort(self._how_it_ended()))

    def _wrote(self, nbytes: int, memory: int = 0) -> None:
        self._unread.wrote(nbytes)
        self._last_sent = time.monotonic()
        if memory and self.transport.get_write_buffer_size():
            self._unread.keep(nbytes, memory)
        if self.backlog or self.transport.get_write_buffer_size():
            self._look()

    def resume_writing(self) -> None:
        """Take note that the socket has taken nearly everything."""
        super().resume_writing()
        self._look()

    def waiting_bytes(self) -> int:
        """Return the bytes of memory that answers keep which the peer has not read yet, as far as can be told."""
        return self._unread.memory(self.transport.get_write_buffer_size()) + self._outbox.memory + self._owed

    def _look(self) -> None:
        """See how much the peer has not read, and stop reading from it while that is too much."""
        if self._reason is not None or self.transport.is_closing():
            return
        self.backlog = held = self.waiting_bytes()
        self._hub.holds(self, held)
        most = min(self._hub.settings.outbound_bytes, self._hub.backlogs.room)
        if not self.choked and held > most:
            self.choke(True)
        elif self.choked and held <= most // 2:
            self.last_received = time.monotonic()
            self.choke(False)
        if self._session is not None:
            self._session.has_room()

    # Time goes by.

    def keep_alive(self, now: float) -> None:
        """Ping a client that would be left in silence; cut off one that has been silent for too long."""
        keepalive_s = self._hub.settings.keepalive_s
        if self.too_slow(now, 2 * keepalive_s):
            self.abort("unfinished")
            return
        if self.choked:
            return  # nothing is read from it, so it cannot be heard; whether it reads is checked instead
        if now - self.last_received >= 2 * keepalive_s and not self.deaf:
            self.abort("keepalive")
        elif self._session is not None and max(now - self._last_sent, (now - self.last_received) / 2) >= keepalive_s / 2:
            # One for the client's program, which cannot see the other; one that every WebSocket library answers by itself.
            self._session.ping()
            if self.protocol.state is OPEN:
                self.protocol.send_ping(b"")
                self.send_data()

    def check_reading(self, now: float) -> None:
        """Cut off a peer that reads nothing, or too slowly."""
        waiting = self.transport.get_write_buffer_size()
        fault = self._unread.fault(waiting + self._in_kernel() if waiting else 0, now)
        if fault is not None:
            self.abort(fault)
        self._look()

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
        """How many requests wait for their answer, one that is being decoded included."""
        return (self._session.live if self._session is not None else 0) + self.decoding

    @property
    def busy(self) -> bool:
        """Whether the client is still to be told something that it has asked for."""
        return bool(self.live) or (self._session is not None and self._session.streams_busy)
