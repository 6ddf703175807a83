"""A WebSocket client that does what it is told, wrong things too: bytes out, frames in. It checks nothing and repairs nothing.

Unlike a real client it never answers pings, never closes by itself, and masks with a constant.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from websockets.speedups import apply_mask

from tidegate.codecs.errors import Form
from tidegate.codecs.reader import Received, server_messages
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from tidegate.codecs.messages import Message

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x5a\x01\xff\x33"
ANSWER_S = 20.0  # the longest wait for anything; nothing that works takes a hundredth of it
_READER = server_messages()


class Frame(NamedTuple):
    """A frame as it came from the server."""

    opcode: int
    payload: bytes
    fin: bool

    @property
    def close_code(self) -> int | None:
        """The code of a close frame; None for another frame."""
        return struct.unpack("!H", self.payload[:2])[0] if self.opcode == CLOSE and len(self.payload) >= 2 else None


def frame(
    payload: bytes = b"",
    opcode: int = BINARY,
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    claimed: int | None = None,
) -> bytes:
    """Lay out one frame; ``claimed`` is the length that it states, if that is a lie."""
    length = len(payload) if claimed is None else claimed
    masked = 0x80 if mask is not None else 0
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    if length < 126:
        head = bytes((first, masked | length))
    elif length < 65536:
        head = struct.pack("!BBH", first, masked | 126, length)
    else:
        head = struct.pack("!BBQ", first, masked | 127, length)
    return head + (payload if mask is None else mask + apply_mask(payload, mask))


def message_frame(message: Message, tensors: dict[str, Any] | None = None, form: Form = Form.MSGPACK) -> bytes:
    """Write a message as one frame, as a good client would."""
    return frame(encode(message, form, tensors), TEXT if form is Form.TEXT else BINARY)


def upgrade(port: int, path: str = "/v1", *, method: str = "GET", host: str | None = None, **headers: str) -> bytes:
    """Write the request of an opening handshake; underscores in the names of headers become hyphens."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


class RawClient:
    """One TCP connection to a gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Open the TCP connection and send nothing."""
        async with asyncio.timeout(ANSWER_S):
            return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**22))

    @classmethod
    async def open(cls, port: int, *, early: bytes = b"", **headers: str) -> Self:
        """Do the opening handshake, with ``early`` bytes in the same packet, and read the ``hello``."""
        client = await cls.connect(port)
        await client.send(upgrade(port, **headers) + early)
        status = await client.head()
        assert status == 101, status
        hello = await client.message()
        assert hello.message.protocol == "tidegate.v1"
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    async def hang_up(self) -> None:
        """Cut the connection, with whatever was not read."""
        with suppress(AttributeError):  # asyncio, of a transport that has closed behind its last write: it has no loop any more
            self.writer.transport.abort()
        async with asyncio.timeout(ANSWER_S):
            while self.writer.transport is not None and not self.reader.at_eof():
                if not await self._discard():
                    return

    async def _discard(self) -> bool:
        try:
            return bool(await self.reader.read(2**16))
        except OSError:
            return False

    async def send(self, data: bytes) -> None:
        """Send bytes; a connection that the server has closed swallows them."""
        if self.writer.transport.is_closing():
            return
        self.writer.write(data)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self.writer.drain()
        except ConnectionError:
            pass

    async def head(self) -> int:
        """Read the head of an HTTP response; return its status."""
        async with asyncio.timeout(ANSWER_S):
            text = await self.reader.readuntil(b"\r\n\r\n")
        return int(text.split(b" ", 2)[1])

    async def frame(self) -> Frame | None:
        """Read one frame; None when the connection has ended."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def _frame(self) -> Frame:
        first, second = await self.reader.readexactly(2)
        assert not second & 0x80, "a server masks nothing"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return Frame(first & 0x0F, await self.reader.readexactly(length), bool(first & 0x80))

    async def message(self) -> Received:
        """Read the next message, control frames left out."""
        while True:
            got = await self.frame()
            assert got is not None, "the connection ended"
            assert got.opcode != CLOSE, got
            if got.opcode in (TEXT, BINARY):
                return read(got)

    async def until_closed(self) -> tuple[list[Received], int | None]:
        """Read to the end: the messages that came, and the code of the close frame, None when there was none."""
        messages: list[Received] = []
        code: int | None = None
        while (got := await self.frame()) is not None:
            if got.opcode == CLOSE:
                code = got.close_code
                self.writer.close()  # as RFC 6455 wants it: the answer to a failed connection is its end
            elif got.opcode in (TEXT, BINARY):
                messages.append(read(got))
        return messages, code


def read(got: Frame) -> Received:
    """Read the message in a frame from the server."""
    return _READER.text(got.payload) if got.opcode == TEXT else _READER.binary(got.payload)
