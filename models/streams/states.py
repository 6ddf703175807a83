"""The states of a model: which output of a step is which input of the next, and with what the first step begins.

Resolves ``[[state]]`` against the model's signature; does not look for pairs that nobody declared (see ``find``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..signature import DYNAMIC
from .tensors import check_axis, fault, row_shape
from .values import filled, shape_text

if TYPE_CHECKING:
    from tidegate.results import Array

    from ..signature import TensorSpec
    from .declared import DeclaredState
    from .tensors import Tensors


@dataclass(frozen=True, slots=True)
class HeldState:
    """One tensor that is kept from step to step.

    Attributes:
        key: its name in a stream's state.
        input: place of the input.
        output: place of the output.
        spec: the input.
        source: the output.
        initial: what the first step is given; one row.
        grows: axis along which it becomes longer; None if it does not.
        found: whether the pair was found by its names, not declared.
    """

    key: str
    input: int
    output: int
    spec: TensorSpec
    source: TensorSpec
    initial: Array
    grows: int | None = None
    found: bool = False

    def fits(self, array: Array) -> bool:
        """Tell whether an array can be this state."""
        return array.dtype == self.initial.dtype and same_but_for(self.grows, array.shape, self.initial.shape)

    @property
    def shape_text(self) -> str:
        """The shape that it must have, for a person."""
        return shape_text([DYNAMIC if axis == self.grows else size for axis, size in enumerate(self.initial.shape)])

    def describe(self) -> dict[str, object]:
        """Return it as JSON-able data."""
        return {"input": self.spec.name, "output": self.source.name, "found": self.found}


def held_state(tensors: Tensors, declared: DeclaredState, *, found: bool = False) -> HeldState:
    """Resolve one ``[[state]]``.

    Raises:
        ModelUnavailable: it does not fit the model; one line.
    """
    at, source_at = tensors.input("[[state]]", declared.input), tensors.output("[[state]]", declared.output)
    spec, source = tensors.inputs[at], tensors.outputs[source_at]
    _check_alike(spec, source)
    for axis in (declared.axis, declared.grows):
        if axis is not None:
            check_axis("[[state]]", spec, axis)
    grows = declared.grows
    if grows is not None and spec.shape[grows] != DYNAMIC:
        raise fault(f"[[state]] {spec.name!r} cannot grow along axis {grows}: its size is {spec.shape[grows]}")
    row_axis = _row_axis(tensors, at, source, declared)
    shape = _row(spec, source, declared, row_axis)
    return HeldState(f"state:{spec.name}", at, source_at, spec, source, _initial(spec, shape, declared), grows, found)


def _check_alike(spec: TensorSpec, source: TensorSpec) -> None:
    if spec.datatype != source.datatype:
        raise fault(f"[[state]] {source.name!r} is {source.datatype}, and {spec.name!r} is {spec.datatype}")
    if not compatible(spec.shape, source.shape):
        shapes = f"{source.name!r} has shape {shape_text(source.shape)}, and {spec.name!r} {shape_text(spec.shape)}"
        raise fault(f"[[state]] {shapes}")


def compatible(some: tuple[int, ...], others: tuple[int, ...]) -> bool:
    """Tell whether two shapes may be the same where both are known."""
    return len(some) == len(others) and all(a == b or DYNAMIC in (a, b) for a, b in zip(some, others, strict=True))


def same_but_for(axis: int | None, some: tuple[int, ...], others: tuple[int, ...]) -> bool:
    """Tell whether two shapes are equal in all but, at most, one axis."""
    if axis is None or len(some) != len(others):
        return some == others
    return some[:axis] + some[axis + 1 :] == others[:axis] + others[axis + 1 :]


def _row_axis(tensors: Tensors, at: int, source: TensorSpec, declared: DeclaredState) -> int | None:
    """Return where the rows of a state lie, going in and coming out."""
    free = frozenset() if declared.grows is None else frozenset({declared.grows})
    axis = tensors.row_axis(at, free=free, declared=declared.axis)
    if not tensors.batched:
        return axis
    spec = tensors.inputs[at]
    if axis is None:
        raise fault(f"[[state]] {spec.name!r} has no rows: the proof found that a whole batch shares it")
    if declared.axis not in (None, axis):
        raise fault(f"[[state]] says that the rows of {spec.name!r} lie on axis {declared.axis}; the proof found axis {axis}")
    if source.batch_axis != axis:
        raise fault(f"[[state]] rows lie on axis {axis} of {spec.name!r} and on axis {source.batch_axis} of {source.name!r}")
    return axis


def _row(spec: TensorSpec, source: TensorSpec, declared: DeclaredState, row_axis: int | None) -> tuple[int, ...]:
    known = {axis: size for axis, size in enumerate(source.shape) if size != DYNAMIC and spec.shape[axis] == DYNAMIC}
    if declared.shape is not None:
        if not compatible(spec.shape, declared.shape) or not compatible(source.shape, declared.shape):
            raise fault(f"[[state]] `shape` {list(declared.shape)} does not fit {spec.name!r}, {shape_text(spec.shape)}")
        known = dict(enumerate(declared.shape))
    if row_axis is not None:
        if known.get(row_axis, 1) != 1 or spec.shape[row_axis] not in (DYNAMIC, 1):
            raise fault(f"[[state]] {spec.name!r} must hold one row: its size along axis {row_axis} is not 1")
        known[row_axis] = 1
    if declared.grows is not None:
        if declared.grows == row_axis:
            raise fault(f"[[state]] {spec.name!r} cannot grow along axis {row_axis}: its rows lie there")
        known[declared.grows] = 0
    return row_shape(spec, known, "give that of one row as `shape` in its [[state]], or `grows`")


def _initial(spec: TensorSpec, shape: tuple[int, ...], declared: DeclaredState) -> Array:
    if spec.datatype == "BYTES":
        raise fault(f"[[state]] {spec.name!r} is BYTES: a state cannot be text")
    try:
        return filled(spec.datatype, shape, declared.initial)
    except ValueError as error:
        raise fault(f"[[state]] `initial` of {spec.name!r}: {error}") from None
