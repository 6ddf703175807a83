"""A client that lost its connection goes on with its streams on another one: nothing is missing, nothing comes twice."""

from __future__ import annotations

import pytest
from stream_scene import Client, Scene, Stream, said

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Fork, Infer, Models, Open, Ping, Pong, Resume
from tidegate.codecs.parts import LastSeen


def begun(scene: Scene, *names: str) -> tuple[Client, list[Stream]]:
    """A client with streams."""
    client = scene.connect()
    return client, [client.open(name) for name in names]


def test_what_was_missed_is_told_again() -> None:
    """What came after the number that was seen comes once more, in order, then what is new; in the form of ``resume``."""
    scene = Scene()
    client, (stream,) = begun(scene, "a")
    client.step("a", 1)
    client.step("a", 2)
    stream.make(1.0)
    scene.turn()
    client.heard()
    client.lost()
    stream.make(2.0, step=2)
    other = scene.connect(Form.JSON)
    (resumed,) = other.resume(client.token, a=0)
    assert (resumed.message.token, resumed.message.lost, resumed.form) == (client.token, [], Form.JSON)
    (state,) = resumed.message.streams
    assert (state.stream, state.next_step, state.replay_from, state.seq, state.status) == ("a", 3, 1, 2, "open")
    scene.turn()
    told = other.heard()
    assert said(told) == [("result", "a", 1, 1), ("result", "a", 2, 2)]
    assert {each.form for each in told} == {Form.JSON}
    assert other.step("a", 3) == []
    stream.make(3.0, step=3)
    scene.turn()
    assert said(other.heard()) == [("result", "a", 3, 3)]
    assert scene.metrics.resumes.values["resumed"] == 1


def test_what_is_not_kept_is_told_as_a_gap() -> None:
    """Results that are kept no more are told by a gap in their place."""
    scene = Scene()
    client, (stream,) = begun(scene, "a")
    for step in range(1, 8):
        stream.make(step=step)
        scene.turn()
    client.lost()
    other = scene.connect()
    (resumed,) = other.resume(client.token, a=0)
    assert resumed.message.streams[0].replay_from == 4
    scene.turn()
    assert said(other.heard()) == [("gap", "a", 1, 3), *(("result", "a", step, step) for step in range(4, 8))]


def test_a_client_goes_on_twice() -> None:
    """The token stays the same however often a session is resumed; that of the new connection's hello is void."""
    scene = Scene()
    client, _ = begun(scene, "a")
    token = client.token
    for _ in range(3):
        client.lost()
        client = scene.connect()
        (resumed,) = client.resume(token, a=0)
        assert resumed.message.token == token
    other = scene.connect()
    assert said(other.resume(client.token, a=0)) == [("error", None, None, None, "resume_failed")]


def test_streams_that_are_not_named() -> None:
    """A stream that the client does not name is dropped; one that it names and that is not there is lost."""
    scene = Scene()
    client, (kept, unnamed) = begun(scene, "a", "b")
    client.lost()
    other = scene.connect()
    (resumed,) = other.resume(client.token, a=0, c=4)
    assert ([each.stream for each in resumed.message.streams], resumed.message.lost) == (["a"], ["c"])
    assert (kept.dropped, unnamed.dropped) == (None, "expired")
    assert scene.metrics.resumes.values["lost"] == 1
    other.open("b")


def test_names_that_are_told_apart() -> None:
    """7 and "7" are different streams in ``resume`` too; a name that comes twice counts once."""
    scene = Scene()
    client = scene.connect()
    client.open(7)
    client.lost()
    streams = [LastSeen(stream="7", last_seq=0), LastSeen(stream=7, last_seq=0), LastSeen(stream=7, last_seq=0)]
    (resumed,) = scene.connect().send(Resume(token=client.token, streams=streams))
    assert ([each.stream for each in resumed.message.streams], resumed.message.lost) == ([7], ["7"])


def test_an_answer_beyond_a_header() -> None:
    """The answer to a client with very many streams comes as text if no header can hold it."""
    scene = Scene()
    names = [f"stream number {number}" for number in range(1024)]
    client, _ = begun(scene, *names)
    client.lost()
    (resumed,) = scene.connect().resume(client.token, **dict.fromkeys(names, 0))
    assert (len(resumed.message.streams), resumed.form) == (1024, Form.TEXT)


def test_a_takeover() -> None:
    """Who resumes takes over from a connection that still lives: that one is closed as superseded, and told nothing more."""
    scene = Scene()
    client, (stream,) = begun(scene, "a")
    stream.make()
    other = scene.connect()
    (resumed,) = other.resume(client.token, a=0)
    assert resumed.message.token == client.token
    assert client.link.ended == "superseded"
    scene.turn()
    assert client.heard() == []
    assert said(other.heard()) == [("result", "a", 1, 1)]
    client.lost()
    stream.make(step=2)
    scene.turn()
    assert said(other.heard()) == [("result", "a", 2, 2)]
    assert (stream.dropped, scene.metrics.resumes.values["superseded"]) == (None, 1)


def test_a_takeover_of_a_fork_on_its_way() -> None:
    """A fork that is ready after its session was taken over is dropped: the new connection has not heard of it."""
    scene = Scene()
    client, (stream,) = begun(scene, "a")
    client.send(Fork(id=3, stream="a", to="b"))
    other = scene.connect()
    other.resume(client.token, a=0)
    made = Stream(stream.options)
    scene.host.copies[0][2](made)
    assert made.dropped == "expired"
    other.open("b")


@pytest.mark.parametrize("token", ["", "x" * 32])
def test_tokens_that_are_unknown(token: str) -> None:
    """A token that nobody has is refused with all that was named as lost; the connection goes on."""
    scene = Scene()
    client = scene.connect()
    (error,) = client.resume(token, a=0, b=5)
    assert (error.message.code, error.message.id, error.message.lost) == ("resume_failed", None, ["a", "b"])
    assert scene.metrics.resumes.values["failed"] == 1
    client.open("a")


def test_a_session_that_never_had_a_stream() -> None:
    """Nothing is kept of a session without streams, nor of one whose streams have ended and been told long ago."""
    scene = Scene()
    client = scene.connect()
    client.send(Ping())
    client.lost()
    assert len(scene.hub.residences) == 0
    (error,) = scene.connect().resume(client.token)
    assert error.message.code == "resume_failed"


def test_only_the_first_message_resumes() -> None:
    """After anything but a ping or pong a session cannot be resumed any more; what was kept stays for another connection."""
    scene = Scene()
    client, _ = begun(scene, "a")
    client.lost()
    for early in (Infer(id=1, model_name="nobody"), Models(id=1), Open(id=1, stream="x", model_name="nobody")):
        other = scene.connect()
        other.send(early, {})
        (error,) = other.resume(client.token, a=0)
        assert (error.message.code, error.message.lost) == ("resume_failed", ["a"])
    patient = scene.connect()
    patient.send(Pong(id=1))
    patient.send(Ping(id=1))
    (resumed,) = patient.resume(client.token, a=0)
    assert resumed.message.lost == []


def test_time_is_up() -> None:
    """Streams that nobody came back for are dropped when the window is over, so many at a time, and cannot be resumed."""
    scene = Scene(resume_window_s=5)
    client, streams = begun(scene, *"abcde")
    client.lost()
    scene.now = 4.9
    assert not scene.expire()
    assert scene.hub.residences.parked == 5
    scene.now = 5.0
    assert scene.expire(most=2)
    (error,) = scene.connect().resume(client.token, a=0)
    assert error.message.code == "resume_failed"
    assert not scene.expire(most=3)
    assert [stream.dropped for stream in streams] == ["expired"] * 5
    assert (scene.hub.residences.parked, len(scene.hub.residences)) == (0, 0)


def test_a_gateway_that_waits_for_nobody() -> None:
    """Without a window streams are dropped with their connection."""
    scene = Scene(resume_window_s=0)
    client, (stream,) = begun(scene, "a")
    client.lost()
    scene.expire()
    assert (stream.dropped, len(scene.hub.residences)) == ("expired", 0)


def test_an_end_that_may_not_have_arrived() -> None:
    """The last results and the end of a stream are told again to a client that lost its connection at that moment."""
    scene = Scene()
    client, (stream, _) = begun(scene, "a", "b")
    stream.make()
    stream.end("closed")
    scene.turn()
    assert said(client.heard()) == [("result", "a", 1, 1), ("closed", "a", "closed")]
    client.lost()
    other = scene.connect()
    (resumed,) = other.resume(client.token, a=0, b=0)
    assert [(each.stream, each.status) for each in resumed.message.streams] == [("a", "closing"), ("b", "open")]
    scene.turn()
    assert said(other.heard()) == [("result", "a", 1, 1), ("closed", "a", "closed")]


def test_an_end_that_was_held_back() -> None:
    """An end that waited for a large result is told after a resume."""
    scene = Scene()
    client = scene.connect(Form.TEXT)
    stream = client.open("a")
    stream.make(size=50_000)
    stream.end("closed")
    scene.turn_until_quiet()
    client.lost()
    other = scene.connect()
    other.resume(client.token, a=0)
    scene.turn_until_quiet()
    assert said(other.heard()) == [("result", "a", 1, 1), ("closed", "a", "closed")]


def test_streams_that_end_while_nobody_listens() -> None:
    """A stream that ends while it is parked says so when its client comes back."""
    scene = Scene()
    client, (stream,) = begun(scene, "a")
    client.lost()
    stream.end("idle")
    other = scene.connect()
    other.resume(client.token, a=0)
    scene.turn()
    assert said(other.heard()) == [("closed", "a", "idle")]


def test_requests_and_streams_of_one_client() -> None:
    """After a resume the client's requests and streams use one turn, as before."""
    scene = Scene()
    client, (stream,) = begun(scene, "a")
    client.lost()
    other = scene.connect()
    other.resume(client.token, a=0)
    assert other.open("b").options["client"] is stream.options["client"]


def test_a_gateway_that_drains() -> None:
    """While the gateway drains nothing is resumed."""
    scene = Scene()
    client, _ = begun(scene, "a")
    client.lost()
    scene.hub.draining = True
    (error,) = scene.connect().resume(client.token, a=0)
    assert error.message.code == "resume_failed"
