"""What a subscription yields: one event of one topic. It knows nothing of how it travels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.errors import error_from_code

from .answers import as_published

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.codecs import event_messages
    from tidegate.codecs.parts import Id
    from tidegate.errors import TidegateError
    from tidegate.results import Array, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. One of ``data``, ``outputs``, ``error`` and ``closed`` is there, the others are None.

    Attributes:
        topic: of which it is an event.
        seq: its number in the topic.
        at_ms: when it was published, in milliseconds of Unix time.
        missed: how many events of the topic were left out since the last one that was yielded.
        data: what the gateway says, in its own topics.
        outputs: a result that was published: a ``StreamResult`` whose ``seq`` is the event's, or a ``Result``.
        error: what was published instead of a result.
        closed: why the stream has ended that published.
        stream: its publisher's name for the stream that published; None if none did.
    """

    topic: str
    seq: int
    at_ms: int
    missed: int = 0
    data: Mapping[str, Any] | None = None
    outputs: Result | None = None
    error: TidegateError | None = None
    closed: str | None = None
    stream: Id | None = None


def as_event(message: event_messages.Event, tensors: dict[str, Array], missed: int) -> Event:
    """Make what a program sees of a message."""
    return Event(
        topic=message.topic,
        seq=message.seq,
        at_ms=message.at_ms,
        missed=missed,
        data=message.data,
        outputs=None if message.timing is None else as_published(message, tensors),
        error=None if message.error is None else error_from_code(message.error.code, message.error.message),
        closed=message.closed,
        stream=message.stream,
    )
