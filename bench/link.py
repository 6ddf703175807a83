"""One raw WebSocket connection: frames are masked, cut out, and pings answered; a subclass says what answers mean.

It does as little as it can per answer, so that the client is never what is measured. It knows frames and nothing of
models; an answer is a binary message, kept whole. What a link holds is bounded by what was asked of it.
"""

from __future__ import annotations

import asyncio
import json
import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = b"\x5a\xc3\x17\xe8"
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A


def frame(payload: bytes, first_byte: int = BINARY) -> bytes:
    """Return a whole client frame, masked as every client's must be; a server may not be spared unmasking it."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first_byte, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first_byte, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first_byte, 0x80 | 127, size)
    key = np.frombuffer((MASK * (size // 4 + 1))[:size], np.uint8)
    return head + MASK + (np.frombuffer(payload, np.uint8) ^ key).tobytes()


def text_frame(message: dict[str, Any]) -> bytes:
    """Return the frame of a text message."""
    return frame(json.dumps(message).encode(), TEXT)


def handshake(host: str, port: int, path: str) -> bytes:
    """Return the opening handshake's request."""
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: tidegate.v1",
    )
    return "\r\n".join((*lines, "", "")).encode()


class Link(asyncio.Protocol, ABC):
    """A connection that hands over all answers that came together; ``failures`` collects what should not have happened."""

    def __init__(self, opening: bytes, failures: list[str]) -> None:
        self._opening = opening
        self._failures = failures
        self._rest = b""
        self._transport: asyncio.WriteTransport
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @abstractmethod
    def answered(self, messages: Sequence[bytes]) -> None:
        """Take the answers that came together."""

    def told(self, message: dict[str, Any]) -> None:
        """Take a text message; the gateway's ping is answered."""
        if message["op"] == "ping":
            self.write(text_frame({**message, "op": "pong"}))
        elif message["op"] == "error":
            self.fail(str(message))

    @property
    def waiting(self) -> bool:
        """Whether an answer is outstanding, so that losing the connection is a failure."""
        return False

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._transport.write(data)

    def close(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def fail(self, why: str) -> None:
        """Note what should not have happened, and let nobody wait for the opening."""
        self._failures.append(why)
        if not self.opened.done():
            self.opened.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the opening handshake."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self.write(self._opening)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note a connection that was cut while answers were outstanding."""
        if self.waiting or not self.opened.done():
            self.fail(f"connection lost: {exc}")

    def data_received(self, data: bytes) -> None:
        """Take all whole frames of what has come."""
        if not self.opened.done():
            self._rest += data
            self._open()
            return
        data = self._rest + data if self._rest else data
        answers, at, end = [], 0, len(data)
        while end - at >= 4:  # no frame that comes here is shorter than the shortest long header
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = data[at + 2] << 8 | data[at + 3], at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            stop = start + size
            if stop > end or start > end:
                break
            if data[at] == BINARY:
                answers.append(data[start:stop])
            else:
                self._irregular(data[at], data[start:stop])
            at = stop
        self._rest = data[at:]
        if answers:
            self.answered(answers)

    def _open(self) -> None:
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        if not found:
            return
        if b" 101 " not in head.split(b"\r\n")[0]:
            self.fail(head.decode(errors="replace"))
            return
        self._rest = b""
        self.opened.set_result(None)
        if rest:
            self.data_received(rest)

    def _irregular(self, first_byte: int, payload: bytes) -> None:
        if first_byte == PING:
            self.write(frame(payload, PONG))
        elif first_byte == TEXT:
            self.told(json.loads(payload))
        elif first_byte == CLOSE:
            self.fail(f"closed by the server: {payload!r}")
