"""Events reach everybody who watches, once, in order; who reads slowly misses some, and costs nobody else anything."""

from __future__ import annotations

import numpy as np
import pytest
from event_scene import UNREAD, Scene, seqs, stop_reading

from tidegate.codecs.errors import Form
from tidegate.codecs.parts import Timing
from tidegate.errors import Overloaded
from tidegate.gateway.watcher import Watcher

RESULT = {"model_name": "m", "model_version": "1", "final": True, "timing": Timing(queue_us=1, compute_us=1, batch_size=1)}


def test_everybody_who_watches_is_sent_every_event() -> None:
    """Hundreds of watchers with different patterns each get the events of what they watch, and of nothing else."""
    scene = Scene()
    room, hall = scene.topics.hold("room/1"), scene.topics.hold("hall")
    rooms = [scene.watcher("room/*") for _ in range(200)]
    all_, halls = scene.watcher("**"), scene.watcher("hall")
    for value in range(3):
        scene.say(room, value)
        scene.say(hall, value)
        scene.settle()
    assert all(seqs(each) == [1, 2, 3] for each in rooms)
    assert seqs(halls) == [1, 2, 3]
    assert sorted(seqs(all_)) == [1, 1, 2, 2, 3, 3]
    assert (scene.metrics.events_published, scene.metrics.events_sent, scene.metrics.events_conflated) == (6, 609, 0)


def test_events_that_come_while_others_are_offered() -> None:
    """A burst in the middle of a sweep over many watchers reaches all of them, in order and whole."""
    scene = Scene()
    topic = scene.topics.hold("a")
    watchers = [scene.watcher("a") for _ in range(100)]
    scene.say(topic)
    scene.turn()
    scene.turn()
    for _ in range(20):
        scene.say(topic)
    scene.settle()
    assert all(seqs(each) == [*range(1, 22)] for each in watchers)


def test_each_form_is_written_once() -> None:
    """However many watch, an event is written once for each form that somebody wants, and not at all if nobody does."""
    scene = Scene()
    topic = scene.topics.hold("a")
    scene.say(topic)
    assert topic.log[0].frames == {}
    scene.say(topic)
    for form in (Form.TEXT, Form.MSGPACK, Form.MSGPACK):
        for _ in range(10):
            scene.watcher("a", form=form)
    scene.settle()
    assert set(topic.log[0].frames) == {Form.TEXT, Form.MSGPACK}


def test_a_slow_watcher_is_sent_the_newest_when_it_has_read() -> None:
    """With ``latest``, what comes while somebody does not read is left out, but for the last; the others get everything."""
    scene = Scene()
    topic = scene.topics.hold("a")
    slow, quick = scene.watcher("a"), scene.watcher("a")
    stop_reading(slow)
    for _ in range(100):
        scene.say(topic)
        scene.settle()
    assert (seqs(slow), seqs(quick)) == ([], [*range(1, 101)])
    assert len(topic.log) == 1
    scene.read(slow)
    scene.settle()
    assert seqs(slow) == [100]
    assert scene.metrics.events_conflated == 99
    scene.say(topic)
    scene.settle()
    assert (seqs(slow), slow.behind) == ([101], {})


def test_drop_oldest_keeps_64() -> None:
    """With ``drop_oldest``, the last 64 events come when somebody has read, and the others are counted."""
    scene = Scene()
    topic = scene.topics.hold("a")
    slow = scene.watcher("a", "drop_oldest")
    stop_reading(slow)
    for _ in range(100):
        scene.say(topic)
        scene.settle()
    scene.read(slow)
    scene.settle()
    assert seqs(slow) == [*range(37, 101)]
    assert scene.metrics.events_conflated == 36


def test_who_stops_in_the_middle() -> None:
    """Whoever has enough unread in the middle of large events is sent the rest when he has read."""
    scene = Scene()
    topic = scene.topics.hold("a")
    slow = scene.watcher("a", "drop_oldest")
    stop_reading(slow)
    for _ in range(5):
        scene.say(topic, data={"text": "x" * 20_000})
        scene.settle()
    told = []
    for _ in range(5):
        scene.read(slow)
        scene.settle()
        told.append(seqs(slow))
    assert told == [[1, 2], [3, 4], [5], [], []]


def test_a_late_joiner_gets_the_last_event() -> None:
    """The last event of each topic comes at once; a topic that keeps more gives more to who does not want only the latest."""
    scene = Scene()
    room, log = scene.topics.hold("room"), scene.topics.hold("log", keeps=64)
    for _ in range(5):
        scene.say(room)
        scene.say(log)
    late, greedy = scene.watcher("*"), scene.watcher("*", "drop_oldest")
    scene.settle()
    assert seqs(late) == [5, 5]
    assert sorted(seqs(greedy)) == [1, 2, 3, 4, 5, 5]
    assert scene.metrics.events_conflated == 0


def test_to_subscribe_again_replaces() -> None:
    """The same pattern again gives the last event once more, in the new form, and counts once."""
    scene = Scene()
    topic = scene.topics.hold("a")
    watcher = scene.watcher("a")
    scene.say(topic)
    scene.settle()
    scene.watch(watcher, "a", form=Form.MSGPACK)
    scene.settle()
    assert [each.form for each in watcher.link.sent] == [Form.TEXT, Form.MSGPACK]  # type: ignore[attr-defined]
    assert (seqs(watcher), scene.watchers.count) == ([1, 1], 1)


def test_two_patterns_that_mean_one_topic() -> None:
    """An event comes once, in the form of the pattern that was named last; when that goes, the other one counts."""
    scene = Scene()
    topic = scene.topics.hold("a/b")
    watcher = scene.watcher("a/*", form=Form.TEXT)
    scene.watch(watcher, "**", form=Form.MSGPACK)
    scene.say(topic)
    scene.settle()
    scene.say(topic)
    scene.turn()
    scene.watchers.remove(watcher, "**")
    scene.settle()
    assert [each.form for each in watcher.link.sent] == [Form.MSGPACK, Form.TEXT]  # type: ignore[attr-defined]
    assert seqs(watcher) == [1, 2]


def test_nothing_comes_to_who_has_left() -> None:
    """Whoever unsubscribes, or goes, while an event is being offered is not sent it."""
    scene = Scene()
    topic = scene.topics.hold("a")
    watcher = scene.watcher("a")
    scene.say(topic)
    scene.turn()
    scene.watchers.remove_all(watcher)
    scene.settle()
    scene.read(watcher)
    scene.settle()
    assert (seqs(watcher), scene.watchers.count, watcher.behind) == ([], 0, {})
    assert not scene.watchers.is_watched(topic)


def test_what_takes_long_to_write() -> None:
    """A large text is written on the thread, one event at a time; who wants only the latest is not sent all of them."""
    scene = Scene(nbytes=1 << 28)
    topic = scene.topics.hold("a")
    latest, all_ = scene.watcher("a"), scene.watcher("a", "drop_oldest")
    binary = scene.watcher("a", form=Form.MSGPACK)
    for value in range(3):
        scene.say(topic, tensors={"y": np.full(5000, value, "f4")}, **RESULT)
        scene.settle()
        scene.read(binary)
    assert (seqs(latest), seqs(all_), seqs(binary), len(scene.jobs)) == ([], [], [1, 2, 3], 1)
    for _ in range(5):
        scene.encode()
        scene.settle()
        for each in (latest, all_):
            scene.read(each)
        scene.settle()
    assert (seqs(latest), seqs(all_)) == ([3], [1, 2, 3])


def test_a_result_that_cannot_be_written_is_an_error() -> None:
    """What cannot be told in a form is told as an error in its place, so that no number is missing."""
    scene = Scene()
    topic = scene.topics.hold("a")
    watcher = scene.watcher("a", form=Form.MSGPACK)
    scene.say(topic, tensors={"n" * 70_000: np.zeros(1, "f4")}, **RESULT)
    scene.settle()
    (event,) = watcher.link.heard()  # type: ignore[attr-defined]
    assert (event.seq, event.error.code) == (1, "too_large")


def test_bounds_of_subscriptions() -> None:
    """Beyond the bound of a connection, and of all, a further pattern is refused; one that is there may be named again."""
    scene = Scene(subscriptions=3, each=2)
    one = scene.watcher("a")
    scene.watch(one, "b")
    scene.watch(one, "b")
    with pytest.raises(Overloaded) as caught:
        scene.watch(one, "c")
    assert caught.value.bound == "subscriptions_per_connection"
    scene.watcher("a")
    other = Watcher(one.link)
    with pytest.raises(Overloaded) as caught:
        scene.watch(other, "a")
    assert caught.value.bound == "subscriptions"
    scene.watchers.remove_all(one)
    scene.watch(other, "a")
    assert scene.watchers.count == 2


def test_a_slow_watcher_of_many_topics() -> None:
    """Whoever is behind with hundreds of topics is brought up in turns, a bounded amount in each."""
    scene = Scene(topics=500, nbytes=1 << 24)
    topics = [scene.topics.hold(f"room/{number}") for number in range(300)]
    slow = scene.watcher("room/*")
    stop_reading(slow)
    for topic in topics:
        scene.say(topic)
        scene.say(topic)
    scene.settle()
    assert len(slow.behind) == 300
    scene.read(slow)
    scene.turn()
    assert 0 < len(slow.link.sent) <= 32  # type: ignore[attr-defined]
    scene.settle()
    assert (seqs(slow), slow.behind) == ([2] * 300, {})


def test_it_does_not_spin() -> None:
    """While nothing can be sent to somebody, no turns are taken for him."""
    scene = Scene()
    topic = scene.topics.hold("a")
    slow = scene.watcher("a")
    stop_reading(slow)
    scene.say(topic)
    scene.settle()
    scene.broadcast.catch_up(slow)
    assert scene.calls == []
    assert slow.link.backlog == UNREAD


def test_one_call_is_short() -> None:
    """A thousand watchers are offered an event in many short calls, so that the loop can do other things in between."""
    scene = Scene()
    topic = scene.topics.hold("a")
    watchers = [scene.watcher("a") for _ in range(1000)]
    scene.say(topic)
    calls = 0
    before = 0
    while scene.turn():
        calls += 1
        assert scene.metrics.events_sent - before <= 32
        before = scene.metrics.events_sent
    assert calls >= 1000 // 32
    assert all(seqs(each) == [1] for each in watchers)


def test_a_defect_is_told_as_an_error() -> None:
    """Whatever goes wrong while an event is written, whoever watches is told that, and the topic goes on."""
    scene = Scene()
    topic = scene.topics.hold("a")
    watcher = scene.watcher("a")
    scene.say(topic, tensors={"y": np.array(["text"])}, **RESULT)
    scene.say(topic)
    scene.settle()
    first, second = watcher.link.heard()  # type: ignore[attr-defined]
    assert (first.seq, first.error is None, second.seq) == (1, False, 2)


def test_what_is_written_while_it_is_offered() -> None:
    """A large event that is ready before everybody was asked reaches those who were asked too early, too."""
    scene = Scene(nbytes=1 << 28)
    topic = scene.topics.hold("a")
    watchers = [scene.watcher("a") for _ in range(100)]
    scene.say(topic, tensors={"y": np.zeros(5000, "f4")}, **RESULT)
    scene.turn()
    scene.turn()
    scene.encode()
    scene.settle()
    assert all(seqs(each) == [1] for each in watchers)
    assert not topic.sweeping


def test_topics_that_are_forgotten() -> None:
    """Whoever reads nothing while topics come and go is behind with no more of them than there may be, and then with none."""
    scene = Scene(topics=10)
    slow = scene.watcher("**")
    stop_reading(slow)
    for number in range(200):
        topic = scene.topics.hold(f"room/{number}")
        scene.say(topic)
        scene.topics.let_go(topic)
        scene.settle()
        assert len(slow.behind) <= 20
    scene.read(slow)
    scene.settle()
    assert (len(seqs(slow)), slow.behind) == (10, {})


def test_to_subscribe_to_more_while_behind() -> None:
    """Whoever waits for events that are kept for him does not lose them by a further pattern that means them, too."""
    scene = Scene()
    topic = scene.topics.hold("a/b")
    slow = scene.watcher("a/b", "drop_oldest")
    stop_reading(slow)
    for _ in range(5):
        scene.say(topic)
        scene.settle()
    scene.watch(slow, "a/*", "drop_oldest")
    scene.read(slow)
    scene.settle()
    assert (seqs(slow), slow.behind) == ([1, 2, 3, 4, 5], {})
