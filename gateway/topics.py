"""What is published: topics, their numbers, and their last events for whoever comes later. Pure; takes the time.

Knows nobody who subscribes, and sends nothing. Rules:

1. A topic's events are numbered from 1 and on, without gaps, for as long as the topic is known.
2. Its newest event is kept for those who come later, and as many more as it says (``keeps``), while there is room.
3. What was not yet offered to everybody who watches is kept as well, but never more than ``LOG`` events.

Bounds, and what happens at them: topics (the one that was published longest ago, and that nobody may publish any more, is
forgotten; if there is none, a further one is refused); bytes of all events (the oldest events of the topic that was published
longest ago are forgotten, so that a late joiner gets nothing and one who is behind misses them).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from tidegate.codecs.event_messages import Event
from tidegate.errors import Overloaded

from .topic import LOG, Topic
from .topic_event import TopicEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidegate.codecs.errors import Form
    from tidegate.results import Array


class Topics:
    """All topics of a gateway.

    Args:
        most: how many there may be.
        most_bytes: how many bytes of events are kept.

    Attributes:
        most: how many there may be.
        nbytes: bytes of the events that are kept.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.nbytes = 0
        self.most = most
        self._most_bytes = most_bytes
        self._topics: OrderedDict[str, Topic] = OrderedDict()  # the one that was published longest ago first

    def __len__(self) -> int:
        return len(self._topics)

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics.values())

    def find(self, name: str) -> Topic | None:
        """Return a topic, if there is one of this name."""
        return self._topics.get(name)

    def hold(self, name: str, keeps: int = 1) -> Topic:
        """Return a topic for somebody who is going to publish; it stays until he lets it go (``let_go``).

        Raises:
            Overloaded: there are too many.
        """
        topic = self._topics.get(name)
        if topic is None:
            self._make_room()
            topic = self._topics[name] = Topic(name, keeps)
        topic.publishers += 1
        return topic

    def let_go(self, topic: Topic) -> None:
        """Take note that a publisher is done with a topic."""
        topic.publishers -= 1
        if not topic.publishers and not topic.seq:
            self._topics.pop(topic.name, None)

    def publish(self, topic: Topic, now_ms: int, tensors: Mapping[str, Array], fields: Mapping[str, Any]) -> None:
        """Add an event; ``fields`` are those of its message that say what it is."""
        topic.seq += 1
        event = TopicEvent(Event(topic=topic.name, seq=topic.seq, at_ms=now_ms, **fields), tensors)
        topic.log.append(event)
        self.nbytes += event.nbytes
        if len(topic.log) > LOG:
            self._drop_oldest(topic)
        self._topics.move_to_end(topic.name)
        self._fit(topic)

    def keep_frame(self, topic: Topic, event: TopicEvent, form: Form, frame: bytes) -> None:
        """Keep what was written of an event, if it is kept itself."""
        nbytes = event.keep(form, frame)
        if topic.log and topic.log[0].seq <= event.seq:
            self.nbytes += nbytes
            self._fit(topic)

    def trim(self, topic: Topic, keeps: int = 1) -> None:
        """Keep no more events of a topic, all of which were offered, than somebody may want."""
        while len(topic.log) > max(keeps, topic.keeps):
            self._drop_oldest(topic)
        self._fit(topic if topic.writing else None)

    def forget_events(self, topic: Topic) -> None:
        """Keep no event of a topic: what it said is out of date."""
        while topic.log:
            self._drop_oldest(topic)

    def _make_room(self) -> None:
        if len(self._topics) < self.most:
            return
        for topic in self._topics.values():
            if not topic.publishers and not topic.sweeping:
                self.forget_events(topic)
                topic.forgotten = True
                del self._topics[topic.name]
                return
        raise Overloaded(f"{self.most} topics are being published, and no more may be", bound="topics")

    def _fit(self, newest: Topic | None) -> None:
        """Forget the oldest events until the bound holds; the newest of all stays until it was offered."""
        if self.nbytes <= self._most_bytes:
            return
        for topic in self._topics.values():
            while len(topic.log) > (topic is newest) and self.nbytes > self._most_bytes:
                self._drop_oldest(topic)

    def _drop_oldest(self, topic: Topic) -> None:
        self.nbytes -= topic.log.popleft().nbytes
