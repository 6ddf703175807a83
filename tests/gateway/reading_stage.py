"""A connection that only reads, between a socket and a decoding thread that do what the test says."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tidegate.codecs.steps import finish
from tidegate.gateway import frame_connection
from tidegate.gateway.frame_connection import FrameConnection
from tidegate.gateway.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.codecs.steps import Steps


class Socket:
    """In a transport's place, but for what is written."""

    def __init__(self) -> None:
        self.reading = True
        self.ended: str | None = None

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.ended is not None

    def abort(self) -> None:
        self.ended = "abort"

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Nothing more is written, as is seen."""

    def set_write_buffer_limits(self, *_: Any) -> None:
        """No limits here."""


class ReadSocket(Socket):
    """One whose writes are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


class Decoder:
    """In the thread's place: takes the steps when it is told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[SimpleNamespace, Steps[Any], Callable[[Any], None]]] = []

    def submit(self, steps: Steps[Any], done: Callable[[Any], None]) -> SimpleNamespace:
        job = SimpleNamespace(cancelled=False)
        job.cancel = lambda: setattr(job, "cancelled", True)
        self.jobs.append((job, steps, done))
        return job

    def run(self) -> None:
        """Do one job."""
        job, steps, done = self.jobs.pop(0)
        try:
            outcome = finish(steps)
        except Exception as error:
            outcome = error
        if not job.cancelled:
            done(outcome)


class Listener(FrameConnection):
    """Remembers what it is given; large messages are decoded to their bytes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.got: list[tuple[str, bytes]] = []
        self.most = 0
        self.refused: list[str] = []

    def take_binaries(self, payloads: Sequence[bytes], now: float) -> None:
        self.got += [("binary", bytes(payload)) for payload in payloads]

    def take_text(self, text: str, now: float) -> None:
        self.got.append(("text", text.encode()))

    def take_large(self, parts: list[bytes], *, is_text: bool, now: float) -> Steps[Any] | None:
        return _joined(parts, "text" if is_text else "binary")

    def take_decoded(self, outcome: Any, now: float) -> None:
        self.got.append(outcome)

    def refuse_flood(self) -> None:
        self._close(4429, "flood")

    def refuse_bytes(self) -> None:
        self._close(1013, "bytes")

    def _close(self, code: int, reason: str) -> None:
        self.refused.append(reason)
        self.protocol.send_close(code, reason)
        self.send_data()
        self.drop()


def _joined(parts: list[bytes], kind: str) -> Steps[tuple[str, bytes]]:
    payload = b"".join(parts)
    if kind == "text":
        payload.decode()
    yield
    return kind, payload


class Stage:
    """Connections that share an intake, on a loop that turns when it is told to."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, message_bytes: int = 1 << 20, inbound_bytes: int = 1 << 24) -> None:
        self.loop = loop
        self.intake = Intake(loop, message_bytes=message_bytes, inbound_bytes=inbound_bytes, busy=lambda _: None)
        self.intake.turns._clock = lambda: frame_connection.time.monotonic()
        self.decoder = Decoder()
        self.intake.decoder = self.decoder  # type: ignore[assignment]

    def connect(self) -> Listener:
        """Make a connection that is open."""
        asyncio.set_event_loop(self.loop)
        return self.loop.run_until_complete(self._made())

    async def _made(self) -> Listener:
        async def handler(_: Any) -> None:
            """Nobody handles it: the test does."""

        protocol = ServerProtocol(max_size=self.intake.message_bytes)
        protocol.state = OPEN
        # What the handshake leaves behind: a library that reads frames.
        protocol.parser = super(ServerProtocol, protocol).parse()
        next(protocol.parser)
        server = SimpleNamespace(handler=handler, handler_tasks=set())
        listener = Listener(self.intake, protocol, server, close_timeout=2.0)
        listener.connection_made(ReadSocket())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        listener.request = SimpleNamespace()  # type: ignore[assignment]
        return listener

    def turn(self) -> None:
        """Let the loop turn once."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def settle(self) -> None:
        """Let everything happen that can without further bytes."""
        for _ in range(100):
            self.turn()
            if self.decoder.jobs:
                self.decoder.run()

    def feed(self, listener: Listener, data: bytes, size: int = 100_000) -> None:
        """Let bytes come in packets, each when the one before was dealt with."""
        for at in range(0, len(data), size):
            listener.data_received(data[at : at + size])
            for _ in range(50):
                if socket_of(listener).reading and not listener.decoding:
                    break
                self.turn()
                if self.decoder.jobs:
                    self.decoder.run()


def socket_of(listener: Listener) -> ReadSocket:
    """Return the socket of a connection."""
    socket = listener.transport
    assert isinstance(socket, ReadSocket)
    return socket
