"""What streams have to tell is sent in order, in turns, and no faster than the client reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stream_scene import Scene, said

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Result
from tidegate.errors import ModelFailed
from tidegate.gateway.stream_sender import AHEAD_BYTES
from tidegate.models.streams.ring import Ring
from tidegate.results import Timing


def test_what_comes_in_one_turn_is_sent_together() -> None:
    """Results of many streams that come in one turn of the loop go out in one write."""
    scene = Scene()
    client = scene.connect()
    streams = [client.open(name) for name in "abc"]
    for stream in streams:
        stream.make()
        stream.make(step=2)
    assert len(scene.turns) == 1
    scene.turn()
    assert said(client.heard()) == [("result", name, step, step) for name in "abc" for step in (1, 2)]
    assert (client.link.flushes, scene.turns) == (1, [])


@pytest.mark.parametrize("form", [Form.MSGPACK, Form.TEXT])
def test_one_turn_is_short(form: Form) -> None:
    """A turn writes a bounded amount and the next goes on; a stream with much to tell does not keep the others waiting."""
    scene = Scene()
    client = scene.connect(form)
    talker = client.open("talker")
    talker.ring = Ring("block", 1000, 1 << 30)
    for number in range(1, 201):
        talker.make(step=number, size=500)
    other = client.open("other")
    other.make()
    scene.turn()
    first = client.heard()
    assert 0 < len(first) < 100
    assert ("result", "other", 1, 1) in said(first)
    scene.turn_until_quiet()
    told = [each.message.seq for each in [*first, *client.heard()] if each.message.stream == "talker"]
    assert told == [*range(1, 201)]


def test_a_client_that_does_not_read() -> None:
    """While too much waits to be read, results stay with their streams; when the client has read, they are sent."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a")
    client.link.backlog = AHEAD_BYTES
    stream.make()
    stream.make(step=2)
    assert scene.turns == []
    client.session.has_room()
    assert scene.turns == []
    assert stream.ready
    client.link.backlog = 0
    client.session.has_room()
    scene.turn()
    assert said(client.heard()) == [("result", "a", 1, 1), ("result", "a", 2, 2)]


def test_what_is_sent_ahead_is_less_than_the_bound() -> None:
    """However small the bound of unread answers is, streams leave room below it, so that they never stop the reading."""
    scene = Scene(outbound_bytes=65_536, message_bytes=65_536, text_bytes=65_536)
    client = scene.connect()
    client.link.backlog = 40_000
    client.open("a").make()
    assert scene.turns == []


def test_large_results_go_as_they_are() -> None:
    """A large result whose bytes need no copy is sent as they lie, in its place among the small ones."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a")
    stream.make(step=1)
    stream.make(step=2, size=100_000)
    stream.make(step=3)
    scene.turn_until_quiet()
    assert said(client.heard()) == [("result", "a", step, step) for step in (1, 2, 3)]
    assert scene.jobs == []


def test_a_large_text_is_written_elsewhere() -> None:
    """A large result as text is written on another thread; its stream waits for it, the others do not."""
    scene = Scene()
    client = scene.connect(Form.TEXT)
    stream = client.open("a")
    for step, size in enumerate((1, 50_000, 1), 1):
        stream.make(step=step, size=size)
    client.open("b", id_=2).make()
    scene.turn_until_quiet()
    assert said(client.heard()) == [("opened", "b", 2), ("result", "a", 1, 1), ("result", "b", 1, 1)][1:]
    assert client.link.owed > 0
    stream.make(step=4)
    scene.turn_until_quiet()
    assert client.heard() == []
    scene.encode()
    scene.turn_until_quiet()
    assert said(client.heard()) == [("result", "a", step, step) for step in (2, 3, 4)]
    assert client.link.owed == 0


def test_the_end_waits_for_what_is_being_written() -> None:
    """A stream's end comes behind its large result."""
    scene = Scene()
    client = scene.connect(Form.TEXT)
    stream = client.open("a")
    stream.make(size=50_000)
    stream.end("closed")
    scene.turn_until_quiet()
    assert client.heard() == []
    scene.encode()
    scene.turn_until_quiet()
    assert said(client.heard()) == [("result", "a", 1, 1), ("closed", "a", "closed")]


def test_results_that_cannot_be_written(caplog: pytest.LogCaptureFixture) -> None:
    """In the place of a final result that cannot be written comes an error, in that of another one a gap; the order holds."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a")
    bad = {"y": np.zeros((1, 1), np.complex64)}
    stream.make(step=1, final=False)
    stream.ring._waiting[-1].outputs = bad
    stream.make(step=1)
    stream.ring._waiting[-1].outputs = bad
    stream.make(step=2)
    scene.turn()
    assert said(client.heard()) == [("gap", "a", 1, 1), ("error", "a", 1, 2, "invalid_input"), ("result", "a", 2, 3)]
    assert not caplog.records


def test_a_result_beyond_the_bound() -> None:
    """A result larger than may wait for a client at all is an error in its place."""
    scene = Scene(outbound_bytes=65_536, message_bytes=65_536, text_bytes=65_536)
    client = scene.connect()
    client.open("a").make(size=20_000)
    scene.turn()
    assert said(client.heard()) == [("error", "a", 1, 1, "too_large")]


def test_dropped_results_are_told() -> None:
    """Of a stream that keeps the latest, a slow client hears a gap and the newest; both are counted."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a", overflow="latest")
    client.link.backlog = AHEAD_BYTES
    for step in range(1, 6):
        stream.make(step, step=step)
    client.link.backlog = 0
    client.session.has_room()
    scene.turn()
    gap, result = client.heard()
    assert said([gap, result]) == [("gap", "a", 1, 4), ("result", "a", 5, 5)]
    assert isinstance(result.message, Result)
    numbers = scene.metrics.model("double").streams
    assert (numbers.results, numbers.gaps) == (1, 4)


def test_nothing_is_sent_to_who_is_gone() -> None:
    """After a connection has ended nothing is taken for it, and what was being written is forgotten."""
    scene = Scene()
    client = scene.connect(Form.TEXT)
    stream = client.open("a")
    stream.make(size=50_000)
    scene.turn_until_quiet()
    stream.fail(ModelFailed("no"), step=2)
    client.open("b", id_=2).make()
    client.heard()
    client.lost()
    scene.turn_until_quiet()
    scene.encode()
    scene.turn_until_quiet()
    assert client.heard() == []


def test_what_goes_on_is_sent_past_the_queue() -> None:
    """What streams make whose steps go on is sent without a turn, together, and can be taken again after a rewind."""
    scene = Scene()
    client = scene.connect()
    streams = [client.open(name) for name in "ab"]
    for _ in range(3):
        streams[0].receiver.streams_made([stream.produced(text="é") for stream in streams])
    assert scene.turns == []
    assert said(client.heard()) == [("result", name, 1, seq) for seq in (1, 2, 3) for name in "ab"]
    assert client.link.soon == 2 * 3 - 1  # the first of its kind is written the long way
    assert scene.metrics.model("double").streams.results == 6
    replayed = _replayed(streams[0], 1)
    assert [(item.seq, item.step, item.final, item.text, item.timing) for item in replayed] == [
        (seq, 1, False, "é", Timing(1, 2, 3)) for seq in (2, 3)
    ]
    assert [item.outputs["y"].tolist() for item in replayed] == [[[0.0]]] * 2


def test_what_ends_a_step_is_sent_past_the_queue_in_the_same_turn() -> None:
    """Nothing more is about to come, so that nothing is waited for."""
    scene = Scene()
    client = scene.connect()
    streams = [client.open(name) for name in "ab"]
    for step in (1, 2):
        streams[0].receiver.streams_made([stream.produced(step=step, final=True) for stream in streams])
    assert (scene.turns, client.link.soon) == ([], 0)
    assert said(client.heard()) == [("result", name, step, step) for step in (1, 2) for name in "ab"]


def test_no_more_is_sent_past_the_queue_than_may_be_ahead() -> None:
    """What streams have made at once beyond that waits with them until the client has read."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a")
    stream.receiver.streams_made([stream.produced(size=10_000) for _ in range(10)])
    sent = len(client.heard())
    assert AHEAD_BYTES // 40_000 < sent < 10
    assert len(stream.take(16)) == 10 - sent


@pytest.mark.parametrize(("form", "size"), [(Form.MSGPACK, 100_000), (Form.TEXT, 2_000)])
def test_what_goes_the_long_way_counts_as_well(form: Form, size: int) -> None:
    """Large results and text that were made at once are not all handed over at once, either; none becomes an error."""
    scene = Scene()
    client = scene.connect(form)
    stream = client.open("a")
    stream.receiver.streams_made([stream.produced(size=size) for _ in range(100)])
    sent = len(client.heard())
    assert 0 < sent < 20
    assert stream.ring.waiting == 100 - sent
    scene.turn_until_quiet()
    assert {told[0] for told in said(client.heard())} <= {"result"}


def _replayed(stream: Any, last_seq: int) -> list[Any]:
    stream.ring.rewind(last_seq)
    return stream.take(8)  # type: ignore[no-any-return]


@pytest.mark.parametrize("why", ["waits", "backlog", "credit", "closed"])
def test_what_cannot_be_sent_past_the_queue_waits_in_it(why: str) -> None:
    """Behind what waits, without credit, and for a client that does not read, what goes on keeps its place."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a", until=0) if why == "credit" else client.open("a")
    if why == "waits":
        stream.make(size=1)
    elif why == "backlog":
        client.link.backlog = AHEAD_BYTES
    elif why == "closed":
        client.session._replies.close()
    stream.receiver.streams_made([stream.produced(step=2)])
    assert client.heard() == []
    stream.ring.grant(9)
    assert [item.step for item in stream.take(8)] == ([1, 2] if why == "waits" else [2])


@pytest.mark.parametrize("form", [Form.TEXT, Form.MSGPACK])
def test_what_goes_on_is_told_in_every_form(form: Form) -> None:
    """As text, and where a result is large, it goes the long way, in order."""
    scene = Scene()
    client = scene.connect(form)
    stream = client.open("a")
    for size in (1, 50_000, 1):
        stream.receiver.streams_made([stream.produced(size=size)])
    while scene.jobs or scene.turns:
        scene.encode()
        scene.turn_until_quiet()
    assert said(client.heard()) == [("result", "a", 1, seq) for seq in (1, 2, 3)]
    assert client.link.soon == (form is Form.MSGPACK)  # the last one
