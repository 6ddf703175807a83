"""What the messages of the protocol are made of: the types of their fields, and the maps inside them.

This module does not know the messages, nor how they are framed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from .limits import SAFE_INTEGER

IntegerId = Annotated[int, Meta(ge=0, le=SAFE_INTEGER)]
StringId = Annotated[str, Meta(min_length=1, max_length=64)]
Id = int | str
"""What names a request on its connection: ``7`` and ``"7"`` are different ids."""
WireId = IntegerId | StringId

StepNumber = Annotated[int, Meta(ge=1, le=SAFE_INTEGER)]
"""What numbers a step of a stream: 1 and on, without gaps."""
Seq = Annotated[int, Meta(ge=1, le=SAFE_INTEGER)]
"""What numbers the results, errors and gaps of a stream: 1 and on, without gaps."""
LastSeq = Annotated[int, Meta(ge=0, le=SAFE_INTEGER)]
"""The last of those numbers that was met; 0 for none."""
Overflow = Literal["block", "latest", "drop_oldest"]
Conflation = Literal["latest", "drop_oldest"]
"""What becomes of the events that a subscriber takes too slowly."""
Topic = Annotated[str, Meta(min_length=1)]
"""What names what is published; its rules are in ``topics``."""
UnixMs = Annotated[int, Meta(ge=0, le=SAFE_INTEGER)]

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
    streams: Size | None = None
    subscriptions: Size | None = None


class LastSeen(Part, frozen=True, kw_only=True):
    """A stream that a client goes on with, and the last ``seq`` of it that it has."""

    stream: WireId
    last_seq: LastSeq


class ResumedStream(Part, frozen=True, kw_only=True):
    """A stream that goes on, and where it stands.

    Attributes:
        next_step: the number that its next step must have.
        replay_from: the first ``seq`` that is sent again, or of what comes next if nothing is.
        seq: the last one that was given out so far; 0 for none.
        status: ``open``, or ``closing`` if no more steps are taken.
    """

    stream: WireId
    next_step: StepNumber
    replay_from: Seq
    seq: LastSeq
    status: str
