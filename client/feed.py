"""The events of one subscription, until the program takes them. Pure: it knows neither the connection nor who waits.

Rules:

1. What came before does not come again: whoever subscribes anew is sent the last event once more. A topic whose numbers begin
   anew, since the gateway did, is taken as it is.
2. Events that came together are all kept. With ``latest``, those of a topic that still lie here when more of it come later are
   dropped; with ``drop_oldest`` the oldest are, beyond ``DEPTH``.

Bounds: events of a topic, and topics; the one that was heard of longest ago is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from tidegate.codecs.topics import matches

from .events import as_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.codecs.event_messages import Event as EventMessage
    from tidegate.codecs.parts import Conflation
    from tidegate.errors import TidegateError
    from tidegate.results import Array

    from .events import Event

DEPTH = 64
TOPICS = 4096


class _Known:
    """What is known of one topic, and what lies here of it."""

    __slots__ = ("at_ms", "batch", "seq", "taken", "waiting")

    def __init__(self) -> None:
        self.seq = 0
        self.at_ms = 0
        self.taken = 0
        self.batch = 0
        self.waiting: deque[tuple[EventMessage, dict[str, Array]]] = deque(maxlen=DEPTH)


class Feed:
    """What one subscription of a program is sent.

    Args:
        pattern: what it subscribes to.
        overflow: what becomes of events that are not taken in time.
        wake: called when there is something to take, or the end has come.

    Attributes:
        ended: why nothing more comes.
    """

    __slots__ = ("_known", "_ready", "_segments", "_wake", "ended", "overflow", "pattern")

    def __init__(self, pattern: str, overflow: Conflation, wake: Callable[[], None]) -> None:
        self.pattern = pattern
        self.overflow: Conflation = overflow
        self.ended: TidegateError | None = None
        self._segments = tuple(pattern.split("/"))
        self._wake = wake
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._ready: OrderedDict[str, None] = OrderedDict()

    def means(self, segments: tuple[str, ...]) -> bool:
        """Tell whether it subscribes to a topic."""
        return matches(self._segments, segments)

    def put(self, message: EventMessage, tensors: dict[str, Array], batch: int) -> None:
        """Take an event in; those of one ``batch`` came together."""
        known = self._known.pop(message.topic, None) or _Known()
        self._known[message.topic] = known
        if message.seq <= known.seq and message.at_ms <= known.at_ms:
            return
        known.seq, known.at_ms = message.seq, message.at_ms
        if self.overflow == "latest" and known.batch != batch:
            known.waiting.clear()
        known.batch = batch
        known.waiting.append((message, tensors))
        self._ready[message.topic] = None
        if len(self._known) > TOPICS:
            topic, _ = self._known.popitem(last=False)
            self._ready.pop(topic, None)
        self._wake()

    def take(self) -> Event | None:
        """Return the next event, if there is one; topics take turns."""
        if not self._ready:
            return None
        topic, _ = self._ready.popitem(last=False)
        known = self._known[topic]
        message, tensors = known.waiting.popleft()
        if known.waiting:
            self._ready[topic] = None
        missed = message.seq - known.taken - 1 if 0 < known.taken < message.seq else 0
        known.taken = message.seq
        return as_event(message, tensors, missed)

    def end(self, error: TidegateError) -> None:
        """Take note that nothing more comes."""
        if self.ended is None:
            self.ended = error
            self._wake()
