"""The messages of the protocol as frozen, typed structures, checked in C while they are decoded.

A field that a message has and a structure has not is ignored. This module does not know how messages are framed, nor where
the bytes of their tensors are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - msgspec reads the annotations
from typing import Any, Literal

from msgspec import field

from .event_messages import Event, Subscribe, Subscribed, Unsubscribe, Unsubscribed
from .parts import (
    AnnouncedLimits,
    LastSeen,
    LastSeq,
    Name,
    Overflow,
    Part,
    Priority,
    RequestedOutput,
    ResumedStream,
    Scalar,
    Seq,
    Size,
    StepNumber,
    TensorHeader,
    TimeoutMs,
    Timing,
    Topic,
    WireId,
)


class Infer(Part, frozen=True, kw_only=True, tag_field="op", tag="infer"):
    """Client → server: run a model once.

    Attributes:
        timeout_ms: time left for an answer, in milliseconds.
        priority: from -8 to 0; larger is served first.
        publish: the topic of which the answer is an event, too.
    """

    id: WireId
    model_name: Name
    inputs: Sequence[TensorHeader] = ()
    model_version: Name | None = None
    outputs: Sequence[RequestedOutput] = ()
    timeout_ms: TimeoutMs | None = None
    priority: Priority = 0
    parameters: Mapping[str, Scalar] | None = None
    publish: Topic | None = None


class Cancel(Part, frozen=True, kw_only=True, tag_field="op", tag="cancel"):
    """Client → server: give up the request of this id, or this step of a stream; a reader lets only one of both through."""

    id: WireId | None = None
    stream: WireId | None = None
    step: StepNumber | None = None


class Open(Part, frozen=True, kw_only=True, tag_field="op", tag="open"):
    """Client → server: begin a stream.

    Attributes:
        stream: the name that it shall have on this connection.
        constants: inputs that stay the same in all its steps; with ``from_snapshot``, the one tensor ``snapshot``.
        outputs: those that its results shall have; none for all.
        overflow: what becomes of results that the client takes too slowly.
        until: the ``seq`` up to which results may be sent; None for all.
        priority: from -8 to 0; larger is served first.
        publish: the topic of which its results are events, too.
    """

    id: WireId
    stream: WireId
    model_name: Name
    model_version: Name | None = None
    constants: Sequence[TensorHeader] = ()
    outputs: Sequence[RequestedOutput] = ()
    overflow: Overflow = "block"
    until: LastSeq | None = None
    from_snapshot: bool = False
    priority: Priority = 0
    parameters: Mapping[str, Scalar] | None = None
    publish: Topic | None = None


class Step(Part, frozen=True, kw_only=True, tag_field="op", tag="step"):
    """Client → server: go one step on with a stream.

    Attributes:
        step: its number, one more than the last one's.
        timeout_ms: time left for its end, in milliseconds.
    """

    stream: WireId
    step: StepNumber
    inputs: Sequence[TensorHeader] = ()
    timeout_ms: TimeoutMs | None = None
    parameters: Mapping[str, Scalar] | None = None


class Close(Part, frozen=True, kw_only=True, tag_field="op", tag="close"):
    """Client → server: end a stream once its steps are done."""

    stream: WireId


class Credit(Part, frozen=True, kw_only=True, tag_field="op", tag="credit"):
    """Client → server: what of a stream may be sent, and what was received.

    Attributes:
        until: results up to this ``seq`` may be sent.
        seen: results up to this ``seq`` need not be kept for a replay.
    """

    stream: WireId
    until: LastSeq
    seen: LastSeq | None = None


class Snapshot(Part, frozen=True, kw_only=True, tag_field="op", tag="snapshot"):
    """Client → server: give the state of a stream after the steps that it was sent so far."""

    id: WireId
    stream: WireId


class Fork(Part, frozen=True, kw_only=True, tag_field="op", tag="fork"):
    """Client → server: begin the stream ``to`` with the state of another after the steps that it was sent so far."""

    id: WireId
    stream: WireId
    to: WireId


class Resume(Part, frozen=True, kw_only=True, tag_field="op", tag="resume"):
    """Client → server, first of all: go on with the streams of another connection."""

    token: str
    streams: Sequence[LastSeen]


class Models(Part, frozen=True, kw_only=True, tag_field="op", tag="models"):
    """Client → server: which models are served?"""

    id: WireId


class Ping(Part, frozen=True, kw_only=True, tag_field="op", tag="ping"):
    """Either side: are you there? Answered by a pong with the same id."""

    id: WireId | None = None


class Pong(Part, frozen=True, kw_only=True, tag_field="op", tag="pong"):
    """Either side: the answer to a ping."""

    id: WireId | None = None


class Hello(Part, frozen=True, kw_only=True, tag_field="op", tag="hello"):
    """Server → client, first of all: who speaks, and what it allows.

    Attributes:
        keepalive_ms: the longest silence that a client should see from the server.
        features: what the server can do beyond the base.
    """

    protocol: str
    server: str
    session: str
    keepalive_ms: Size
    limits: AnnouncedLimits
    features: Sequence[str] = ()
    resume_token: str | None = None
    resume_window_ms: Size | None = None


class Result(Part, frozen=True, kw_only=True, tag_field="op", tag="result"):
    """Server → client: the answer to ``infer``, or one of a stream's step; a reader lets only one of both through.

    Attributes:
        id: the request's; with it, ``model_name`` and ``model_version`` are there.
        stream: the stream's; with it, ``step`` and ``seq`` are there.
        final: whether nothing more comes for this id or step.
        text: of a generation, what the model's vocabulary has for the tokens in ``outputs``.
        reason: of the last result of a generation, why it ended: ``stop``, ``length`` or ``cancelled``.
    """

    id: WireId | None = None
    model_name: str | None = None
    model_version: str | None = None
    stream: WireId | None = None
    step: StepNumber | None = None
    seq: Seq | None = None
    outputs: Sequence[TensorHeader] = ()
    final: bool
    timing: Timing
    text: str | None = None
    reason: str | None = None


class Error(Part, frozen=True, kw_only=True, tag_field="op", tag="error"):
    """Server → client: what went wrong; with an id, it ends the request of that id; with a ``seq``, a step of a stream.

    Attributes:
        stream: the stream that it is about.
        step: the step that it is about. Without ``seq``, the step was not accepted.
        seq: its place among the stream's results; it ends the step.
        outcome: for ``cancelled``: whether the request never ran (removed) or its result is thrown away (dropped).
        duplicate_of: the id that a refused request shared with one that is still running; then there is no ``id``.
        expected_step: the number that the stream's next step must have.
        lost: for ``resume_failed``: the streams that are gone.
    """

    id: WireId | None = None
    stream: WireId | None = None
    step: StepNumber | None = None
    seq: Seq | None = None
    code: str
    message: str
    retryable: bool
    retry_after_ms: Size | None = None
    param: str | None = None
    expected: str | None = None
    outcome: Literal["removed", "dropped"] | None = None
    duplicate_of: WireId | None = None
    expected_step: StepNumber | None = None
    lost: Sequence[WireId] = ()


class ModelList(Part, frozen=True, kw_only=True, tag_field="op", tag="models"):
    """Server → client: the answer to ``models``; each entry describes one version of one model."""

    id: WireId
    models: Sequence[dict[str, Any]]


class Goaway(Part, frozen=True, kw_only=True, tag_field="op", tag="goaway"):
    """Server → client: this connection ends in ``time_left_ms``; send no new requests."""

    time_left_ms: Size
    reason: str


class Opened(Part, frozen=True, kw_only=True, tag_field="op", tag="opened"):
    """Server → client: the answer to ``open`` and to ``fork``: the stream is there.

    Attributes:
        next_step: the number that its first step must have.
        steps: how many steps may wait at a time.
        results: how many results are kept for a replay.
    """

    id: WireId
    stream: WireId
    model_name: str
    model_version: str
    next_step: StepNumber
    steps: Size
    results: Size


class Gap(Part, frozen=True, kw_only=True, tag_field="op", tag="gap"):
    """Server → client: the results from ``first`` to ``last`` (``from`` and ``to`` on the wire) of a stream will not come."""

    stream: WireId
    first: Seq = field(name="from")
    last: Seq = field(name="to")


class Closed(Part, frozen=True, kw_only=True, tag_field="op", tag="closed"):
    """Server → client: a stream has ended, and its name is free.

    Attributes:
        reason: ``closed``, ``idle``, ``expired``, ``shutting_down`` or ``model_unavailable``.
    """

    stream: WireId
    reason: str


class SnapshotTaken(Part, frozen=True, kw_only=True, tag_field="op", tag="snapshot"):
    """Server → client: the answer to ``snapshot``: the state of a stream after ``step`` (0: before the first) as one tensor."""

    id: WireId
    stream: WireId
    step: LastSeq
    outputs: Sequence[TensorHeader] = ()


class Resumed(Part, frozen=True, kw_only=True, tag_field="op", tag="resumed"):
    """Server → client: the answer to ``resume``: what goes on, and which streams are gone."""

    token: str
    streams: Sequence[ResumedStream]
    lost: Sequence[WireId] = ()


ClientMessage = (
    Infer | Cancel | Models | Ping | Pong | Open | Step | Close | Credit | Snapshot | Fork | Resume | Subscribe | Unsubscribe
)
ServerMessage = (
    Hello | Result | Error | ModelList | Ping | Pong | Goaway | Opened | Gap | Closed | SnapshotTaken | Resumed
    | Subscribed | Unsubscribed | Event
)  # fmt: skip
Message = ClientMessage | ServerMessage

TENSOR_FIELDS: dict[type[Part], str] = {
    Infer: "inputs", Open: "constants", Step: "inputs", Result: "outputs", SnapshotTaken: "outputs",
    Event: "outputs",
}  # fmt: skip
"""Where the tensor headers of a message are; other messages have none, and an ``event`` that is no result has none either."""

CLIENT_OPS = (
    "infer", "cancel", "models", "ping", "pong",
    "open", "step", "close", "credit", "snapshot", "fork", "resume",
    "subscribe", "unsubscribe",
)  # fmt: skip
SERVER_OPS = (
    "hello", "result", "error", "models", "ping", "pong", "goaway",
    "opened", "gap", "closed", "snapshot", "resumed",
    "subscribed", "unsubscribed", "event",
)  # fmt: skip
