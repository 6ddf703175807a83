"""Sends events to those who watch, in turns of the event loop, each written once for each form. Runs on the event loop.

An event is offered to everybody who watches, some of them at a time. Who has not read what was sent before is left behind
(see ``watcher``), and is sent what he misses when he has read. What takes long to write is written on another thread, one
event of a topic and form at a time; everybody is behind with it until then.

Bounds: what is offered in one turn of the loop; bytes that somebody may leave unread before he is left behind.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from tidegate.codecs.errors import Form

from .topic import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tidegate.results import Array

    from .metrics import Metrics
    from .topic import Topic
    from .topic_event import TopicEvent
    from .topics import Topics
    from .watcher import Watch, Watcher
    from .watchers import Watchers

    Turn = Callable[[], None]

TEXT = Form.TEXT  # looking a member up in its class takes longer than comparing it
SLOW_BYTES = 32_768
"""Who has left so much unread is behind: the mark above which a socket says when it has been read."""
_AT_ONCE = 32  # watchers, or events, in one call; a fraction of a millisecond
_COUNTED_AT_ONCE = 4096  # a frame beyond this counts as unread as soon as it is sent

_log = logging.getLogger("tidegate.gateway")


class Broadcast:
    """Publishes.

    Args:
        topics: what is published.
        watchers: who watches.
        metrics: where events are counted.
        soon: makes calls soon, in order, some in each turn of the loop.
        encode: writes something on another thread (see ``Hub.encode``).
        now_ms: the time, in milliseconds of Unix time.
    """

    def __init__(
        self,
        topics: Topics,
        watchers: Watchers,
        metrics: Metrics,
        *,
        soon: Callable[[Iterable[Turn]], None],
        encode: Callable[..., None],
        now_ms: Callable[[], int],
    ) -> None:
        self.topics = topics
        self.watchers = watchers
        self._metrics = metrics
        self._soon = soon
        self._encode = encode
        self._now_ms = now_ms

    def publish(self, topic: Topic, tensors: Mapping[str, Array] | None = None, **fields: Any) -> None:
        """Add an event to a topic, and offer it to everybody who watches."""
        self.topics.publish(topic, self._now_ms(), tensors or {}, fields)
        self._metrics.events_published += 1
        if topic.sweeping:
            return
        if self.watchers.is_watched(topic):
            self._sweep(topic)
        else:
            topic.offered = topic.seq
            self.topics.trim(topic)

    def catch_up(self, watcher: Watcher) -> None:
        """Send somebody what he is behind with, soon, if he has read what was sent before."""
        if watcher.waits:
            watcher.again = True
        elif watcher.behind and watcher.link.backlog < SLOW_BYTES:
            watcher.waits, watcher.again = True, False
            self._soon((partial(self._catch_up, watcher, deque(watcher.behind)),))

    # What is offered to everybody.

    def _sweep(self, topic: Topic) -> None:
        topic.sweeping = True
        self._soon((partial(self._begin, topic),))

    def _begin(self, topic: Topic) -> None:
        topic.again = False
        upto, all_ = topic.seq, self.watchers.of(topic)
        parts = [all_[at : at + _AT_ONCE] for at in range(0, len(all_), _AT_ONCE)]
        self._soon([*(partial(self._offer, topic, upto, part) for part in parts), partial(self._end, topic, upto)])

    def _offer(self, topic: Topic, upto: int, watching: Sequence[tuple[Watcher, Watch]]) -> None:
        for watcher, then in watching:
            watch: Watch | None = then
            if watcher.watches.get(then.name) is not then:  # it has changed meanwhile
                watch = watcher.watch_of(topic)
            if watch is None:
                continue
            was_behind = topic in watcher.behind
            events = watcher.offered(topic, upto, watch, slow=watcher.link.backlog >= SLOW_BYTES)
            if events:
                self._send(topic, watcher, watch, events, upto)
            elif was_behind and watcher.last(topic) == upto:
                del watcher.behind[topic]
            elif topic not in watcher.behind:  # so much came at once that it is not kept any more
                self._metrics.events_conflated += upto - topic.offered
            if len(watcher.behind) > 2 * self.topics.most:  # who never reads while topics come and go
                watcher.forget_gone()

    def _end(self, topic: Topic, upto: int) -> None:
        topic.offered = upto
        if topic.seq > upto or topic.again:
            self._soon((partial(self._begin, topic),))
            return
        topic.sweeping = False
        self.topics.trim(topic, self.watchers.keeps(topic, LOG))

    # What one of them is behind with.

    def _catch_up(self, watcher: Watcher, topics: deque[Topic]) -> None:
        left = _AT_ONCE
        while topics and left > 0 and watcher.link.backlog < SLOW_BYTES:
            left -= 1 + self._bring_up(topics.popleft(), watcher)
        if topics and left <= 0:
            self._soon((partial(self._catch_up, watcher, topics),))
            return
        watcher.waits = False
        if watcher.again:
            self.catch_up(watcher)

    def _bring_up(self, topic: Topic, watcher: Watcher) -> int:
        """Send somebody what he misses of a topic; return how many events that were."""
        if topic not in watcher.behind:
            return 0
        watch = watcher.watch_of(topic)
        events = () if watch is None else watcher.missing(topic, watch)
        if watch is not None and events:
            return self._send(topic, watcher, watch, events, topic.settled)
        if watch is None or topic.forgotten or watcher.last(topic) == topic.settled:
            del watcher.behind[topic]
        return 0

    # Each event.

    def _send(self, topic: Topic, watcher: Watcher, watch: Watch, events: Sequence[TopicEvent], upto: int) -> int:
        """Send events as far as that goes now; return how many were sent."""
        last, sent = watcher.last(topic), 0
        for event in events:
            frame = event.frames.get(watch.form) or self._frame(topic, event, watch.form)
            if frame is None or (sent and watcher.link.backlog >= SLOW_BYTES):
                break
            self._post(watcher, watch.form, frame)
            self._metrics.events_conflated += event.seq - last - 1
            last, sent = event.seq, sent + 1
        self._metrics.events_sent += sent
        watcher.has(topic, last, upto)
        return sent

    def _post(self, watcher: Watcher, form: Form, frame: bytes) -> None:
        if len(frame) > _COUNTED_AT_ONCE:
            watcher.link.post_pieces((frame,), 0, text=form is TEXT)
        else:
            watcher.link.post(frame, text=form is TEXT)

    def _frame(self, topic: Topic, event: TopicEvent, form: Form) -> bytes | None:
        """Return what is written of an event; None if that takes longer, and who waits for it is to be asked again."""
        if form in topic.writing:
            return None
        if event.takes_long(form):
            topic.writing.add(form)
            self._encode(self, partial(event.write, form), partial(self._written, topic, event, form))
            return None
        frame = event.write(form)
        self.topics.keep_frame(topic, event, form, frame)
        return frame

    def _written(self, topic: Topic, event: TopicEvent, form: Form, made: bytes | Exception) -> None:
        topic.writing.discard(form)
        if isinstance(made, Exception):
            _log.error("an event of %r could not be written", topic.name, exc_info=made)
            return
        self.topics.keep_frame(topic, event, form, made)
        if topic.sweeping:  # some were asked before it was written
            topic.again = True
        else:
            self._sweep(topic)
