"""One connection of the load: a raw WebSocket client that keeps a number of requests in flight and stores what it gets.

It does as little as it can per answer, so that it is never what is measured: frames are built and masked beforehand,
answers are cut out and kept whole, and all checking is done after the window.
It knows frames and ids; what a message means is in ``wire``. It reads no frame of 64 KiB or more: no bench has one.
"""

from __future__ import annotations

import asyncio
import json
import struct
from itertools import cycle
from time import perf_counter
from typing import TYPE_CHECKING, cast

from .wire import ID_KEY, UINT32

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
    return head + MASK + bytes(byte ^ key for byte, key in zip(payload, cycle(MASK), strict=False))


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


class Recorder:
    """What all connections of one run store: answers with the case of each, its latency in seconds, and failures.

    When ``echoes`` are given, answers are compared with them as they come, and right ones are not kept: with long
    messages, new memory for every answer would cost more than everything else here.
    """

    def __init__(self, echoes: Sequence[bytes] | None = None) -> None:
        self.echoes = echoes
        self.answers: list[bytes] = []
        self.cases: list[int] = []
        self.latencies: list[float] = []
        self.failures: list[str] = []

    def __len__(self) -> int:
        return len(self.answers)


class Connection(asyncio.Protocol):
    """Keeps ``in_flight`` requests on the way; every answer sends the next one.

    ``frames`` holds one request per id, and ``in_flight`` divides their number: the id that follows ``i`` is
    ``i + in_flight``, so that an id is never used twice at the same time, in whatever order the answers come.
    """

    def __init__(self, opening: bytes, frames: Sequence[bytes], in_flight: int, recorder: Recorder) -> None:
        if len(frames) % in_flight:
            raise ValueError(f"in_flight must divide {len(frames)}")
        self._opening = opening
        self._frames = frames
        self._in_flight = in_flight
        self._recorder = recorder
        self._rest = b""
        self._sent: dict[int, float] = {}
        self._sending = self._stopped = False
        self._transport: asyncio.WriteTransport
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        """Send the first requests."""
        self._sending = True
        now = perf_counter()
        self._sent = dict.fromkeys(range(self._in_flight), now)
        self._transport.write(b"".join(self._frames[: self._in_flight]))

    def stop(self) -> None:
        """Send no more; ``drained`` is done when the last answer is here."""
        self._sending, self._stopped = False, True
        if not self._sent and not self.drained.done():
            self.drained.set_result(None)

    def close(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the opening handshake."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._opening)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note a connection that was cut while answers were outstanding."""
        if self._sent or not self.opened.done():
            self._fail(f"connection lost: {exc}")

    def data_received(self, data: bytes) -> None:
        """Take all whole frames of what has come; each answer sends the next request, all in one write."""
        if not self.opened.done():
            self._rest += data
            self._open()
            return
        data = self._rest + data if self._rest else data
        now = perf_counter()
        answers, cases, latencies = self._recorder.answers, self._recorder.cases, self._recorder.latencies
        sent, echoes, out, at, end = self._sent, self._recorder.echoes, [], 0, len(data)
        frames, step, count = self._frames, self._in_flight, len(self._frames)
        while end - at >= 4:  # no frame that comes here is shorter than the longest header
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = data[at + 2] << 8 | data[at + 3], at + 4
            stop = start + size
            if stop > end:
                break
            message = data[start:stop]
            if data[at] == BINARY:
                found = message.find(ID_KEY) + 3
                case = message[found]
                if case == UINT32:
                    case = message[found + 4]
                if case not in sent:
                    self._fail(f"an answer for {case}, which nobody asked")
                    return
                latencies.append(now - sent.pop(case))
                answers.append(b"" if echoes is not None and message == echoes[case] else message)
                cases.append(case)
                if self._sending:
                    case = (case + step) % count
                    sent[case] = now
                    out.append(frames[case])
            else:
                self._irregular(data[at], message)
            at = stop
        self._rest = data[at:]
        if out:
            self._transport.write(b"".join(out))
        elif self._stopped and not sent and not self.drained.done():
            self.drained.set_result(None)

    def _open(self) -> None:
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        if not found:
            return
        if b" 101 " not in head.split(b"\r\n")[0]:
            self._fail(head.decode(errors="replace"))
            return
        self._rest = b""
        self.opened.set_result(None)
        if rest:
            self.data_received(rest)

    def _irregular(self, first_byte: int, payload: bytes) -> None:
        if first_byte == PING:
            self._transport.write(frame(payload, PONG))
        elif first_byte == TEXT:
            message = json.loads(payload)
            if message["op"] == "ping":
                self._transport.write(frame(json.dumps({**message, "op": "pong"}).encode(), TEXT))
            elif message["op"] == "error":
                self._fail(payload.decode())
        elif first_byte == CLOSE:
            self._fail(f"closed by the server: {payload!r}")

    def _fail(self, why: str) -> None:
        self._recorder.failures.append(why)
        self._sending = False
        for future in (self.opened, self.drained):
            if not future.done():
                future.set_result(None)
