"""Reading from sockets: whatever comes, in whatever packets, the messages are the library's, and no turn does too much."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_client import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame
from reading_stage import Listener, Stage, socket_of
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tidegate.gateway import frame_connection, listening_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST = 400_000
LARGE = 70_000


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stage]]:
    """Make stages on which time stands still, so that only counts end a turn; their loop is closed at the end."""
    loop = asyncio.new_event_loop()
    still = SimpleNamespace(monotonic=lambda: 1000.0)
    for module in (frame_connection, listening_connection):
        monkeypatch.setattr(module, "time", still)
    yield lambda **options: Stage(loop, **({"message_bytes": MOST} | options))
    asyncio.set_event_loop(None)
    loop.close()


def library(data: bytes) -> tuple[list[tuple[str, bytes]], int | None]:
    """Let the library alone read a stream: the messages, and the code that it closes with."""
    protocol = ServerProtocol(max_size=MOST)
    protocol.state = OPEN
    protocol.parser = super(ServerProtocol, protocol).parse()
    next(protocol.parser)
    protocol.receive_data(data)
    messages: list[tuple[str, bytes]] = []
    kind, parts = "", b""
    for event in protocol.events_received():
        if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if event.opcode is not Opcode.CONT:
                kind, parts = "text" if event.opcode is Opcode.TEXT else "binary", b""
            parts += event.data
            if event.fin:
                messages.append((kind, parts))
    return messages, protocol.close_sent.code if protocol.close_sent else None


class Wire(bytes):
    """Bytes of frames, shown briefly."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes: {self[:20]!r}…>"


PAYLOADS = st.one_of(
    st.binary(max_size=3).map(lambda text: text.hex().encode()),
    st.tuples(st.sampled_from([125, 126, 65_535, 65_536, 65_537, LARGE, 150_003]), st.sampled_from(b"\0az")).map(
        lambda size_and_byte: bytes([size_and_byte[1]]) * size_and_byte[0]
    ),
)
MASKS = st.sampled_from([b"\1\2\3\4", b"\x82\x82\x82\x82", bytes(4)])
CONTROLS = st.builds(
    lambda kind, size, mask: frame(b"p" * size, kind, mask=mask), st.sampled_from([PING, PONG]), st.integers(0, 125), MASKS
)


@st.composite
def good_messages(draw: st.DrawFn) -> bytes:
    """A message in one frame or several, with control frames between them."""
    opcode, payload, mask = draw(st.sampled_from([BINARY, BINARY, TEXT])), draw(PAYLOADS), draw(MASKS)
    cuts = [0, *sorted(draw(st.lists(st.integers(0, len(payload)), max_size=2))), len(payload)]
    data = b""
    for number, (start, stop) in enumerate(pairwise(cuts)):
        kind = opcode if number == 0 else CONT
        data += frame(payload[start:stop], kind, fin=number == len(cuts) - 2, mask=mask)
        data += b"".join(draw(st.lists(CONTROLS, max_size=2)))
    return Wire(data)


BROKEN = st.sampled_from(
    [
        frame(b"x", mask=None),
        frame(b"x", reserved=4),
        frame(b"x" * LARGE, reserved=1),
        frame(b"x", claimed=MOST + 1),
        frame(b"x" * 10, claimed=2**62),
        frame(b"x" * 126, PING),
        frame(b"x" * LARGE, PING),
        frame(b"x", PING, fin=False),
        frame(b"x", 3),
        frame(b"x" * LARGE, 11),
        frame(b"x", CONT),
        frame(b"x" * LARGE, CONT),
        frame(b"x", fin=False) + frame(b"y"),
        frame(b"x", TEXT, fin=False) + frame(b"y" * LARGE),
        frame(b"x" * 250_000, fin=False) + frame(b"x" * 250_000, CONT),
        frame(b"\3\xe8bye", CLOSE),
        frame(b"x" * LARGE, fin=False) + frame(b"\3\xe8", CLOSE),
    ]
).map(Wire)


def test_messages_are_those_of_the_library(stage: Callable[..., Stage]) -> None:
    """However a stream comes, good or broken, its messages and its close code are those of the library alone."""

    @settings(max_examples=120, deadline=None)
    @given(st.lists(good_messages(), max_size=4), st.lists(BROKEN, max_size=1), st.lists(st.integers(0, 10**6), max_size=6))
    def check(good: list[bytes], broken: list[bytes], places: list[int]) -> None:
        whole = b"".join([*good, *broken, *good])
        expected, code = library(whole)
        scene = stage()
        listener = scene.connect()
        cuts = sorted(len(whole) * place // 10**6 for place in places)
        for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            scene.feed(listener, whole[start:stop])
        scene.settle()
        assert listener.got == expected
        assert (listener.protocol.close_sent.code if listener.protocol.close_sent else None) == code

    check()


@given(cut=st.integers(1, 30))
def test_byte_by_byte(cut: int) -> None:
    """Packets of a few bytes give the same as one piece, in the middle of heads, masks and payloads too."""
    data = frame(b"a" * LARGE, fin=False) + frame(b"?", PING) + frame(b"b" * 66_000, CONT) + frame(b"c" * LARGE) + frame(b"d")
    loop = asyncio.new_event_loop()
    scene = Stage(loop)
    listener = scene.connect()
    scene.feed(listener, data[:cut], 1)
    scene.feed(listener, data[cut : 2 * LARGE - cut])
    scene.feed(listener, data[2 * LARGE - cut : -cut])
    scene.feed(listener, data[-cut:], 1)
    scene.settle()
    assert [payload for _, payload in listener.got] == [b"a" * LARGE + b"b" * 66_000, b"c" * LARGE, b"d"]
    asyncio.set_event_loop(None)
    loop.close()


def test_a_header_that_claims_much_costs_nothing(stage: Callable[..., Stage]) -> None:
    """A frame of which only the head has come, whatever size it claims, holds no memory."""
    listener = stage().connect()
    listener.data_received(frame(b"", claimed=MOST))
    assert listener._message.nbytes == 0
    listener.data_received(b"x" * 10)
    assert listener._message.nbytes == 10


def test_the_last_byte_of_a_message_costs_no_more_than_the_first(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No packet of a large message unmasks or copies more than itself."""
    unmasked: list[int] = []
    real = frame_connection.LargeFrame.unmask

    def counted(self: Any, data: bytes, at: int) -> bytes:
        part = real(self, data, at)
        unmasked.append(len(part))
        return part

    monkeypatch.setattr(frame_connection.LargeFrame, "unmask", counted)
    scene = stage(message_bytes=1 << 22)
    listener = scene.connect()
    scene.feed(listener, frame(bytes(1 << 22)), 100_000)
    assert max(unmasked) <= 100_000
    assert sum(unmasked) == 1 << 22
    scene.settle()
    assert len(listener.got[0][1]) == 1 << 22


class Turn:
    """Counts what one callback of the loop hands over."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._before = 0

    def count(self) -> int:
        """Messages since the last call."""
        self._before, before = len(self._listener.got), self._before
        return self._before - before


def test_a_turn_has_a_bound(stage: Callable[..., Stage]) -> None:
    """Of thousands of frames that come at once no turn of the loop handles more than 128, and nothing is read meanwhile."""
    scene = stage()
    listener = scene.connect()
    turn = Turn(listener)
    listener.data_received((frame(b"x") + frame(b"y", TEXT)) * 2000)
    counts = [turn.count()]
    assert not socket_of(listener).reading
    while not socket_of(listener).reading:
        scene.turn()
        counts.append(turn.count())
    assert sum(counts) == 4000
    assert max(counts) <= 128


def test_messages_that_take_long(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever messages ask for, after some of them there is a look at the clock, and the turn may be over."""
    scene = stage()
    listener = scene.connect()
    clock = SimpleNamespace(monotonic=lambda: 1000.0 + len(listener.got) / 1000)
    monkeypatch.setattr(frame_connection, "time", clock)
    listener.data_received(frame(b"x") * 200)
    assert len(listener.got) <= 16
    scene.settle()
    assert len(listener.got) == 200


def test_large_packets_take_turns(stage: Callable[..., Stage]) -> None:
    """After a packet that fills the buffer nothing more is read from that connection in the same turn."""
    scene = stage()
    listener = scene.connect()
    listener.data_received(frame(bytes(300_000))[:200_000])
    assert not socket_of(listener).reading
    scene.turn()
    assert socket_of(listener).reading


def test_a_quiet_client_beside_twenty_floods(stage: Callable[..., Stage]) -> None:
    """While twenty connections have thousands of frames to be read, what another sends is read within three turns."""
    scene = stage()
    floods = [scene.connect() for _ in range(20)]
    quiet = scene.connect()
    for flood in floods:
        flood.data_received(frame(b"x" * 7) * 5000)
    for number in range(1, 8):
        quiet.data_received(frame(b"!"))
        for _ in range(3):
            scene.turn()
        assert len(quiet.got) == number
    assert sum(len(flood.got) for flood in floods) < 20 * 5000


def test_floods_take_turns(stage: Callable[..., Stage]) -> None:
    """Among connections that all have more than fits, none gets ahead of the others by more than a turn."""
    scene = stage()
    floods = [scene.connect() for _ in range(4)]
    for flood in floods:
        flood.data_received(frame(b"x") * 2000)
    for _ in range(4):
        scene.turn()
    counts = [len(flood.got) for flood in floods]
    assert max(counts) - min(counts) <= 2 * 128


def test_a_run_of_pings_gets_one_pong(stage: Callable[..., Stage]) -> None:
    """Only the latest of the pings of a turn is answered; those of the next turn get another answer."""
    scene = stage()
    listener = scene.connect()
    listener.data_received(frame(b"1", PING) + frame(b"2", PING) + frame(b"m") + frame(b"3", PING) + frame(b"", PONG))
    assert socket_of(listener).written == frame(b"3", PONG, mask=None)
    listener.data_received(frame(b"4", PING))
    assert socket_of(listener).written == frame(b"3", PONG, mask=None) + frame(b"4", PONG, mask=None)
    assert listener.got == [("binary", b"m")]


def test_pings_between_fragments_are_answered(stage: Callable[..., Stage]) -> None:
    """A ping in the middle of a message is answered before the message is whole."""
    listener = stage().connect()
    listener.data_received(frame(b"a", fin=False) + frame(b"?", PING))
    assert socket_of(listener).written == frame(b"?", PONG, mask=None)
    listener.data_received(frame(b"b", CONT))
    assert listener.got == [("binary", b"ab")]


@pytest.mark.parametrize("useless", [frame(b"", PING), frame(b"", PONG), frame(b"", CONT, fin=False)])
def test_a_flood_of_nothing_is_refused(useless: bytes, stage: Callable[..., Stage]) -> None:
    """Tens of thousands of control frames or empty fragments end the connection with 4429, or with 1009 by their number."""
    scene = stage()
    listener = scene.connect()
    scene.feed(listener, frame(b"", fin=False) if useless[0] == 0 else b"")
    scene.feed(listener, useless * 12_000)
    scene.settle()
    assert listener.protocol.close_sent is not None
    assert listener.protocol.close_sent.code == (1009 if useless[0] == 0 else 4429)
    scene.feed(listener, frame(b"x") * 10)
    assert listener.got == []


def test_many_requests_are_no_flood(stage: Callable[..., Stage]) -> None:
    """Messages, however many and however small, are never a flood to the connection."""
    scene = stage()
    listener = scene.connect()
    scene.feed(listener, frame(b"x") * 30_000)
    scene.settle()
    assert len(listener.got) == 30_000
    assert not listener.refused


def test_what_follows_a_large_message_waits(stage: Callable[..., Stage]) -> None:
    """While a message is being decoded what came after it is kept and nothing is read; then all goes on in order."""
    scene = stage()
    listener = scene.connect()
    listener.data_received(frame(b"a" * LARGE) + frame(b"b"))
    assert (listener.got, listener.decoding, socket_of(listener).reading) == ([], True, False)
    listener.data_received(frame(b"c", TEXT))  # was on its way
    assert listener.got == []
    scene.settle()
    assert listener.got == [("binary", b"a" * LARGE), ("binary", b"b"), ("text", b"c")]
    assert (listener.decoding, socket_of(listener).reading) == (False, True)


def test_nothing_happens_after_the_end(stage: Callable[..., Stage]) -> None:
    """When a connection goes away while its message is being decoded, nobody hears of the message, and nothing is held."""
    scene = stage()
    listener = scene.connect()
    listener.data_received(frame(b"a" * LARGE) + frame(b"b"))
    assert scene.intake.inbound.nbytes > LARGE
    listener.connection_lost(None)
    scene.settle()
    assert listener.got == []
    assert scene.intake.inbound.nbytes == 0


def test_a_large_message_after_the_close_is_skipped(stage: Callable[..., Stage]) -> None:
    """What comes after we began to close is read to its end, so that the peer's answer to the close is found, and dropped."""
    scene = stage()
    listener = scene.connect()
    whole = frame(b"a" * LARGE) + frame(b"b") + frame(b"c" * LARGE, fin=False) + frame(b"d", CONT)
    scene.feed(listener, whole[:30_000])
    listener.protocol.send_close(1001)
    listener.send_data()
    scene.feed(listener, whole[30_000:] + frame(b"\3\xe9", CLOSE))
    assert listener.got == []
    assert listener.protocol.close_rcvd is not None
    assert listener.protocol.close_rcvd.code == 1001


def test_text_that_is_not_utf8_is_refused_whatever_its_size(stage: Callable[..., Stage]) -> None:
    """A text message that is not UTF-8 ends the connection with 1007, decoded here or elsewhere."""
    for text in (b"\xff", b"a" * LARGE + b"\xff"):
        scene = stage()
        listener = scene.connect()
        scene.feed(listener, frame(text, TEXT))
        scene.settle()
        assert listener.protocol.close_sent is not None
        assert listener.protocol.close_sent.code == 1007


def test_who_holds_much_waits_first(stage: Callable[..., Stage]) -> None:
    """At the bound the first big message goes on, the second waits, and small ones do not notice; then the second goes on."""
    scene = stage(message_bytes=MOST, inbound_bytes=2 * MOST)
    first, second, small = (scene.connect() for _ in range(3))
    scene.feed(first, frame(b"1" * MOST)[:300_000])
    scene.feed(second, frame(b"2" * MOST)[:150_000])
    assert socket_of(first).reading
    assert not socket_of(second).reading
    scene.feed(small, frame(b"s"))
    assert small.got == [("binary", b"s")]
    scene.feed(first, frame(b"1" * MOST)[300_000:])
    scene.settle()
    assert len(first.got) == 1
    assert socket_of(second).reading
    scene.feed(second, frame(b"2" * MOST)[150_000:])
    scene.settle()
    assert len(second.got) == 1


def test_beyond_the_bound_who_holds_most_is_cut_off(stage: Callable[..., Stage]) -> None:
    """When small parts of many messages fill all the room, the connection that holds most is closed, and its bytes are gone."""
    scene = stage(message_bytes=MOST, inbound_bytes=2 * MOST)
    clients = [scene.connect() for _ in range(20)]
    for number, client in enumerate(clients):
        scene.feed(client, frame(bytes(60_000))[: 50_000 + number])
        assert scene.intake.inbound.nbytes <= 2 * MOST
    refused = [client for client in clients if client.refused == ["bytes"]]
    assert refused
    assert all(socket_of(client).written.find(b"\x03\xf5") >= 0 for client in refused)


def test_a_message_that_does_not_get_on(stage: Callable[..., Stage]) -> None:
    """A byte now and then is no progress; a message of the usual size, or 64 KiB more of a large one, is."""
    scene = stage()
    slow, busy = scene.connect(), scene.connect()
    slow.data_received(frame(bytes(300_000))[:1000])
    for second in range(0, 31, 10):
        late = slow.too_slow(100.0 + second, 30.0)
        assert late == (second == 30)
        slow.data_received(b"x")
        # Whenever one looks, there is the beginning of a message that was not there before.
        busy.data_received(frame(b"abc")[4:] * bool(second) + frame(b"abc")[:4])
        assert not busy.too_slow(100.0 + second, 30.0)
    slow.data_received(bytes(65_536))
    assert not slow.too_slow(131.0, 30.0)
