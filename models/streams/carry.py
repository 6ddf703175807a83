"""The end of an input that is kept and put before the next one. Resolves ``[[carry]]``; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..appended import Appended
from .choice import Choice
from .tensors import check_axis, fault, row_shape
from .values import filled, joined, tail

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tidegate.results import Array

    from ..signature import TensorSpec
    from .constants import Constant
    from .declared import DeclaredCarry
    from .tensors import Tensors


@dataclass(frozen=True, slots=True)
class Carry:
    """What is carried along one axis of one input of a stream.

    Attributes:
        key: its name in a stream's state.
        input: place of the input.
        axis: along which the input is continued.
        keep: how many elements are kept.
        initial: what is put before the first input: zeros.
        in_parts: whether its bytes and those of a chunk, one behind the other, are a row of the batch that it joins.
    """

    key: str
    input: int
    axis: int
    keep: int
    initial: Array
    in_parts: bool = False

    def before(self, kept: Array, chunk: Array) -> Array | Appended:
        """Return what the model is given: what was kept, and the chunk behind it."""
        if self.in_parts and chunk.flags.c_contiguous:
            return Appended(kept, chunk, self.axis)
        return joined(kept, chunk, self.axis)

    def after(self, kept: Array, chunk: Array) -> Array:
        """Return what is kept after a chunk, which may be shorter than that."""
        whole = chunk if chunk.shape[self.axis] >= self.keep else joined(kept, chunk, self.axis)
        return tail(whole, self.axis, self.keep)


@dataclass(frozen=True, slots=True)
class CarryRule:
    """One ``[[carry]]`` of a model.

    Attributes:
        input: place of the input.
        axis: along which the input is continued.
        keep: how many elements are kept.
        spec: the input.
        row_axis: where the row lies; None if that is not known.
    """

    input: int
    axis: int
    keep: Choice[int]
    spec: TensorSpec
    row_axis: int | None

    def settled(self, values: Mapping[str, Hashable]) -> Carry:
        """Return what is carried in a stream with these values of the constants.

        Raises:
            ModelUnavailable: it cannot be made up what is put before the first input; one line.
        """
        keep = self.keep.of(values)
        initial = zeros("[[carry]]", self.spec, self.row_axis, self.axis, keep)
        in_parts = keep > 0 and self.spec.batch_axis == 0 and initial.shape[: self.axis] == (1,) * self.axis
        return Carry(f"carry:{self.spec.name}", self.input, self.axis, keep, initial, in_parts)


def settle_carry(tensors: Tensors, declared: DeclaredCarry, constants: Sequence[Constant]) -> CarryRule:
    """Resolve one ``[[carry]]``.

    Raises:
        ModelUnavailable: it does not fit the model; one line.
    """
    at = tensors.input("[[carry]]", declared.input)
    spec = tensors.inputs[at]
    check_axis("[[carry]]", spec, declared.axis)
    row_axis = tensors.row_axis(at, free=frozenset({declared.axis}))
    if row_axis == declared.axis:
        raise fault(f"[[carry]] {spec.name!r} cannot be continued along axis {row_axis}: its rows lie there")
    keep = Choice("[[carry]] `keep`", declared.keep, declared.by, constants)
    return CarryRule(at, declared.axis, keep, spec, row_axis)


def zeros(table: str, spec: TensorSpec, row_axis: int | None, axis: int, length: int) -> Array:
    """Return so many zeros along an axis, for one row of an input.

    Raises:
        ModelUnavailable: not every other dimension is known, or the input is text; one line.
    """
    known = {axis: length} if row_axis is None else {axis: length, row_axis: 1}
    shape = row_shape(spec, known, f"{table} needs it: give the input's shape under [inputs.{spec.name}]")
    try:
        return filled(spec.datatype, shape, 0)
    except ValueError:
        raise fault(f"{table} {spec.name!r} is {spec.datatype}, of which there is no zero") from None
