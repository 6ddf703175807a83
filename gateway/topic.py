"""One topic: its number, its newest events, and how far they have come. Pure; knows nobody who watches."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.codecs.errors import Form

    from .topic_event import TopicEvent

LOG = 64
"""The most events of a topic that are kept."""


class Topic:
    """One topic.

    Attributes:
        name: what it is called.
        segments: the same, in parts.
        seq: number of its last event; 0 before the first.
        offered: the last number that was offered to everybody who watches; whoever has less is noted as behind.
        keeps: how many events are kept for those who come later.
        publishers: how many may publish at any moment.
        log: the newest events, in order.
        writing: the forms in which an event is being written on another thread; one at a time.
        sweeping: whether events are being offered.
        again: whether they are to be offered once more, since one was written meanwhile.
        forgotten: whether it is not known any more; another one may have its name.
        watched: by whom, as was found at ``version``; whoever offers events keeps it here.
    """

    __slots__ = (
        "again", "forgotten", "keeps", "log", "name", "offered", "publishers", "segments", "seq", "sweeping", "version",
        "watched", "writing",
    )  # fmt: skip

    def __init__(self, name: str, keeps: int = 1) -> None:
        self.name = name
        self.segments = tuple(name.split("/"))
        self.seq = 0
        self.offered = 0
        self.keeps = keeps
        self.publishers = 0
        self.log: deque[TopicEvent] = deque()
        self.writing: set[Form] = set()
        self.sweeping = False
        self.again = False
        self.forgotten = False
        self.watched: Sequence[Any] = ()
        self.version = -1

    @property
    def settled(self) -> int:
        """The number that whoever is not behind has; -1 while events are being offered, when some have more than others."""
        return -1 if self.sweeping else self.offered

    def since(self, seq: int) -> list[TopicEvent]:
        """Return the events after a number that are still kept."""
        return list(islice(self.log, max(0, len(self.log) - (self.seq - seq)), None))

    def __repr__(self) -> str:
        return f"<Topic {self.name!r} at {self.seq}, {len(self.log)} kept>"
