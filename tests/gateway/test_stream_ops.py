"""What a client does with streams: each message is answered as the protocol says, and disturbs no other stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stream_scene import Client, Scene, said

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Cancel, Close, Credit, Fork, Infer, Open, Ping, Snapshot, Step
from tidegate.errors import Cancelled, Overloaded
from tidegate.gateway.counts import OTHER
from tidegate.models.streams.content import content
from tidegate.models.streams.snapshot import Snapshot as Taken
from tidegate.models.streams.snapshot import read


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", [0, 7, "7", "é" * 32])
def test_a_stream_and_its_results(name: int | str, form: Form) -> None:
    """A stream is opened, told of and closed in the form of its ``open``, under the name that the client gave it."""
    scene = Scene()
    client = scene.connect(form)
    (opened,) = client.send(Open(id=5, stream=name, model_name="double"))
    message = opened.message
    assert (message.id, message.stream, message.model_name, message.model_version) == (5, name, "double", "1")
    assert (message.next_step, message.steps, message.results, opened.form) == (1, 64, 256, form)
    assert client.step(name) == []
    (stream,) = scene.host.streams
    stream.make(3.0)
    assert client.heard() == []
    scene.turn()
    (result,) = client.heard()
    message = result.message
    assert (message.stream, message.step, message.seq, message.final, message.id) == (name, 1, 1, True, None)
    assert (message.timing.queue_us, message.timing.compute_us, message.timing.batch_size) == (1, 2, 3)
    assert (message.model_name, message.text, message.reason, result.form) == (None, None, None, form)
    assert result.tensors["y"].tolist() == [[3.0]]
    assert client.send(Close(stream=name)) == []
    scene.turn()
    assert said(client.heard()) == [("closed", name, "closed")]
    assert said(client.step(name, 2)) == [("error", name, 2, None, "unknown_stream")]


def test_an_answer_keeps_the_form_of_the_open() -> None:
    """Whatever form a step has, its results have that of ``open``; its refusal has its own."""
    scene = Scene()
    client = scene.connect(Form.TEXT)
    stream = client.open("a")
    client.form = Form.JSON
    client.step("a")
    (refused,) = client.step("a", 5)
    assert refused.form is Form.JSON
    stream.make()
    scene.turn()
    assert [each.form for each in client.heard()] == [Form.TEXT]


def test_what_an_open_says() -> None:
    """The engine is told constants, outputs, overflow, credit and priority, and whose turn the stream uses."""
    scene = Scene()
    client = scene.connect()
    sr = np.array(16_000)
    fields: dict[str, Any] = {"outputs": [{"name": "y"}], "overflow": "latest", "until": 3, "priority": -2}
    client.send(Open(id=1, stream="a", model_name="double", **fields), {"sr": sr})
    client.send(Open(id=2, stream="b", model_name="double", from_snapshot=True), {"snapshot": np.arange(4, dtype=np.uint8)})
    first, second = (stream.options for stream in scene.host.streams)
    assert (first["constants"], first["snapshot"], first["outputs"]) == ({"sr": sr}, None, ("y",))
    assert (first["overflow"], first["until"], first["priority"]) == ("latest", 3, -2)
    assert (second["constants"], second["snapshot"], second["outputs"]) == ({}, b"\0\1\2\3", None)
    assert first["client"] is second["client"]


def test_names_and_numbers_of_streams() -> None:
    """A name that is taken is refused, 7 and "7" are two, and no more streams are opened than a connection may have."""
    scene = Scene(streams_per_connection=2)
    client = scene.connect()
    client.open(7)
    assert said(client.send(Open(id=2, stream=7, model_name="double"))) == [("error", None, None, None, "duplicate_stream")]
    client.open("7")
    (error,) = client.send(Open(id=3, stream=8, model_name="double"))
    assert (error.message.id, error.message.code, error.message.retryable) == (3, "overloaded", True)
    assert scene.metrics.refused.values["streams_per_connection"] == 1
    scene.host.streams[0].end("idle")
    scene.turn()
    assert said(client.heard()) == [("closed", 7, "idle")]
    client.open(8)


def test_streams_that_cannot_be_opened() -> None:
    """An ``open`` that the engine refuses is answered with its id, its name stays free, and the bound is counted."""
    scene = Scene()
    client = scene.connect()
    (unknown,) = client.send(Open(id=1, stream="a", model_name="nobody"))
    assert (unknown.message.id, unknown.message.code) == (1, "unknown_model")
    scene.host.full = Overloaded("full", bound="streams")
    (full,) = client.send(Open(id=1, stream="a", model_name="double"))
    assert (full.message.id, full.message.code) == (1, "overloaded")
    assert scene.metrics.refused.values["streams"] == 1
    assert scene.metrics.model("double").requests.values["overloaded"] == 1
    scene.host.full = None
    client.open("a")


def test_steps_that_are_not_accepted() -> None:
    """A step that is refused gets an error with its stream and step and no ``seq``; it is counted, and the stream goes on."""
    client = Scene().connect()
    stream = client.open("a")
    (early,) = client.step("a", 3)
    message = early.message
    assert (message.stream, message.step, message.seq, message.id) == ("a", 3, None, None)
    assert (message.code, message.expected_step, message.retryable) == ("unexpected_step", 1, False)
    (nowhere,) = client.step("b", 1)
    assert said([nowhere]) == [("error", "b", 1, None, "unknown_stream")]
    assert client.step("a", 1) == []
    assert stream.next_step == 2
    steps = client.scene.metrics.model("double").streams.steps.values
    assert (steps["unexpected_step"], client.scene.metrics.model(OTHER).streams.steps.values["unknown_stream"]) == (1, 1)


@pytest.mark.parametrize("form", Form)
def test_a_step_that_cannot_be_read(form: Form) -> None:
    """An error about a step that cannot be read names the stream and the step, so that its sender knows."""
    client = Scene().connect(form)
    client.open("a")
    (error,) = client.send(Step(stream="a", step=1, timeout_ms=-1), {})
    assert said([error]) == [("error", "a", 1, None, "invalid_message")]


def test_steps_that_look_like_earlier_ones() -> None:
    """The tenth step of a kind is taken as the first, whatever stream it is of; so is one that differs a little."""
    scene = Scene()
    client = scene.connect()
    streams = {name: client.open(name) for name in (0, 7, 300)}
    for number in range(1, 11):
        for name in streams:
            value = np.full((1, 2), number + name, np.float32)
            assert client.send(Step(stream=name, step=number, timeout_ms=500, parameters={"k": 1}), {"x": value}) == []
    for name, stream in streams.items():
        assert [inputs["x"][0, 0] for inputs, _ in stream.steps] == [number + name for number in range(1, 11)]
        assert {options["timeout_s"] for _, options in stream.steps} == {0.5}
        assert all(options["parameters"] == {"k": 1} for _, options in stream.steps)
    assert scene.metrics.messages_received.values["msgpack"] == 33
    assert client.step(0, 11) == []
    assert streams[0].steps[-1][1]["timeout_s"] == float("inf")


def test_steps_that_look_like_earlier_ones_say_the_same() -> None:
    """What a step says is found out the same way whether its like was met before or not, in any order of its tensors."""
    client = Scene().connect()
    stream = client.open(7)
    for number in range(1, 7):
        tensors = {"y": np.full((1, 2), number, np.float32), "x": np.full((3,), number, np.int16)}
        client.send(Step(stream=7, step=number, parameters={"k": 1}), tensors)
    told = [(options["known"], content(inputs, options["parameters"])) for inputs, options in stream.steps]
    assert [known for known, _ in told[:2]] == [None, None]
    assert all(known == said for known, said in told[2:])


def test_known_steps_are_refused_like_others() -> None:
    """Steps that look like earlier ones are refused for the same reasons: a number, a strange name, a gateway's end."""
    client = Scene().connect()
    client.open(7)
    for number in range(1, 5):
        client.step(7, number)
    (early,) = client.step(7, 9)
    assert (said([early]), early.message.expected_step) == ([("error", 7, 9, None, "unexpected_step")], 5)
    assert said(client.step(8, 1)) == [("error", 8, 1, None, "unknown_stream")]
    client.scene.hub.draining = True
    assert said(client.step(7, 5)) == [("error", 7, 5, None, "shutting_down")]
    assert client.step(7, 4) == []


def test_the_end_of_a_step_that_failed() -> None:
    """A step that fails is told with its place in the order, what became of it and which step is expected."""
    scene = Scene()
    client = scene.connect()
    client.open("a").fail(Cancelled("no", outcome="dropped"), step=4)
    scene.turn()
    (error,) = client.heard()
    assert said([error]) == [("error", "a", 4, 1, "cancelled")]
    assert (error.message.expected_step, error.message.outcome, error.message.id) == (4, "dropped", None)


def test_what_a_generation_tells() -> None:
    """Text, the reason of the end and whether more comes are passed on."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a")
    stream.make(text="h", final=False)
    stream.make(text="i", reason="stop")
    scene.turn()
    told = [(each.message.text, each.message.final, each.message.reason) for each in client.heard()]
    assert told == [("h", False, None), ("i", True, "stop")]


def test_credit_and_cancel() -> None:
    """Credit lets results go, a cancel reaches its step; neither says anything about a stream that is not there."""
    scene = Scene()
    client = scene.connect()
    stream = client.open(0, until=0)
    stream.make()
    scene.turn_until_quiet()
    assert client.heard() == []
    client.send(Credit(stream=0, until=1))
    scene.turn()
    assert said(client.heard()) == [("result", 0, 1, 1)]
    assert client.send(Cancel(stream=0, step=2)) == []
    assert stream.cancelled == [2]
    assert client.send(Cancel(stream="b", step=2)) == []
    assert client.send(Credit(stream="b", until=2)) == []


def test_a_close_that_crosses_the_end() -> None:
    """A ``close`` of a stream whose end was just told says nothing; one of a stream that never was is an error."""
    scene = Scene()
    client = scene.connect()
    client.open("a").end("idle")
    scene.turn()
    assert said(client.heard()) == [("closed", "a", "idle")]
    assert client.send(Close(stream="a")) == []
    assert said(client.send(Close(stream="b"))) == [("error", "b", None, None, "unknown_stream")]


def test_a_gateway_that_drains() -> None:
    """While the gateway drains nothing new is accepted; a step that was accepted before may be sent again."""
    scene = Scene()
    client = scene.connect()
    client.open("a")
    client.step("a", 1)
    scene.hub.draining = True
    assert said(client.send(Open(id=1, stream="b", model_name="double"))) == [("error", None, None, None, "shutting_down")]
    assert said(client.step("a", 2)) == [("error", "a", 2, None, "shutting_down")]
    assert client.step("a", 1) == []
    assert said(client.send(Fork(id=1, stream="a", to="b"))) == [("error", None, None, None, "shutting_down")]


def taken(nbytes: int = 4) -> Taken:
    """A snapshot with so many bytes of state."""
    return Taken("double", "5ha", 3, {}, {"state:h": np.arange(nbytes, dtype=np.uint8)})


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("nbytes", [4, 100_000])
def test_a_snapshot(nbytes: int, form: Form) -> None:
    """A snapshot is answered with the state and its step, a large one from another thread; until then its id is live."""
    scene = Scene()
    client = scene.connect(form)
    client.open("a")
    assert client.send(Snapshot(id=9, stream="a")) == []
    (duplicate,) = client.send(Ping(id=9))
    assert duplicate.message.duplicate_of == 9
    assert client.send(Cancel(id=9)) == []
    scene.host.copies[0][2](taken(nbytes))
    assert (client.session.live == 1) == (nbytes == 100_000)
    scene.encode()
    (answer,) = client.heard()
    assert (answer.message.id, answer.message.stream, answer.message.step, answer.form) == (9, "a", 3, form)
    assert read(answer.tensors["snapshot"].tobytes()).state["state:h"].size == nbytes
    assert (client.session.live, client.link.owed) == (0, 0)


def test_copies_that_fail() -> None:
    """A copy that cannot be made, or of a stream that is not there, is an error with its id; the name stays free."""
    scene = Scene()
    client = scene.connect()
    client.open("a")
    client.send(Snapshot(id=1, stream="a"))
    client.send(Fork(id=2, stream="a", to="b"))
    for _, _, done in scene.host.copies:
        done(Overloaded("no", bound="stream_bytes"))
    errors = client.heard()
    errors += client.send(Snapshot(id=3, stream="x"))
    errors += client.send(Fork(id=4, stream="x", to="y"))
    assert [(each.message.id, each.message.code) for each in errors] == [
        (1, "overloaded"), (2, "overloaded"), (3, "unknown_stream"), (4, "unknown_stream"),
    ]  # fmt: skip
    assert client.session.live == 0
    client.open("b")


def test_a_fork() -> None:
    """A fork is answered like an ``open``, under its own name, which is taken from the first moment on."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a")
    client.send(Fork(id=2, stream="a", to="b"))
    assert said(client.send(Open(id=3, stream="b", model_name="double"))) == [("error", None, None, None, "duplicate_stream")]
    other = type(stream)(stream.options)
    scene.host.copies[0][2](other)
    assert said(client.heard()) == [("opened", "b", 2)]
    other.make()
    scene.turn()
    assert said(client.heard()) == [("result", "b", 1, 1)]


def test_copies_for_a_client_that_is_gone() -> None:
    """A fork that comes when its client is gone is dropped, and a snapshot is not sent."""
    scene = Scene()
    client = scene.connect()
    stream = client.open("a")
    client.send(Fork(id=2, stream="a", to="b"))
    client.send(Snapshot(id=3, stream="a"))
    client.lost()
    other = type(stream)(stream.options)
    scene.host.copies[0][2](other)
    scene.host.copies[1][2](taken())
    assert (other.dropped, client.heard()) == ("expired", [])


@pytest.mark.parametrize("nbytes", [65_000, 500_000])
def test_a_snapshot_that_could_not_be_sent_back(nbytes: int) -> None:
    """A snapshot larger than a message may be is refused, whether that is seen before it is written or after."""
    scene = Scene(outbound_bytes=1 << 20, message_bytes=65_100, text_bytes=65_100)
    client = scene.connect()
    client.open("a")
    client.send(Snapshot(id=1, stream="a"))
    scene.host.copies[0][2](taken(nbytes))
    scene.encode()
    (error,) = client.heard()
    assert (error.message.id, error.message.code, client.session.live) == (1, "too_large", 0)


def test_ids_of_copies_count_as_in_flight() -> None:
    """Snapshots that wait count as requests in flight; beyond that bound they are refused."""
    scene = Scene(in_flight=1)
    client = scene.connect()
    client.open("a")
    client.send(Snapshot(id=1, stream="a"))
    (error,) = client.send(Snapshot(id=2, stream="a"))
    assert (error.message.id, error.message.code) == (2, "overloaded")


def test_a_defect_is_an_answer_too(caplog: pytest.LogCaptureFixture) -> None:
    """What fails in a way that nobody thought of is an ``internal`` error, logged, and leaves no id behind."""
    scene = Scene()
    client = scene.connect()
    client.open("a")
    scene.host.snapshot = lambda *_: 1 / 0  # type: ignore[assignment, method-assign]
    (error,) = client.send(Snapshot(id=1, stream="a"))
    assert (error.message.id, error.message.code, client.session.live) == (1, "internal", 0)
    assert caplog.records


def busy(client: Client) -> bool:
    """Tell whether the end of a gateway has to wait for a client's streams."""
    return client.session.streams_busy


def test_what_the_end_of_a_gateway_waits_for() -> None:
    """A session is busy while steps run or results wait that may be sent, not while they wait for credit."""
    scene = Scene()
    client = scene.connect()
    assert not busy(client)
    client.send(Infer(id=1, model_name="double"), {"x": np.zeros((1, 2), np.float32)})
    stream = client.open("a", id_=2, until=0)
    stream.make()
    assert not busy(client)
    stream.ring.grant(1)
    assert busy(client)
    stream.tell()
    scene.turn()
    assert not busy(client)
    stream.busy = True
    assert busy(client)
