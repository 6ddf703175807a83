"""One connection without a socket: however its bytes come, the session gets the same messages, and answers in whole frames."""

from __future__ import annotations

import asyncio
import struct
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_client import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame, upgrade
from reading_stage import Socket
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tidegate.gateway import connection as connection_module
from tidegate.gateway.connection import GatewayConnection
from tidegate.gateway.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 5000  # bytes of a message


class Transport(Socket):
    """A socket that takes what it is told to take, and remembers everything."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.waiting = 0

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def writelines(self, pieces: list[bytes]) -> None:
        self.written.append(b"".join(pieces))

    def close(self) -> None:
        self.ended = "close"

    def write_eof(self) -> None:
        self.written.append(b"")

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, _name: str) -> None:
        """Nothing is known of it."""


class Recorder:
    """In a session's place: keeps what it is given."""

    live = 0

    def __init__(self, hub: Any, link: GatewayConnection) -> None:
        hub.recorder = self
        self.link = link
        self.got: list[tuple[str, Any]] = []
        self.closed = False

    def hello(self) -> None:
        self.got.append(("hello", None))

    def binaries(self, payloads: list[bytes], _now: float) -> None:
        self.got += [("binary", bytes(payload)) for payload in payloads]

    def text(self, payload: str, _now: float) -> None:
        self.got.append(("text", payload))

    def ping(self) -> None:
        self.got.append(("ping", None))

    def has_room(self) -> None:
        """Nothing waits for it."""

    def close(self, _now: float) -> None:
        self.closed = True


class Stage:
    """A connection between a transport and a recorder, on a loop of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, is_open: bool = True) -> None:
        self.loop = loop
        self.dirty: list[GatewayConnection] = []
        self.held = 0
        self.backlogs = SimpleNamespace(room=1 << 30)
        self.ends: list[str] = []
        self.recorder: Recorder | None = None
        self.settings = SimpleNamespace(
            message_bytes=MOST, outbound_bytes=10_000, keepalive_s=10.0, stall_timeout_s=5.0, outbound_age_s=30.0
        )
        self.half_open = self.connections = 0
        self.intake = Intake(loop, message_bytes=MOST, inbound_bytes=1 << 20, busy=lambda _now: None)
        self.transport = Transport()
        protocol = ServerProtocol(max_size=MOST)
        if is_open:
            protocol.state = OPEN
            # What the handshake leaves behind: a library that reads frames.
            protocol.parser = super(ServerProtocol, protocol).parse()
            next(protocol.parser)
        asyncio.set_event_loop(loop)
        self.connection = loop.run_until_complete(self._made(protocol))
        if is_open:
            self.connection.request = SimpleNamespace()  # type: ignore[assignment]

    async def _made(self, protocol: ServerProtocol) -> GatewayConnection:
        async def handler(_: Any) -> None:
            """Nobody handles it: the test does."""

        server = SimpleNamespace(handler=handler, handler_tasks=set())
        connection = GatewayConnection(self, protocol, server, close_timeout=2.0)  # type: ignore[arg-type]
        connection.connection_made(self.transport)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        return connection

    # What a connection tells its hub.

    def arrived(self, _: Any) -> None:
        self.half_open += 1

    def opened(self, _: Any) -> None:
        self.connections += 1

    def closed(self, _: Any, reason: str) -> None:
        self.ends.append(reason)

    def send_soon(self, connection: Any) -> None:
        self.dirty.append(connection)

    def holds(self, connection: Any, nbytes: int) -> None:
        self.held = nbytes

    # What happens to it.

    def receive(self, data: bytes) -> None:
        """Let bytes come from the socket, if it is read from, and the loop go on until nothing is left to do."""
        self.connection.data_received(data)
        self.turns()

    def turns(self) -> None:
        """Let the loop turn until the connection waits for nothing but bytes."""
        for _ in range(1000):
            self.turn()
            if self.transport.reading:
                return

    def turn(self) -> None:
        """Let the loop turn once."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    @property
    def got(self) -> list[tuple[str, Any]]:
        """What the session was given, after its ``hello``."""
        assert self.recorder is not None
        assert self.recorder.got[0][0] == "hello"
        return self.recorder.got[1:]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make stages; their loop is closed at the end."""
    monkeypatch.setattr(connection_module, "Session", Recorder)
    loop = asyncio.new_event_loop()
    yield lambda **options: Stage(loop, **options)
    asyncio.set_event_loop(None)
    loop.close()


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, Any]]]:
    """Frames of a good client in any mixture, and the messages in them."""
    data, messages = b"", []
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["binary", "binary", "text", "ping", "fragments"]))
        payload = draw(st.sampled_from([0, 1, 125, 126, 300])) * draw(st.sampled_from([b"a", b"\x00", b"7"]))
        mask = draw(st.sampled_from([bytes(4), b"\x82\x82\x82\x82", b"\x01\x02\x03\x04"]))
        if kind == "ping":
            data += frame(payload[:125], PING, mask=mask)
            continue
        opcode = TEXT if kind == "text" else BINARY
        messages.append((kind if kind == "text" else "binary", payload.decode() if kind == "text" else payload))
        if kind == "fragments":
            at = draw(st.integers(0, len(payload)))
            middle = frame(b"!", PING, mask=mask) if draw(st.booleans()) else b""
            data += frame(payload[:at], opcode, fin=False, mask=mask) + middle + frame(payload[at:], CONT, mask=mask)
        else:
            data += frame(payload, opcode, mask=mask)
    return data, messages


def test_messages_do_not_depend_on_packets(stage: Callable[..., Stage]) -> None:
    """However a stream of frames is cut into packets, the session gets its messages, whole and in order."""

    @settings(max_examples=150, deadline=None)
    @given(streams(), st.data())
    def check(stream: tuple[bytes, list[tuple[str, Any]]], data: st.DataObject) -> None:
        whole, messages = stream
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
        scene = stage()
        scene.connection.open()
        for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            if start < stop:
                scene.receive(whole[start:stop])
        assert scene.got == messages

    check()


def test_any_bytes_end_well(stage: Callable[..., Stage]) -> None:
    """Whatever bytes come, nothing is raised, no message is longer than allowed, and a broken connection stays broken."""

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([frame(b"x"), frame(b"{}", TEXT)])), max_size=8))
    def check(packets: list[bytes]) -> None:
        scene = stage()
        for packet in packets:
            was_open, before = scene.connection.protocol.state is OPEN, len(scene.recorder.got if scene.recorder else [])
            scene.receive(packet)
            if not was_open:
                assert len(scene.recorder.got if scene.recorder else []) == before
        assert all(payload is None or len(payload) <= MOST for _, payload in (scene.recorder.got if scene.recorder else []))

    check()


def test_a_turn_has_a_bound(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand frames that come at once 128 are handled in a turn of the loop; the socket is not read until all are."""
    scene = stage()
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)  # a turn has a bound in time as well, which is another test's
    scene.connection.data_received(frame(b"x") * 1000)
    assert len(scene.got) == 128
    assert not scene.transport.reading
    scene.turn()
    assert len(scene.got) == 256
    scene.turns()
    assert len(scene.got) == 1000
    assert scene.transport.reading


def test_what_is_said_in_a_turn_is_one_write(stage: Callable[..., Stage]) -> None:
    """Messages that are posted go out together when the hub says so, each as a whole frame without a mask."""
    scene = stage()
    scene.connection.open()
    for size in (0, 125, 126, 65_535, 65_536):
        scene.connection.post(bytes(size), text=size == 125)
    assert scene.dirty == [scene.connection]
    assert scene.transport.written == []
    scene.connection.flush_soon()
    expected = [frame(bytes(size), TEXT if size == 125 else BINARY, mask=None) for size in (0, 125, 126, 65_535, 65_536)]
    assert scene.transport.written == [b"".join(expected)]


def test_results_go_out_at_once(stage: Callable[..., Stage]) -> None:
    """Results are written together with what was posted before them, in that order."""
    scene = stage()
    scene.connection.open()
    scene.connection.post(b"first", text=True)
    scene.connection.send_now([b"second", b"third"])
    expected = [frame(b"first", TEXT, mask=None), frame(b"second", mask=None), frame(b"third", mask=None)]
    assert b"".join(scene.transport.written) == b"".join(expected)
    assert len(scene.transport.written) == 1


def test_nothing_is_said_after_the_end(stage: Callable[..., Stage]) -> None:
    """Once a close frame was sent, or the connection cut, messages are dropped."""
    closing, cut = stage(), stage()
    closing.connection.open()
    closing.connection.post(b"last words", text=True)
    closing.connection.close_soon(1001, "bye", "drain")
    cut.connection.open()
    cut.connection.abort("stalled")
    for scene in (closing, cut):
        scene.connection.post(b"x", text=True)
        scene.connection.send_now([b"x"])
        scene.connection.flush_soon()
    close = frame(struct.pack("!H", 1001) + b"bye", CLOSE, mask=None)
    assert b"".join(closing.transport.written) == frame(b"last words", TEXT, mask=None) + close
    assert cut.transport.written == []


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (frame(struct.pack("!H", 1000), CLOSE), "client"),
        (b"", "lost"),
        (frame(b"x", reserved=1), "protocol_error"),
        (frame(b"x", claimed=MOST + 1), "too_large"),
    ],
)
def test_the_end_has_a_reason(sent: bytes, end: str, stage: Callable[..., Stage]) -> None:
    """The hub is told once how a connection ended, and the session that it did."""
    scene = stage()
    scene.receive(frame(b"x"))
    if sent:
        scene.receive(sent)
    scene.connection.connection_lost(None)
    assert scene.ends == [end]
    assert scene.recorder is not None
    assert scene.recorder.closed


def test_a_choked_peer_stays_choked_after_a_full_turn(stage: Callable[..., Stage]) -> None:
    """Frames that came before it was choked are handled; that does not make the socket be read again."""
    scene = stage()
    scene.connection.data_received(frame(b"x") * 300)
    scene.transport.waiting = 20_000
    scene.connection.send_now([bytes(100)])
    for _ in range(10):
        scene.turn()
    assert len(scene.got) == 300
    assert not scene.transport.reading


def test_pongs_count_as_waiting(stage: Callable[..., Stage]) -> None:
    """The library's own frames are watched like the session's."""
    scene = stage()
    scene.transport.waiting = 50
    scene.receive(frame(b"hello", PING))
    assert scene.transport.written == [frame(b"hello", PONG, mask=None)]
    assert scene.held == 50


@pytest.mark.parametrize("size", range(1, 40, 3))
def test_frames_wait_for_the_handshake(size: int, stage: Callable[..., Stage]) -> None:
    """Frames behind the request of a handshake, however the packets lie, are not looked at before it is accepted."""
    scene = stage(is_open=False)
    whole = upgrade(8000) + frame(b"first") + frame(b"second")
    for start in range(0, len(whole), size):
        scene.connection.data_received(whole[start : start + size])
    assert scene.connections == 0
    assert scene.connection.request is not None
    scene.connection.protocol.send_response(scene.connection.protocol.accept(scene.connection.request))
    scene.connection.open()
    scene.turns()
    assert scene.got == [("binary", b"first"), ("binary", b"second")]
    assert scene.connections == 1


def test_early_bytes_have_a_bound(stage: Callable[..., Stage]) -> None:
    """A client that sends much before its handshake is accepted is not read any further; all it sent is served then."""
    scene = stage(is_open=False)
    scene.connection.data_received(upgrade(8000) + frame(bytes(1000)) * 100)
    assert not scene.transport.reading
    assert scene.connection.request is not None
    scene.connection.protocol.send_response(scene.connection.protocol.accept(scene.connection.request))
    scene.connection.open()
    scene.turns()
    assert len(scene.got) == 100
    assert scene.transport.reading
