"""Topics: numbers without a gap, last events, and what is forgotten at the bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from event_scene import Scene, seqs, stop_reading

from tidegate.codecs.errors import Form
from tidegate.codecs.parts import Timing
from tidegate.errors import Forbidden, Overloaded
from tidegate.gateway.permissions import Permissions
from tidegate.gateway.topic import LOG

if TYPE_CHECKING:
    from tidegate.gateway.topic import Topic

RESULT = {"model_name": "m", "model_version": "1", "final": True, "timing": Timing(queue_us=1, compute_us=1, batch_size=1)}


def _publish(scene: Scene, topic: Topic, nbytes: int) -> None:
    scene.say(topic, tensors={"y": np.zeros(nbytes, "u1")}, **RESULT)


def test_numbers_go_on_while_a_topic_is_known() -> None:
    """Whoever publishes on a topic after another one goes on with its numbers."""
    scene = Scene()
    first = scene.topics.hold("a")
    scene.say(first)
    scene.topics.let_go(first)
    again = scene.topics.hold("a")
    scene.say(again)
    assert (again.seq, len(again.log), len(scene.topics)) == (2, 1, 1)


def test_a_topic_that_was_never_published_leaves_nothing() -> None:
    """What was held and let go without an event is not known any more."""
    scene = Scene()
    scene.topics.let_go(scene.topics.hold("a"))
    assert len(scene.topics) == 0


def test_too_many_topics() -> None:
    """The one that was published longest ago makes room, unless somebody may publish on it; else a further one is refused."""
    scene = Scene(topics=2)
    old, held = scene.topics.hold("old"), scene.topics.hold("held")
    scene.say(old)
    scene.say(held)
    scene.topics.let_go(old)
    new = scene.topics.hold("new")
    assert (scene.topics.find("old"), old.log, len(scene.topics)) == (None, type(old.log)(), 2)
    with pytest.raises(Overloaded) as caught:
        scene.topics.hold("more")
    assert caught.value.bound == "topics"
    scene.topics.let_go(new)
    assert scene.topics.hold("more").seq == 0


def test_too_many_bytes() -> None:
    """The events of the topic that was published longest ago go first; a late joiner gets nothing of it."""
    scene = Scene(nbytes=8900)
    one, two = scene.topics.hold("one"), scene.topics.hold("two")
    _publish(scene, one, 4000)
    _publish(scene, two, 4000)
    assert ([*one.log], len(two.log)) == ([], 1)
    late = scene.watcher("*", form=Form.MSGPACK)
    scene.settle()
    assert [event.topic for event in late.link.heard()] == ["two"]  # type: ignore[attr-defined]
    assert scene.topics.nbytes <= 8900


def test_an_event_larger_than_the_bound() -> None:
    """It reaches whoever watches, and is not kept."""
    scene = Scene(nbytes=10_000)
    topic = scene.topics.hold("a")
    watcher = scene.watcher("a")
    _publish(scene, topic, 20_000)
    scene.settle()
    scene.encode()
    scene.settle()
    assert (seqs(watcher), scene.topics.nbytes, len(topic.log)) == ([1], 0, 0)


def test_bytes_are_counted_to_the_end() -> None:
    """Whatever was written, kept and forgotten, nothing is counted when everything is gone."""
    scene = Scene(nbytes=50_000)
    topics = [scene.topics.hold(name) for name in "abc"]
    slow = scene.watcher("*", "drop_oldest")
    scene.watcher("a")
    stop_reading(slow)
    for size in range(200):
        _publish(scene, topics[size % 3], size * 10)
        if size % 7 == 0:
            scene.settle()
        if size % 20 == 0:
            scene.read(slow)
    scene.settle()
    assert 0 < scene.topics.nbytes <= 50_000
    for topic in topics:
        scene.topics.forget_events(topic)
    assert scene.topics.nbytes == 0


def test_no_more_than_64_wait() -> None:
    """A burst that nobody could be offered yet keeps 64 events."""
    scene = Scene()
    topic = scene.topics.hold("a")
    scene.watcher("a")
    for _ in range(1000):
        scene.say(topic)
    assert len(topic.log) == LOG


def test_a_row_does_not_keep_its_batch() -> None:
    """What is kept of a row is the row, not the batch that it lies in."""
    scene = Scene()
    topic = scene.topics.hold("a")
    batch = np.zeros((32, 1000), "f4")
    scene.say(topic, tensors={"y": batch[3:4]}, **RESULT)
    assert topic.log[0]._tensors["y"].base is None
    assert topic.log[0].nbytes < 5000


def test_permissions() -> None:
    """Everything is allowed but to publish under server/."""
    permissions = Permissions()
    permissions.check_subscribe("s", "server/**")
    permissions.check_publish("s", "servers/stats")
    for topic in ("server", "server/stats", "server/a/b"):
        with pytest.raises(Forbidden) as caught:
            permissions.check_publish("s", topic)
        assert (caught.value.param, caught.value.retryable) == ("publish", False)
