"""The messages of subscriptions, as ``messages`` has those of requests and streams."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - msgspec reads the annotations
from typing import Any

from .parts import Conflation, Part, Seq, StepNumber, TensorHeader, Timing, Topic, UnixMs, WireId


class Subscribe(Part, frozen=True, kw_only=True, tag_field="op", tag="subscribe"):
    """Client → server: send the events of all topics that match a pattern.

    Attributes:
        topic: the pattern.
        overflow: what becomes of events that the client takes too slowly.
    """

    id: WireId
    topic: Topic
    overflow: Conflation = "latest"


class Unsubscribe(Part, frozen=True, kw_only=True, tag_field="op", tag="unsubscribe"):
    """Client → server: send no more events for the sake of this pattern."""

    id: WireId
    topic: Topic


class Subscribed(Part, frozen=True, kw_only=True, tag_field="op", tag="subscribed"):
    """Server → client: the answer to ``subscribe``; the last events of what matches come next."""

    id: WireId
    topic: Topic


class Unsubscribed(Part, frozen=True, kw_only=True, tag_field="op", tag="unsubscribed"):
    """Server → client: the answer to ``unsubscribe``; no event for the sake of the pattern comes any more."""

    id: WireId
    topic: Topic


class EventError(Part, frozen=True, kw_only=True):
    """What went wrong with what was to be published: a code and a sentence."""

    code: str
    message: str


class Event(Part, frozen=True, kw_only=True, tag_field="op", tag="event"):
    """Server → client: something was published. A reader lets one of data, outputs, error and closed through, and only one.

    Attributes:
        topic: of which it is an event; never a pattern.
        seq: its number among the topic's events, which have no gap.
        at_ms: when it was published, in milliseconds of Unix time.
        data: of the server's own topics.
        outputs: of a result, with ``timing`` and the fields down to ``reason``, as a ``Result`` has them.
        error: instead of a result.
        closed: why the stream that published has ended.
    """

    topic: Topic
    seq: Seq
    at_ms: UnixMs
    data: dict[str, Any] | None = None
    outputs: Sequence[TensorHeader] = ()
    model_name: str | None = None
    model_version: str | None = None
    stream: WireId | None = None
    step: StepNumber | None = None
    final: bool | None = None
    timing: Timing | None = None
    text: str | None = None
    reason: str | None = None
    error: EventError | None = None
    closed: str | None = None
