"""Topics and those who watch them, without sockets: turns of the loop and the clock move when the test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.codecs.errors import Form
from tidegate.codecs.reader import server_messages
from tidegate.gateway.broadcast import Broadcast
from tidegate.gateway.metrics import Metrics
from tidegate.gateway.topics import Topics
from tidegate.gateway.watcher import Watcher
from tidegate.gateway.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.codecs.event_messages import Event
    from tidegate.codecs.parts import Conflation
    from tidegate.gateway.topic import Topic

_READER = server_messages()
UNREAD = 1_000_000


class Link:
    """A client that reads when it is told to."""

    def __init__(self) -> None:
        self.backlog = 0
        self.sent: list[Any] = []

    def post(self, payload: bytes, *, text: bool) -> None:
        self.sent.append(_READER.text(payload) if text else _READER.binary(payload))

    def post_pieces(self, pieces: Sequence[bytes], surplus: int, *, text: bool) -> None:
        self.backlog += sum(map(len, pieces))
        self.post(b"".join(pieces), text=text)

    def heard(self) -> list[Event]:
        """Return the events that came since the last time."""
        sent, self.sent = self.sent, []
        return [each.message for each in sent]


class Scene:
    """One broadcast."""

    def __init__(self, *, topics: int = 100, nbytes: int = 1 << 20, subscriptions: int = 1000, each: int = 64) -> None:
        self.now_ms = 1000
        self.metrics = Metrics()
        self.calls: list[Callable[[], None]] = []
        self.jobs: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self.topics = Topics(topics, nbytes)
        self.watchers = Watchers(self.topics, subscriptions, each)
        self.broadcast = Broadcast(
            self.topics,
            self.watchers,
            self.metrics,
            soon=self.calls.extend,
            encode=lambda _, write, done: self.jobs.append((write, done)),
            now_ms=lambda: self.now_ms,
        )

    def watcher(self, pattern: str, overflow: Conflation = "latest", form: Form = Form.TEXT) -> Watcher:
        """Let somebody come and watch."""
        watcher = Watcher(Link())  # type: ignore[arg-type]
        self.watch(watcher, pattern, overflow, form)
        return watcher

    def watch(self, watcher: Watcher, pattern: str, overflow: Conflation = "latest", form: Form = Form.TEXT) -> None:
        """Let somebody watch."""
        self.watchers.add(watcher, pattern, form, overflow)
        self.broadcast.catch_up(watcher)

    def say(self, topic: Topic, value: int = 0, tensors: Any = None, **fields: Any) -> None:
        """Publish."""
        self.broadcast.publish(topic, tensors, **(fields or {"data": {"value": value}}))

    def turn(self) -> bool:
        """Make the next call of a turn of the loop; tell whether there was one."""
        if not self.calls:
            return False
        self.calls.pop(0)()
        return True

    def settle(self) -> None:
        """Let turns pass until nothing is left to do."""
        while self.turn():
            pass

    def read(self, watcher: Watcher) -> None:
        """Let somebody read everything."""
        watcher.link.backlog = 0
        self.broadcast.catch_up(watcher)

    def encode(self) -> None:
        """Let the thread write what it was asked to write."""
        jobs, self.jobs = self.jobs, []
        for write, done in jobs:
            done(write())


def stop_reading(watcher: Watcher) -> None:
    """Let much be unread."""
    watcher.link.backlog = UNREAD


def seqs(watcher: Watcher) -> list[int]:
    """Return the numbers of the events that came since the last time."""
    link: Any = watcher.link
    return [event.seq for event in link.heard()]
