"""What the gateway publishes of itself: numbers while somebody watches, and what has happened."""

from __future__ import annotations

from typing import Any

from event_scene import Scene, seqs

from tidegate.codecs.errors import Form
from tidegate.gateway.metrics import Gauges
from tidegate.gateway.server_topics import EVENTS, STATS, ServerTopics

MODELS: list[dict[str, Any]] = [
    {"name": "a", "version": "1", "state": "ready"},
    {"name": "a", "version": "2", "state": "ready"},
    {"name": "b", "state": "failed", "error": "no such file"},
    {"name": "c", "state": "not_installed", "error": "needs more"},
]


class Stage(Scene):
    """A gateway's own topics."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ServerTopics(self.broadcast, self.metrics, lambda: Gauges(compute_slots=1), lambda: MODELS)

    def told(self) -> list[tuple[str, str | None, str]]:
        """Return what has happened, as one who comes now is told."""
        watcher = self.watcher(EVENTS, "drop_oldest")
        self.settle()
        link: Any = watcher.link
        events = [event.data for event in link.heard()]
        self.watchers.remove_all(watcher)
        return [(data["event"], data.get("model"), data["message"]) for data in events]


async def test_numbers_only_while_somebody_watches() -> None:
    """Nothing is measured or published before the first one subscribes, nor after the last one has gone."""
    stage = Stage()
    stage.server.watched()
    assert (stage.server._next, stage.metrics.times_answers) == (None, False)
    first, second = stage.watcher("server/*"), stage.watcher(STATS, form=Form.MSGPACK)
    stage.server.watched()
    ticking = stage.server._next
    assert ticking is not None
    assert stage.metrics.times_answers
    stage.server.watched()
    assert stage.server._next is ticking
    stage.server._tick()
    stage.settle()
    assert (seqs(first), seqs(second)) == ([1], [1])
    stage.watchers.remove_all(first)
    stage.server.watched()
    assert stage.server._next is not None
    stage.watchers.remove_all(second)
    stage.server.watched()
    assert (stage.server._next, stage.metrics.times_answers) == (None, False)


async def test_old_numbers_are_not_shown() -> None:
    """Who comes when nobody has watched for a while gets no snapshot of then; who comes while others watch gets the last."""
    stage = Stage()
    first = stage.watcher(STATS)
    stage.server.watched()
    stage.server._tick()
    stage.settle()
    late = stage.watcher(STATS)
    stage.settle()
    assert seqs(late) == [1]
    stage.watchers.remove_all(first)
    stage.watchers.remove_all(late)
    stage.server.watched()
    later = stage.watcher(STATS)
    stage.server.watched()
    stage.settle()
    assert seqs(later) == []
    stage.server._tick()
    stage.settle()
    assert seqs(later) == [2]
    stage.server.stop()


def test_what_has_happened() -> None:
    """The start, each model, restarts of workers and the end are told in order, each in a sentence."""
    stage = Stage()
    stage.server.started()
    stage.server.look(0)
    stage.server.look(1)
    stage.server.look(1)
    stage.server.look(3)
    stage.server.tell("drain", "the gateway is about to stop")
    assert stage.told() == [
        ("model_ready", "a", "a is ready"),
        ("model_ready", "a", "a 2 is ready"),
        ("model_failed", "b", "b could not be loaded: no such file"),
        ("started", None, "the gateway serves"),
        ("worker_restarted", None, "1 worker process was started again"),
        ("worker_restarted", None, "2 worker processes were started again"),
        ("drain", None, "the gateway is about to stop"),
    ]


def test_the_last_64() -> None:
    """As many as 64 things that have happened are kept, with their numbers."""
    stage = Stage()
    for number in range(100):
        stage.server.tell("started", str(number))
    assert [message for _, _, message in stage.told()] == [str(number) for number in range(36, 100)]
