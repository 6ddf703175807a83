"""The messages of the protocol as frozen, typed structures, checked in C while they are decoded.

A field that a message has and a structure has not is ignored. This module does not know how messages are framed, nor where
the bytes of their tensors are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - msgspec reads the annotations
from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

from .limits import SAFE_INTEGER

IntegerId = Annotated[int, Meta(ge=0, le=SAFE_INTEGER)]
StringId = Annotated[str, Meta(min_length=1, max_length=64)]
Id = int | str
"""What names a request on its connection: ``7`` and ``"7"`` are different ids."""
WireId = IntegerId | StringId

Name = Annotated[str, Meta(min_length=1)]
Size = Annotated[int, Meta(ge=0)]
Microseconds = Annotated[int, Meta(ge=0)]
Scalar = bool | Annotated[int, Meta(ge=-SAFE_INTEGER, le=SAFE_INTEGER)] | float | str
TimeoutMs = Annotated[float, Meta(gt=0, le=86_400_000)]
Priority = Annotated[int, Meta(ge=-8, le=0)]

NO_DATA = Raw()


class Part(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Base of what messages are made of. Decoded values form no cycles, so the collector need not track them."""


class TensorHeader(Part, frozen=True, kw_only=True):
    """What a message says of one tensor.

    Attributes:
        name: its name; any text.
        shape: its dimensions; ``()`` for a scalar.
        datatype: a name in ``datatypes.DATATYPES``.
        nbytes: bytes that it takes in a binary message, padding not counted.
        data: its elements as undecoded JSON, in text only.
    """

    name: Name
    shape: tuple[Size, ...]
    datatype: str
    nbytes: Size | None = None
    data: Raw = NO_DATA


class Timing(Part, frozen=True, kw_only=True):
    """What a request cost: microseconds waiting, microseconds in its batch's run, and the rows of that batch."""

    queue_us: Microseconds
    compute_us: Microseconds
    batch_size: Size


class RequestedOutput(Part, frozen=True, kw_only=True):
    """An output that a request asks for."""

    name: Name


class AnnouncedLimits(Part, frozen=True, kw_only=True):
    """What a server tells a client not to exceed."""

    message_bytes: Size
    text_bytes: Size
    in_flight: Size


class Infer(Part, frozen=True, kw_only=True, tag_field="op", tag="infer"):
    """Client → server: run a model once.

    Attributes:
        timeout_ms: time left for an answer, in milliseconds.
        priority: from -8 to 0; larger is served first.
    """

    id: WireId
    model_name: Name
    inputs: Sequence[TensorHeader] = ()
    model_version: Name | None = None
    outputs: Sequence[RequestedOutput] = ()
    timeout_ms: TimeoutMs | None = None
    priority: Priority = 0
    parameters: Mapping[str, Scalar] | None = None


class Cancel(Part, frozen=True, kw_only=True, tag_field="op", tag="cancel"):
    """Client → server: give up the request of this id."""

    id: WireId


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
    """Server → client: the answer to ``infer``."""

    id: WireId
    model_name: str
    model_version: str
    outputs: Sequence[TensorHeader] = ()
    final: bool
    timing: Timing


class Error(Part, frozen=True, kw_only=True, tag_field="op", tag="error"):
    """Server → client: what went wrong; with an id, it ends the request of that id.

    Attributes:
        outcome: for ``cancelled``: whether the request never ran (removed) or its result is thrown away (dropped).
        duplicate_of: the id that a refused request shared with one that is still running; then there is no ``id``.
    """

    id: WireId | None = None
    code: str
    message: str
    retryable: bool
    retry_after_ms: Size | None = None
    param: str | None = None
    expected: str | None = None
    outcome: Literal["removed", "dropped"] | None = None
    duplicate_of: WireId | None = None


class ModelList(Part, frozen=True, kw_only=True, tag_field="op", tag="models"):
    """Server → client: the answer to ``models``; each entry describes one version of one model."""

    id: WireId
    models: Sequence[dict[str, Any]]


class Goaway(Part, frozen=True, kw_only=True, tag_field="op", tag="goaway"):
    """Server → client: this connection ends in ``time_left_ms``; send no new requests."""

    time_left_ms: Size
    reason: str


ClientMessage = Infer | Cancel | Models | Ping | Pong
ServerMessage = Hello | Result | Error | ModelList | Ping | Pong | Goaway
Message = ClientMessage | ServerMessage

CLIENT_OPS = ("infer", "cancel", "models", "ping", "pong")
SERVER_OPS = ("hello", "result", "error", "models", "ping", "pong", "goaway")
