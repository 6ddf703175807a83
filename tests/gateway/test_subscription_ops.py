"""What one connection subscribes to and publishes, without sockets: each message is answered, each wrong one by its error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from event_scene import Scene as Events
from fakes import model
from stream_scene import Scene

from tidegate.codecs.errors import Form
from tidegate.codecs.event_messages import Event, Subscribe, Unsubscribe
from tidegate.codecs.messages import Infer, Open
from tidegate.errors import Cancelled, Forbidden, ModelFailed, Overloaded
from tidegate.gateway.permissions import Permissions
from tidegate.gateway.publishing import Publications
from tidegate.gateway.stream_metrics import StreamCounter
from tidegate.models.batch import Run

FORMS = pytest.mark.parametrize("form", [*Form])


class Stage(Scene):
    """Sessions that share topics, too."""

    def __init__(self, **bounds: int) -> None:
        super().__init__()
        self.events = Events(**bounds)
        self.hub.permissions = Permissions()
        self.hub.broadcast = self.events.broadcast
        self.hub.publications = Publications(self.events.broadcast, self.hub.permissions, StreamCounter(self.metrics))
        self.watched = 0
        self.hub.watched = self._count
        self.queued: list[Any] = []
        self.hub.engine.enqueue = lambda request, **_: self.queued.append(request)

    def _count(self) -> None:
        self.watched += 1

    def say(self, name: str, value: int = 0) -> None:
        self.events.say(self.events.topics.find(name) or self.events.topics.hold(name), value)
        self.events.settle()


def _told(messages: list[Any]) -> list[tuple[Any, ...]]:
    short = []
    for each in messages:
        message = each.message
        op = message.__struct_config__.tag
        fields = {"event": ("topic", "seq"), "error": ("id", "code", "param")}.get(op, ("id", "topic"))
        short.append((op, *(getattr(message, field) for field in fields)))
    return short


@FORMS
def test_subscribing(form: Form) -> None:
    """A subscription is confirmed, then come the last event and what follows, in the form of the question."""
    stage = Stage()
    client = stage.connect(form)
    stage.say("room/1")
    assert _told(client.send(Subscribe(id=1, topic="room/*"))) == [("subscribed", 1, "room/*")]
    stage.events.settle()
    stage.say("room/1")
    stage.say("hall")
    heard = client.heard()
    assert _told(heard) == [("event", "room/1", 1), ("event", "room/1", 2)]
    assert {each.form for each in heard} == {form}
    assert _told(client.send(Unsubscribe(id=2, topic="room/*"))) == [("unsubscribed", 2, "room/*")]
    assert _told(client.send(Unsubscribe(id=3, topic="never"))) == [("unsubscribed", 3, "never")]
    stage.say("room/1")
    assert client.heard() == []
    assert stage.watched == 3


@FORMS
def test_wrong_subscriptions(form: Form) -> None:
    """Each wrong message gets the error that the protocol says, and the session goes on."""
    stage = Stage(each=1)
    client = stage.connect(form)
    client.send(Subscribe(id=1, topic="a"))
    assert _told(client.send(Subscribe(id=2, topic="b"))) == [("error", 2, "overloaded", None)]
    assert stage.metrics.refused.values["subscriptions_per_connection"] == 1
    for topic in ("a//b", "**/a", "a*"):
        assert _told(client.send(Subscribe(id=3, topic=topic))) == [("error", 3, "invalid_message", "topic")]
    client.send(Infer(id=4, model_name="double"), {"x": np.zeros((1, 2), "f4")})
    assert _told(client.send(Subscribe(id=4, topic="b"))) == [("error", None, "duplicate_id", "id")]
    assert _told(client.send(Subscribe(id=5, topic="a"))) == [("subscribed", 5, "a")]


def test_what_is_forbidden() -> None:
    """What the permissions refuse is answered with ``forbidden``, and nothing is subscribed or published."""

    class Strict(Permissions):
        def check_subscribe(self, session: str, pattern: str) -> None:
            raise Forbidden("no", param="topic")

    stage = Stage()
    client = stage.connect()
    stage.hub.permissions = Strict()
    assert _told(client.send(Subscribe(id=1, topic="a"))) == [("error", 1, "forbidden", "topic")]
    x = {"x": np.zeros((1, 2), "f4")}
    assert _told(client.send(Infer(id=2, model_name="double", publish="server/a"), x)) == [("error", 2, "forbidden", "publish")]
    assert (stage.events.watchers.count, stage.queued, len(stage.events.topics)) == (0, [], 0)
    assert client.open("s", id_=3, publish="a").options["watcher"] is not None


def test_the_end_of_a_connection() -> None:
    """A connection that is gone subscribes to nothing any more."""
    stage = Stage()
    client = stage.connect()
    client.send(Subscribe(id=1, topic="a"))
    client.send(Subscribe(id=2, topic="**"))
    assert stage.events.watchers.count == 2
    client.lost()
    assert stage.events.watchers.count == 0
    stage.say("a")
    assert client.heard() == []


def test_a_subscription_is_no_way_to_begin_before_resuming() -> None:
    """A resume must still be the first message."""
    stage = Stage()
    client = stage.connect()
    client.send(Subscribe(id=1, topic="a"))
    (answer,) = client.resume("t")
    assert answer.message.code == "resume_failed"


def test_a_stream_publishes_its_results() -> None:
    """Each result, each error and the end of a stream are events, whether its client is there or not."""
    stage = Stage()
    client, watcher = stage.connect(), stage.connect(Form.TEXT)
    watcher.send(Subscribe(id=1, topic="room/*"))
    stream = client.open("mic", publish="room/1")
    stream.make(0.5, step=1, text="é")
    stream.fail(ModelFailed("it failed"), step=2)
    client.lost()
    stream.make(1.5, step=2, final=False)
    other = stage.connect()
    other.resume(client.token, mic=0)
    stage.turn_until_quiet()
    stage.hub.publications.stream_closed(stream, "idle")
    stage.events.settle()
    events = [each.message for each in watcher.heard()]
    assert all(isinstance(event, Event) and (event.topic, event.stream) == ("room/1", "mic") for event in events)
    assert [event.seq for event in events] == [1, 2, 3, 4]
    assert [(event.step, event.final, event.text) for event in events[::2]] == [(1, True, "é"), (2, False, None)]
    assert (events[1].error.code, events[1].step, events[3].closed) == ("model_failed", 2, "idle")
    assert stage.events.topics.find("room/1").publishers == 0  # type: ignore[union-attr]


def test_a_stream_that_cannot_be_opened_publishes_nothing() -> None:
    """A topic is let go when its stream could not be opened; too many topics refuse the stream."""
    stage = Stage(topics=1)
    client = stage.connect()
    stage.host.full = Overloaded("full", bound="streams")
    (answer,) = client.send(Open(id=1, stream="s", model_name="double", publish="a"))
    assert (answer.message.code, len(stage.events.topics)) == ("overloaded", 0)
    stage.host.full = None
    client.open("s", id_=2, publish="a")
    (answer,) = client.send(Open(id=3, stream="t", model_name="double", publish="b"))
    assert answer.message.code == "overloaded"
    assert stage.metrics.refused.values["topics"] == 1


def _run(value: float) -> Any:
    return Run(model("double"), 4, [np.full((4, 2), value, "f4")], 1.0, 0.001)


def test_an_answer_is_published_once() -> None:
    """The answer to a request goes to its client and, as an event, to whoever watches."""
    stage = Stage()
    client, watcher = stage.connect(), stage.connect()
    watcher.send(Subscribe(id=1, topic="a"))
    assert client.send(Infer(id=7, model_name="double", publish="a"), {"x": np.zeros((1, 2), "f4")}) == []
    (request,) = stage.queued
    request.sink.finished(_run(3.0), [(request, 1, 2)])
    stage.events.settle()
    (result,), (event,) = client.heard(), watcher.heard()
    assert (result.message.id, event.message.topic, event.message.seq, event.message.final) == (7, "a", 1, True)
    np.testing.assert_array_equal(result.tensors["y"], event.tensors["y"])
    assert event.message.timing.batch_size == 4
    assert stage.events.topics.find("a").publishers == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(("error", "published"), [(ModelFailed("no"), 1), (Cancelled("no"), 0), (Overloaded("no"), 0)])
def test_an_error_is_published_if_it_ran(error: Any, published: int) -> None:
    """What failed is told to whoever watches; what did not run is not."""
    stage = Stage()
    client, watcher = stage.connect(), stage.connect()
    watcher.send(Subscribe(id=1, topic="a"))
    client.send(Infer(id=7, model_name="double", publish="a"), {"x": np.zeros((1, 2), "f4")})
    (request,) = stage.queued
    request.sink.failed(request, error)
    stage.events.settle()
    assert [each.message.code for each in client.heard()] == [error.code]
    assert [each.message.error.code for each in watcher.heard()] == [error.code] * published


def test_headers_that_publish_are_not_remembered() -> None:
    """A request that publishes always goes the long way, so that no other is taken for it."""
    stage = Stage()
    client = stage.connect()
    for number in range(4):
        client.send(Infer(id=number, model_name="double", publish="a"), {"x": np.zeros((1, 2), "f4")})
    assert len(stage.queued) == 4
    assert all(request.sink is not stage.queued[0].sink for request in stage.queued[1:])
