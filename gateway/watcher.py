"""Somebody who watches topics: by which patterns, and what of them he has not been sent. Pure; knows no socket and no time.

Rules:

1. Whoever has several patterns that mean a topic watches it once, as the pattern says that he named last.
2. Whoever keeps up is sent every event. Whoever does not is *behind* with a topic, from a number on; when he can take more,
   he is sent the newest event (``latest``) or those that are still kept (``drop_oldest``). That costs nobody else anything.

Bound: what he is behind with is a number for each topic; topics that are forgotten count until ``forget_gone``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tidegate.codecs.topics import matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.codecs.errors import Form
    from tidegate.codecs.parts import Conflation

    from .link import Link
    from .topic import Topic
    from .topic_event import TopicEvent

DROP_OLDEST = "drop_oldest"


class Watch(NamedTuple):
    """How somebody watches what a pattern means; a later one has a larger ``order``."""

    name: str
    pattern: tuple[str, ...]
    form: Form
    overflow: Conflation
    order: int


class Watcher:
    """Somebody who watches.

    Attributes:
        link: where his events go.
        watches: by pattern.
        behind: the last number of a topic that he has, where that is not what everybody has.
        waits: whether he is about to be sent what he is behind with.
        again: whether there may be more of that than was looked at.
    """

    __slots__ = ("again", "behind", "link", "waits", "watches")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.watches: dict[str, Watch] = {}
        self.behind: dict[Topic, int] = {}
        self.waits = False
        self.again = False

    def watch_of(self, topic: Topic) -> Watch | None:
        """Return how he watches a topic, if he does (rule 1)."""
        found = [watch for watch in self.watches.values() if matches(watch.pattern, topic.segments)]
        return max(found, key=lambda watch: watch.order, default=None)

    def offered(self, topic: Topic, upto: int, watch: Watch, *, slow: bool) -> Sequence[TopicEvent]:
        """Return what he is sent of a topic whose events up to a number are offered to everybody."""
        if topic in self.behind:
            return () if slow else self.missing(topic, watch)
        if slow:
            self.behind[topic] = topic.offered
            return ()
        events = topic.since(topic.offered)
        return events if upto == topic.seq else [event for event in events if event.seq <= upto]

    def missing(self, topic: Topic, watch: Watch) -> Sequence[TopicEvent]:
        """Return what he is sent of a topic with which he is behind (rule 2)."""
        events = topic.since(self.behind[topic])
        return events if watch.overflow == DROP_OLDEST else events[-1:]

    def has(self, topic: Topic, seq: int, upto: int) -> None:
        """Take note that he has a topic's events up to a number, while those up to ``upto`` are offered to everybody."""
        if seq == upto:
            self.behind.pop(topic, None)
        else:
            self.behind[topic] = seq

    def forget_gone(self) -> None:
        """Be behind with no topic that is not known any more: nothing of it will ever come."""
        self.behind = {topic: seq for topic, seq in self.behind.items() if not topic.forgotten}

    def last(self, topic: Topic) -> int:
        """Return the last number of a topic that he has."""
        return self.behind.get(topic, topic.offered)
