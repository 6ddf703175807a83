"""The ways in which clients come and go, as coroutines with a time limit each; they know no measurements."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from .link import CLOSE, frame, handshake

STEP_TIMEOUT_S = 20.0
NORMAL_CLOSURE = frame(struct.pack("!H", 1000), CLOSE)
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST and forgets what was not sent."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the gateway is, and one request that it answers with a binary message."""

    port: int
    request: bytes
    host: str = "127.0.0.1"
    path: str = "/v1"


class Client:
    """A connection with just enough WebSocket to come and go."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self._writer = writer

    async def open(self) -> None:
        """Do the whole opening handshake."""
        self.write(handshake(self._target.host, self._target.port, self._target.path))
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode(errors="replace"))

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def next_frame(self) -> tuple[int, bytes]:
        """Return the first byte and the payload of the next frame."""
        first, size = await self._reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        return first, await self._reader.readexactly(size)

    async def until(self, wanted: int) -> bytes:
        """Return the payload of the next frame that begins with this byte."""
        while True:
            first, payload = await self.next_frame()
            if first == wanted:
                return payload

    def reset(self) -> None:
        """Cut the connection with RST when it is closed."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@contextlib.asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Client]:
    """Open a TCP connection, and close it at the end whatever happens; everything inside has one time limit."""
    async with asyncio.timeout(STEP_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(target.host, target.port)
        try:
            yield Client(target, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def polite(target: Target) -> None:
    """Open, close with 1000, wait for the answer."""
    async with connected(target) as client:
        await client.open()
        client.write(NORMAL_CLOSURE)
        await client.until(CLOSE)


async def answered(target: Target) -> None:
    """Open, ask, wait for the answer, close."""
    async with connected(target) as client:
        await client.open()
        client.write(frame(target.request))
        await client.until(0x82)
        client.write(NORMAL_CLOSURE)
        await client.until(CLOSE)


async def cut_in_flight(target: Target) -> None:
    """Open, ask three times, and reset the connection before the answers are read."""
    async with connected(target) as client:
        await client.open()
        for case in range(3):
            client.write(frame(target.request.replace(b"\xa2id\x00", b"\xa2id" + bytes([case]), 1)))
        await asyncio.sleep(0)
        client.reset()


async def vanished(target: Target) -> None:
    """Open and go away without a word."""
    async with connected(target) as client:
        await client.open()


async def half_handshake(target: Target) -> None:
    """Send half of the opening handshake and go away."""
    async with connected(target) as client:
        opening = handshake(target.host, target.port, target.path)
        client.write(opening[: len(opening) // 2])


async def half_frame(target: Target) -> None:
    """Open, send half of a request, go away."""
    async with connected(target) as client:
        await client.open()
        whole = frame(target.request)
        client.write(whole[: len(whole) // 2])


Way = Callable[[Target], Coroutine[Any, Any, None]]
WAYS: tuple[Way, ...] = (polite, answered, cut_in_flight, vanished, half_handshake, half_frame)
