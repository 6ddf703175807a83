"""What ``model.toml`` may say about a model's streams, checked by type; it knows no model."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Value = bool | int | float | str
Axis = Annotated[int, Meta(ge=0, le=7)]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Name = Annotated[str, Meta(min_length=1)]


class DeclaredState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One output of a step that is an input of the next.

    Attributes:
        output: the output.
        input: the input.
        axis: where the input's rows lie; None for where the proof of batchability found them.
        initial: what fills it before the first step.
        shape: of one row, where the model does not say.
        grows: axis along which it becomes longer with each step, as a cache does; it begins with length 0.
    """

    output: Name
    input: Name
    axis: Axis | None = None
    initial: float = 0.0
    shape: tuple[Count, ...] | None = None
    grows: Axis | None = None


class DeclaredCarry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of an input that is put before the next one.

    Attributes:
        input: the input.
        axis: along which it is continued.
        keep: how many elements; with ``by``, that number for each value of a constant.
        by: the constant on which ``keep`` depends.
    """

    input: Name
    axis: Axis
    keep: Count | dict[str, Count]
    by: Name | None = None

    def __post_init__(self) -> None:
        _check_by("keep", self.keep, self.by)


class DeclaredConstant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input that is given once, when a stream is opened.

    Attributes:
        input: the input.
        values: the only values that it may have; None for any.
        default: its value if none is given; None if one must be.
    """

    input: Name
    values: Annotated[tuple[Value, ...], Meta(min_length=1)] | None = None
    default: Value | None = None


class DeclaredChunk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long what a step brings may be.

    Attributes:
        input: the input.
        axis: along which its length is counted.
        lengths: the lengths that are allowed, without what is carried; with ``by``, those for each value of a constant.
        by: the constant on which ``lengths`` depends.
        rebuffer: whether any length may come, and is cut into chunks of the one length that is allowed.
        scale_int16: whether INT16 may come for FP32; it is divided by 32768.
    """

    input: Name
    axis: Axis
    lengths: Annotated[tuple[Count, ...], Meta(min_length=1)] | dict[str, Annotated[tuple[Count, ...], Meta(min_length=1)]]
    by: Name | None = None
    rebuffer: bool = False
    scale_int16: bool = False

    def __post_init__(self) -> None:
        _check_by("lengths", self.lengths, self.by)


class DeclaredStream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for all streams of a model.

    Attributes:
        idle_timeout_s: seconds without a step after which a stream is ended.
        max_streams: how many may be open at once.
        find_states: whether pairs that look like a state are taken for one; they are listed in the model's description.
    """

    idle_timeout_s: Annotated[float, Meta(gt=0, le=31_536_000)] = 300.0
    max_streams: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    find_states: bool = True


class DeclaredLoop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a step feeds itself: of one output a token is chosen, which is the next input.

    Attributes:
        output: the scores of all tokens.
        input: the tokens.
        stop: tokens that end a generation.
        max_steps: most tokens of one step of a stream; a step may ask for fewer.
        context: most tokens that the state may hold; None for a state that does not grow.
        mask: the input that says which of the tokens, held and new, are there.
        positions: the input that says where the new tokens stand.
        vocab: the text of each token, or the JSON file beside ``model.toml`` that has the list of them.
    """

    output: Name
    input: Name
    stop: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    max_steps: Annotated[int, Meta(ge=1, le=1_000_000)] = 256
    context: Count | None = None
    mask: Name | None = None
    positions: Name | None = None
    vocab: tuple[str, ...] | Name | None = None


def _check_by(key: str, given: object, by: str | None) -> None:
    """Refuse a table without the constant that it depends on, and the other way round."""
    if isinstance(given, dict) != (by is not None):
        raise ValueError(f"`{key}` is a table exactly if `by` names the constant that it depends on")
    if given == {}:
        raise ValueError(f"`{key}` is empty")
