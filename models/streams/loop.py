"""What is settled about a model's ``[loop]`` when it is loaded: which tensor plays which part. Checks; runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.codecs.datatypes import DATATYPES
from tidegate.errors import ModelUnavailable

from ..signature import DYNAMIC

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np

    from ..model import Model
    from ..signature import TensorSpec
    from .declared import DeclaredLoop

_SCORES = ("FP16", "FP32", "FP64")
_TOKENS = ("INT32", "INT64")
_TOLD_VOCABULARY = 512  # tokens, in a description


class Part(NamedTuple):
    """An input that is made anew for each run.

    Attributes:
        place: of the input.
        dtype: of its elements.
        rank: how many dimensions it has.
    """

    place: int
    dtype: np.dtype[Any]
    rank: int


class Carried(NamedTuple):
    """An input that a row brings along from run to run.

    Attributes:
        place: of the input.
        key: of it in the state of a stream, or among its constants.
        output: index of the output that it is next time; None for what stays as it is.
        axis: where rows lie; None for a model that is not batched.
        grows: the axis along which it becomes longer; None if it does not.
    """

    place: int
    key: str
    output: int | None = None
    axis: int | None = None
    grows: int | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """How a model feeds itself.

    Attributes:
        model: the model.
        scores: index of the output that has the scores of all tokens.
        tokens: the input that takes tokens.
        width: how many tokens a run takes; None for any number.
        mask: the input that tells tokens from padding, if there is one.
        positions: the input that takes where the tokens stand, if there is one.
        carried: states, caches and the constants that have rows.
        shared: indices and names of the constants that a whole batch shares.
        stop: tokens that end a generation.
        max_steps: most tokens that one step makes.
        context: most tokens that the state may hold; None for any number.
        vocab: the text of each token, if it is known.
        vocabulary: how many tokens there are, if that is known.
        unpadded: why rows whose caches have different lengths share no batch; None if they do.
    """

    model: Model
    scores: int
    tokens: Part
    width: int | None
    mask: Part | None
    positions: Part | None
    carried: tuple[Carried, ...]
    shared: tuple[tuple[int, str], ...]
    stop: frozenset[int]
    max_steps: int
    context: int | None
    vocab: tuple[str, ...] | None
    vocabulary: int | None
    unpadded: str | None

    @property
    def grows(self) -> bool:
        """Whether the state becomes longer from run to run."""
        return any(carried.grows is not None for carried in self.carried)

    def describe(self) -> dict[str, Any]:
        """Return what a client may know about it, as JSON-able data."""
        inputs, outputs = self.model.inputs, self.model.outputs
        said: dict[str, Any] = {
            "input": inputs[self.tokens.place].name,
            "output": outputs[self.scores].name,
            "stop": sorted(self.stop),
            "max_steps": self.max_steps,
            "context": self.context,
            "vocabulary": self.vocabulary,
            "vocab": None if self.vocab is None or len(self.vocab) > _TOLD_VOCABULARY else list(self.vocab),
        }
        if self.grows:
            said["padded"] = self.unpadded is None
            said["padding"] = self.unpadded or "caches of different lengths share a batch"
        return said


def settle_loop(
    model: Model,
    declared: DeclaredLoop,
    states: Sequence[tuple[str, str, int | None]],
    constants: Collection[str],
    vocab: tuple[str, ...] | None,
) -> Loop:
    """Find the part of each tensor.

    Args:
        model: the model, proved.
        declared: its ``[loop]``.
        states: input, output and growing axis (or None) of each state.
        constants: inputs that are given when a stream is opened.
        vocab: the text of each token, if it is known.

    Raises:
        ModelUnavailable: the declaration does not fit the model; one line says how.
    """
    inputs = {spec.name: index for index, spec in enumerate(model.inputs)}
    outputs = {spec.name: index for index, spec in enumerate(model.outputs)}
    scores, vocabulary = _scores(model, _index(outputs, declared.output, "output"))
    tokens, width = _tokens(model, _index(inputs, declared.input, "input"))
    mask, positions = (
        None if name is None else _part(model, _index(inputs, name, "input")) for name in (declared.mask, declared.positions)
    )
    parts = {part.place for part in (tokens, mask, positions) if part is not None}
    carried = [_state(model, inputs[given], outputs[made], grows) for given, made, grows in states]
    batched = model.batching.verdict != "none"
    rows = [name for name in constants if not batched or model.inputs[inputs[name]].batch_axis is not None]
    carried += [Carried(inputs[name], name, axis=model.inputs[inputs[name]].batch_axis) for name in rows]
    shared = tuple((inputs[name], name) for name in constants if name not in rows)
    played = parts | {each.place for each in carried} | {index for index, _ in shared}
    for index, spec in enumerate(model.inputs):
        if index not in played:
            raise _wrong(f"input {spec.name!r} is none of input, mask, positions, a state or a constant")
    if vocab is not None and vocabulary is not None and len(vocab) != vocabulary:
        raise _wrong(f"vocab has {len(vocab)} tokens, the output {declared.output!r} has {vocabulary}")
    vocabulary = len(vocab) if vocab is not None else vocabulary
    if vocabulary is not None and max(declared.stop, default=-1) >= vocabulary:
        raise _wrong(f"stop has token {max(declared.stop)}, and there are {vocabulary}")
    return Loop(
        model=model,
        scores=scores,
        tokens=tokens,
        width=width,
        mask=mask,
        positions=positions,
        carried=tuple(carried),
        shared=shared,
        stop=frozenset(declared.stop),
        max_steps=declared.max_steps,
        context=declared.context,
        vocab=vocab,
        vocabulary=vocabulary,
        unpadded=model.batching.unpadded,
    )


def _index(known: dict[str, int], name: str, what: str) -> int:
    if name not in known:
        raise _wrong(f"there is no {what} {name!r}; the model has {', '.join(known)}")
    return known[name]


def _scores(model: Model, index: int) -> tuple[int, int | None]:
    spec = model.outputs[index]
    if spec.datatype not in _SCORES or len(spec.shape) not in (2, 3) or spec.batch_axis not in (0, None):
        raise _wrong(f"output {spec.name!r} is {spec.datatype} {list(spec.shape)}, not scores [rows, (tokens,) vocabulary]")
    return index, None if spec.shape[-1] == DYNAMIC else spec.shape[-1]


def _tokens(model: Model, index: int) -> tuple[Part, int | None]:
    spec, part = model.inputs[index], _part(model, index)
    width = 1 if len(spec.shape) == 1 else spec.shape[1]
    if spec.datatype not in _TOKENS or width not in (1, DYNAMIC):
        raise _wrong(f"input {spec.name!r} is {spec.datatype} {list(spec.shape)}, not tokens [rows, any or 1]")
    return part, None if width == DYNAMIC else width


def _part(model: Model, index: int) -> Part:
    spec = model.inputs[index]
    rows = len(spec.shape) in (1, 2) and (spec.batch_axis == 0 or model.batching.verdict == "none")
    if not rows:
        raise _wrong(f"input {spec.name!r} has shape {list(spec.shape)} and not its rows in the first of two dimensions")
    return Part(index, DATATYPES[spec.datatype].dtype, len(spec.shape))


def _state(model: Model, given: int, made: int, grows: int | None) -> Carried:
    into, out = model.inputs[given], model.outputs[made]
    if into.batch_axis != out.batch_axis or (into.batch_axis is None and model.batching.verdict != "none"):
        raise _wrong(f"rows of {into.name!r} and {out.name!r} do not lie along one axis")
    return Carried(given, state_key(into), made, into.batch_axis, grows)


def state_key(spec: TensorSpec) -> str:
    """Return under which key the state of a stream holds what this input takes."""
    return f"state:{spec.name}"


def _wrong(why: str) -> ModelUnavailable:
    return ModelUnavailable(f"model.toml: [loop]: {why}")
