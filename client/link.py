"""One WebSocket connection: whole messages in, whole messages out. It knows frames and flow control, and nothing above.

Built on ``websockets``, which keeps the handshake, control frames and closing. Data frames are taken in ``process_event`` and
handed on at once, and messages are written through its Sans-I/O layer and joined to one write per turn of the loop. That saves
the queue, the task switch and the system call that ``recv`` and ``send`` take per message, and nothing is left unread.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol

from .session import PROTOCOL
from .url import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from websockets.http11 import Response

    from .options import Options
    from .session import Outgoing

WRITE_LIMIT_BYTES = 1024 * 1024
"""Bytes that may wait in one link, beyond the message that crosses the limit."""
MAX_FRAGMENTS = 4096


class Listener(Protocol):
    """Who hears what happens on a link."""

    def on_made(self, link: Link) -> None:
        """Take note that the socket is open; the handshake comes next."""

    def on_message(self, link: Link, data: bytes, *, text: bool) -> None:
        """Take a message."""

    def on_batch(self, link: Link) -> None:
        """Act on the messages that came together."""

    def on_writable(self, link: Link) -> None:
        """Take note that there is room to write again."""

    def on_lost(self, link: Link, code: int, reason: str, *, by_us: bool) -> None:
        """Take note that the connection is gone: with code 1006 if nobody closed it, ``by_us`` if this end did first."""


class Link(ClientConnection):
    """A WebSocket connection that talks to its listener with plain calls.

    Attributes:
        hanging_up: whether this end has begun to close it.
    """

    def __init__(self, listener: Listener, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listener = listener
        self._fragments: list[bytes | bytearray | memoryview] = []
        self._fragments_text = False
        self._unflushed_bytes = 0
        self._written_bytes = 0
        self._flush_scheduled = False
        self.hanging_up = False

    @property
    def room_bytes(self) -> int:
        """How many bytes may be written now; 0 or less means to wait for ``on_writable``."""
        closing = self.protocol.state is not State.OPEN
        return 0 if self.paused or closing else WRITE_LIMIT_BYTES - self._unflushed_bytes

    @property
    def delivered_bytes(self) -> int:
        """Bytes that the operating system has taken so far."""
        return self._written_bytes - self.backlog_bytes

    @property
    def backlog_bytes(self) -> int:
        """Bytes that wait for the operating system."""
        return self.transport.get_write_buffer_size()

    def write(self, messages: Iterable[Outgoing], *, at_once: bool = False) -> None:
        """Send messages, at once or with the others of this turn of the loop; a link that is not open ignores them."""
        if self.protocol.state is not State.OPEN:
            return
        for data, text in messages:
            (self.protocol.send_text if text else self.protocol.send_binary)(data)
            self._unflushed_bytes += len(data)
        if at_once:
            self._flush()
        elif self._unflushed_bytes and not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self._flush)

    async def hang_up(self, timeout: float) -> None:
        """Close the connection properly if the server plays along within ``timeout`` seconds, else cut it."""
        self.hanging_up = True
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self.close()
        finally:
            self.cut()

    def cut(self) -> None:
        """Close the socket at once."""
        self.transport.abort()

    # What the library calls.

    def send_data(self) -> None:
        """Write all frames that are ready at once, instead of one by one."""
        writes = self.protocol.writes
        if len(writes) > 1 and writes[-1]:  # an empty one means the end of the stream, which the library handles
            self.protocol.writes = [b"".join(writes)]
        self._unflushed_bytes = 0
        self._written_bytes += sum(map(len, self.protocol.writes))
        super().send_data()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        super().connection_made(transport)
        self._listener.on_made(self)

    def process_event(self, event: Frame | Response) -> None:  # type: ignore[override]
        """Hand on a data frame; leave everything else to the library."""
        if self.response is None or not isinstance(event, Frame):
            super().process_event(event)
        elif event.fin and event.opcode is not Opcode.CONT:
            if event.opcode is Opcode.BINARY or event.opcode is Opcode.TEXT:
                # A bytearray of our own: so the tensors in it are views that the program may write to.
                self._listener.on_message(self, cast("bytes", event.data), text=event.opcode is Opcode.TEXT)
            else:
                super().process_event(event)
        else:
            self._collect(event)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        super().data_received(data)
        self._listener.on_batch(self)

    def resume_writing(self) -> None:
        """Take note that the transport's buffer has drained."""
        super().resume_writing()
        self._listener.on_writable(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        super().connection_lost(exc)
        reason = str(exc) if exc else ""
        sent, received = self.protocol.close_sent, self.protocol.close_rcvd
        # What this end sent counts when the server said nothing, or only echoed it.
        echoed = received is not None and self.protocol.close_rcvd_then_sent is False and sent is not None
        by_us = sent is not None and (received is None or (echoed and received.code == sent.code))
        close = sent if by_us else received
        code, told = (close.code, close.reason) if close else (1006, "")
        self._listener.on_lost(self, code, reason or told, by_us=by_us)

    def _collect(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._fragments_text = frame.opcode is Opcode.TEXT
        self._fragments.append(frame.data)
        if len(self._fragments) > MAX_FRAGMENTS:
            self.cut()
        elif frame.fin:
            fragments, self._fragments = self._fragments, []
            self._listener.on_message(self, cast("bytes", bytearray().join(fragments)), text=self._fragments_text)

    def _flush(self) -> None:
        self._flush_scheduled = False
        try:
            self.send_data()
        except Exception as error:
            self.set_connection_exc(error)
            self.cut()
            return
        if not self.paused:
            self._listener.on_writable(self)


async def open_link(url: str, options: Options, listener: Listener) -> Link:
    """Open a connection, without a time limit; cancelling is safe.

    Raises:
        OSError: the address does not answer.
        websockets.exceptions.InvalidHandshake: what answers does not want to talk, or is no WebSocket.
    """

    def create(*args: Any, **kwargs: Any) -> Link:
        return Link(listener, *args, **kwargs)

    extra: dict[str, Any] = {} if options.ssl is None else {"ssl": options.ssl}
    connection = await websocket_connect(
        url,
        subprotocols=[Subprotocol(PROTOCOL)],
        compression=None,
        additional_headers=options.headers,
        proxy=None if is_loopback(url) else True,
        open_timeout=None,
        close_timeout=options.close_timeout,
        ping_interval=None,  # heartbeat.py says why
        max_size=options.max_answer_bytes,
        write_limit=WRITE_LIMIT_BYTES,
        create_connection=cast("type[ClientConnection]", create),
        **extra,
    )
    return cast("Link", connection)
