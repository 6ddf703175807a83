"""A connection whose peer does not read what is sent to it: what it counts for, when it is choked, and when it is cut off."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tidegate.gateway import connection as connection_module
from tidegate.gateway.backlogs import Backlogs
from tidegate.gateway.connection import GatewayConnection
from tidegate.gateway.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 200_000
ALL = 1_000_000


class Transport:
    """A socket that takes what it is told to take."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.waiting = 0
        self.reading = True
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.writelines([data])

    def writelines(self, pieces: list[Any]) -> None:
        self.written += pieces
        self.waiting += sum(map(len, pieces))

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, _name: str) -> None:
        """Nothing is known of it."""

    def set_write_buffer_limits(self, *_: Any) -> None:
        """No limits here."""


class Stage:
    """A connection and what it tells its hub."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = SimpleNamespace(outbound_bytes=MOST, keepalive_s=10.0, stall_timeout_s=5.0, outbound_age_s=30.0)
        self.switch_interval = SimpleNamespace(busy=lambda _now: None)
        self.intake = Intake(loop, message_bytes=MOST, inbound_bytes=ALL, busy=lambda _now: None)
        self.backlogs = Backlogs[Any](ALL)
        self.holds = self.backlogs.note
        self.dirty: list[GatewayConnection] = []
        self.send_soon = self.dirty.append
        self.arrived = self.opened = lambda _: None
        self.ends: list[str] = []
        self.transport = Transport()
        asyncio.set_event_loop(loop)
        self.connection = loop.run_until_complete(self._made())

    async def _made(self) -> GatewayConnection:
        async def handler(_: Any) -> None:
            """Nobody handles it."""

        protocol = ServerProtocol()
        protocol.state = OPEN
        server = SimpleNamespace(handler=handler, handler_tasks=set())
        connection = GatewayConnection(self, protocol, server, close_timeout=2.0)  # type: ignore[arg-type]
        connection.connection_made(self.transport)  # type: ignore[arg-type]
        return connection

    def closed(self, _: Any, reason: str) -> None:
        self.ends.append(reason)

    @property
    def held(self) -> int:
        """What the hub believes that the connection holds."""
        return self.backlogs.total

    def send(self, nbytes: int, surplus: int = 0) -> None:
        """Post one large message and let the hub flush."""
        self.connection.post_pieces([memoryview(bytes(nbytes - 10))], surplus, text=False)
        for connection in self.dirty:
            connection.flush_soon()
        self.dirty.clear()

    def take(self, nbytes: int) -> None:
        """Let the peer take bytes, and the socket say so when nearly nothing is left."""
        self.transport.waiting -= nbytes
        if self.transport.waiting < 1000:
            self.connection.pause_writing()
            self.connection.resume_writing()


@pytest.fixture
def stage() -> Any:
    """Make one stage; its loop is closed at the end."""
    loop = asyncio.new_event_loop()
    yield Stage(loop)
    asyncio.set_event_loop(None)
    loop.close()


def test_pieces_are_written_as_they_are(stage: Stage) -> None:
    """A message in pieces is handed to the socket without being joined, behind one header."""
    pieces = [b"head", memoryview(bytes(100_000)), b"tail"]
    stage.connection.post_pieces(pieces, 0, text=False)
    assert stage.connection.backlog > 100_000
    assert stage.transport.written == []
    (connection,) = stage.dirty
    connection.flush_soon()
    assert all(a is b for a, b in zip(stage.transport.written[1:], pieces, strict=True))
    assert len(stage.transport.written[0]) == 10


def test_what_is_held_is_counted(stage: Stage) -> None:
    """A write counts for all that it keeps until the peer has taken all of it; then for nothing."""
    stage.send(90_000, surplus=60_000)
    assert stage.held == 150_000
    stage.take(89_000)
    stage.connection.check_reading(1.0)
    assert stage.held == 150_000
    stage.take(1000)
    assert (stage.held, stage.connection.backlog, len(stage.backlogs)) == (0, 0, 0)


def test_what_a_peer_takes_at_once_counts_for_nothing(stage: Stage) -> None:
    """A socket that takes all of a write leaves nothing to be looked after."""
    stage.transport.writelines = lambda _: None  # type: ignore[method-assign]
    stage.send(100_000, surplus=100_000)
    assert (stage.held, stage.connection.backlog) == (0, 0)


def test_answers_that_are_being_written_count(stage: Stage) -> None:
    """Bytes that are owed count as unread and choke the peer, until they are written or given up."""
    stage.connection.owe(150_000)
    assert (stage.held, stage.connection.choked) == (150_000, False)
    stage.connection.owe(100_000)
    assert (stage.held, stage.connection.choked) == (250_000, True)
    stage.connection.owe(-100_000)
    assert stage.connection.choked
    stage.connection.owe(-150_000)
    assert (stage.held, stage.connection.choked) == (0, False)


def test_a_choked_peer_is_heard_when_it_has_read(stage: Stage) -> None:
    """Nothing is read from a peer beyond its bound; when the socket says that it took all, it is heard at once."""
    stage.send(MOST + 1000)
    assert not stage.transport.reading
    stage.take(MOST)
    stage.take(1000)
    assert stage.transport.reading


def test_the_more_others_hold_the_sooner_a_peer_is_choked(stage: Stage) -> None:
    """A peer may hold what is free, if that is less than its own bound; it is heard again when it holds half of that."""
    others = object()
    stage.backlogs.note(others, 880_000)
    stage.send(70_000)
    assert stage.connection.choked
    stage.backlogs.note(others, 400_000)
    stage.connection.check_reading(1.0)
    assert not stage.connection.choked


@pytest.mark.parametrize(("step", "end"), [(0, 5.0), (1, 30.0), (70_000, None)])
def test_who_does_not_read_is_cut_off(stage: Stage, step: int, end: float | None) -> None:
    """A peer that takes nothing, or a byte now and then, is cut off in time, with the reason; one that reads is not."""
    stage.send(10_000_000)
    now = 0.0
    while not stage.transport.aborted and now < 100:
        stage.transport.waiting -= step
        now += 1.0
        stage.connection.check_reading(now)
    assert stage.transport.aborted is (end is not None)
    if end is not None:
        assert end <= now <= end + 4
        stage.connection.connection_lost(None)
        assert stage.ends == ["stalled" if step == 0 else "slow"]


def test_nothing_is_said_or_counted_after_the_end(stage: Stage) -> None:
    """What comes for a peer that was cut off is dropped."""
    stage.send(1000)
    stage.connection.abort("crowded")
    stage.backlogs.note(stage.connection, 0)
    written = len(stage.transport.written)
    stage.connection.owe(1000)
    stage.send(100_000)
    stage.connection.check_reading(1.0)
    assert (len(stage.transport.written), stage.held) == (written, 0)


def test_a_write_that_fails_ends_the_connection(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect in writing ends that connection, and is logged."""

    def fail(*_: Any) -> None:
        raise ValueError("a defect")

    flush: Callable[[], None] = fail
    monkeypatch.setattr(connection_module.GatewayConnection, "flush", flush)
    stage.send(1000)
    assert stage.transport.aborted
    assert "a defect" in caplog.text
