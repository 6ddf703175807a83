"""What a client subscribes to: asked for once, asked for again after a cut, and handed to whoever wants it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from story import Story

from tidegate.client.feed import DEPTH, TOPICS, Feed
from tidegate.client.stream_requests import to_open
from tidegate.codecs.event_messages import Event, EventError, Subscribe, Subscribed, Unsubscribe
from tidegate.codecs.messages import Error, Opened
from tidegate.codecs.parts import Timing
from tidegate.errors import ConnectionLost, Forbidden, InvalidMessage, ModelFailed
from tidegate.results import Result, StreamResult

FEATURES = ["subscriptions"]


class Watching(Story):
    """A story with a program that subscribes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.woken = 0

    def _wake(self) -> None:
        self.woken += 1

    def subscribe(self, pattern: str, overflow: Any = "latest") -> tuple[Feed, list[Any]]:
        """Subscribe; return the feed and what was sent."""
        feed = Feed(pattern, overflow, self._wake)
        self.session.subscriptions.add(feed)
        return feed, self.act()

    def unsubscribe(self, feed: Feed) -> list[Any]:
        """End a subscription; return what was sent."""
        self.session.subscriptions.remove(feed)
        return self.act()

    def event(self, topic: str, seq: int, at_ms: int = 0, **fields: Any) -> None:
        """Let the server publish something, in a batch of its own."""
        tensors = fields.pop("tensors", None)
        self.say(Event(topic=topic, seq=seq, at_ms=at_ms or seq, **(fields or {"data": {}})), tensors=tensors)
        self.session.heard(self.now)


def _taken(feed: Feed) -> list[tuple[str, int, int]]:
    events = iter(feed.take, None)
    return [(event.topic, event.seq, event.missed) for event in events]


def test_a_subscription() -> None:
    """A pattern is asked for, and its events come to whoever wants them, and to nobody else."""
    story = Watching()
    early, sent = story.subscribe("room/*", "drop_oldest")
    assert sent == []
    story.hello(features=FEATURES)
    (asked,) = [each.message for each in story.sent]
    assert (type(asked), asked.topic, asked.overflow) == (Subscribe, "room/*", "drop_oldest")
    story.say(Subscribed(id=asked.id, topic="room/*"))
    other, (again,) = story.subscribe("server/stats")
    assert (again.topic, again.overflow) == ("server/stats", "latest")
    story.event("room/1", 5)
    story.event("server/stats", 2)
    story.event("hall", 1)
    assert (_taken(early), _taken(other), story.woken) == ([("room/1", 5, 0)], [("server/stats", 2, 0)], 2)


def test_one_pattern_for_several() -> None:
    """A pattern that several subscriptions have is given up when the last of them goes; each has arrays of its own."""
    story = Watching()
    story.hello(features=FEATURES)
    one, _ = story.subscribe("a")
    two, (asked,) = story.subscribe("a", "drop_oldest")
    assert asked.overflow == "drop_oldest"
    timing = Timing(queue_us=1, compute_us=2, batch_size=3)
    fields = {"model_name": "m", "model_version": "1", "final": True, "timing": timing}
    story.event("a", 1, tensors={"y": np.ones(2, "f4")}, **fields)
    first, second = one.take(), two.take()
    assert first is not None
    assert second is not None
    assert type(first.outputs) is Result
    assert second.outputs is not None
    second.outputs["y"][:] = 7
    np.testing.assert_array_equal(first.outputs["y"], [1, 1])
    assert story.unsubscribe(one) == []
    (ended,) = story.unsubscribe(two)
    assert (type(ended), ended.topic) == (Unsubscribe, "a")
    story.event("a", 2)
    assert (one.take(), two.take()) == (None, None)


def test_a_cut() -> None:
    """After a cut every pattern is asked for again; what came before does not come again, and what was missed is counted."""
    story = Watching()
    story.hello(features=FEATURES)
    feed, _ = story.subscribe("a")
    story.event("a", 3, at_ms=30)
    assert _taken(feed) == [("a", 3, 0)]
    story.cut()
    assert [type(each) for each in story.reconnect(features=FEATURES)] == [Subscribe]
    story.event("a", 3, at_ms=30)
    story.event("a", 7, at_ms=70)
    assert _taken(feed) == [("a", 7, 3)]


def test_a_gateway_that_was_restarted() -> None:
    """A topic whose numbers begin anew is taken as it is, and nothing counts as missed."""
    story = Watching()
    story.hello(features=FEATURES)
    feed, _ = story.subscribe("a")
    story.event("a", 90, at_ms=90)
    story.event("a", 1, at_ms=100)
    assert _taken(feed) == [("a", 1, 0)]
    story.event("a", 2, at_ms=101)
    assert _taken(feed) == [("a", 2, 0)]


def test_resuming_comes_first() -> None:
    """On a new connection streams are resumed before anything is subscribed to."""
    story = Watching()
    story.hello(features=FEATURES, resume_token="t")
    log = story.session.streams.new("m", 4)
    story.session.streams.open(to_open(100, log, {}, now=story.now, timeout=10.0, waiter=[]))
    story.subscribe("a")
    (opened,) = [each.message for each in story.sent if each.message.__struct_config__.tag == "open"]
    story.say(Opened(id=opened.id, stream=log.name, model_name="m", model_version="1", next_step=1, steps=4, results=4))
    story.cut()
    sent = story.reconnect(features=FEATURES, resume_token="u")
    assert [each.__struct_config__.tag for each in sent] == ["resume", "subscribe"]


def test_refusals() -> None:
    """A refused pattern ends its subscriptions with that error, and no other; so does a gateway that has none."""
    story = Watching()
    story.hello(features=FEATURES)
    feed, (asked,) = story.subscribe("a")
    other, _ = story.subscribe("b")
    story.say(Error(id=asked.id, code="forbidden", message="no", retryable=False))
    assert isinstance(feed.ended, Forbidden)
    assert other.ended is None
    story.cut()
    assert story.reconnect() == []
    assert isinstance(other.ended, InvalidMessage)


def test_the_end_of_the_connection() -> None:
    """When the connection is closed for good, subscriptions fail."""
    story = Watching()
    story.hello(features=FEATURES)
    feed, _ = story.subscribe("a")
    story.cut(final=True)
    assert isinstance(feed.ended, ConnectionLost)
    assert len(story.session.subscriptions) == 0


def test_a_program_that_is_slow() -> None:
    """With ``latest`` only the newest is left when more comes later; with ``drop_oldest`` 64 are."""
    story = Watching()
    story.hello(features=FEATURES)
    latest, _ = story.subscribe("*")
    all_, _ = story.subscribe("**", "drop_oldest")
    story.event("a", 1)
    assert latest.take() is not None
    assert all_.take() is not None
    for seq in range(2, 102):
        story.event("a", seq)
        story.event("b", seq)
    assert _taken(latest) == [("a", 101, 99), ("b", 101, 0)]
    taken = _taken(all_)
    assert [seq for topic, seq, _ in taken if topic == "a"] == [*range(102 - DEPTH, 102)]
    assert taken[0] == ("a", 102 - DEPTH, 100 - DEPTH)


def test_events_that_come_together() -> None:
    """Events of one batch are all there, also with ``latest``: the program had no chance to take them."""
    story = Watching()
    story.hello(features=FEATURES)
    feed, _ = story.subscribe("a")
    for seq in range(1, 6):
        story.say(Event(topic="a", seq=seq, at_ms=seq, data={}))
    story.session.heard(story.now)
    assert [seq for _, seq, _ in _taken(feed)] == [1, 2, 3, 4, 5]


def test_too_many_topics() -> None:
    """What is known of topics has a bound: the one that was heard of longest ago is forgotten."""
    feed = Feed("**", "latest", lambda: None)
    for number in range(TOPICS + 10):
        feed.put(Event(topic=f"t/{number}", seq=1, at_ms=1, data={}), {}, number)
    assert len(_taken(feed)) == TOPICS


@pytest.mark.parametrize("kind", ["step", "error", "closed"])
def test_what_an_event_says(kind: str) -> None:
    """A result of a stream, an error and an end come as what they are."""
    timing = Timing(queue_us=1, compute_us=2, batch_size=3)
    result = {"model_name": "m", "model_version": "2", "final": False, "timing": timing, "step": 3, "stream": "s", "text": "e"}
    fields: dict[str, Any] = {
        "step": result,
        "error": {"error": EventError(code="model_failed", message="no"), "stream": "s", "step": 3},
        "closed": {"closed": "idle", "stream": "s"},
    }
    story = Watching()
    story.hello(features=FEATURES)
    feed, _ = story.subscribe("a")
    story.event("a", 9, tensors={"y": np.ones(2, "f4")} if kind == "step" else None, **fields[kind])
    event = feed.take()
    assert event is not None
    assert event.stream == "s"
    there = {"step": event.outputs, "error": event.error, "closed": event.closed}
    assert [name for name, value in there.items() if value is not None] == [kind]
    if isinstance(event.outputs, StreamResult):
        said = event.outputs
        assert (said.model, said.version, said.seq, said.step, said.final, said.text) == ("m", "2", 9, 3, False, "e")
    assert event.error is None or isinstance(event.error, ModelFailed)
    assert event.closed in (None, "idle")
