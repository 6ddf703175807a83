"""Inputs that are given once, when a stream is opened: what they may be. Resolves ``[[constant]]``, checks what is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.codecs.datatypes import DATATYPES, datatype_of
from tidegate.errors import InvalidInput

from ..signature import DYNAMIC
from .tensors import fault
from .values import filled, shape_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tidegate.results import Array

    from ..signature import TensorSpec
    from .declared import DeclaredConstant
    from .tensors import Tensors


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant.

    Attributes:
        input: place of the input.
        spec: the input.
        shape: what it must have: of one row; -1 where it may be anything.
        row_axis: where its row lies; None if it has none.
        values: the only values that it may have; None for any.
        default: what it is if it is not given; None if it must be.
        declared: what ``model.toml`` says.
    """

    input: int
    spec: TensorSpec
    shape: tuple[int, ...]
    row_axis: int | None
    values: tuple[Hashable, ...] | None
    default: Array | None
    declared: DeclaredConstant

    def check(self, array: Array, place: str) -> Array:
        """Return the constant as the model takes it, in memory of its own.

        Raises:
            InvalidInput: it is not what the model takes; ``place`` names it there.
        """
        name, datatype = self.spec.name, self.spec.datatype
        if array.dtype != DATATYPES[datatype].dtype:
            told = f"constant {name!r} is {datatype_of(array)}, the model takes {datatype}"
            raise InvalidInput(told, param=f"{place}.datatype", expected=datatype)
        shape = self._fitting(array.shape)
        if shape is None:
            told = f"constant {name!r} has shape {list(array.shape)}, the model takes {shape_text(self.shape)}"
            raise InvalidInput(told, param=f"{place}.shape", expected=shape_text(self.shape))
        if self.values is not None and (array.size != 1 or array.item() not in self.values):
            listed = ", ".join(map(str, self.declared.values or ()))
            told = f"constant {name!r} is {str(array.reshape(-1).tolist())[1:-1][:64]}, the model takes {listed}"
            raise InvalidInput(told, param=f"{place}.data", expected=f"one of {listed}")
        constant = np.array(array, order="C").reshape(shape)
        constant.flags.writeable = False
        return constant

    def _fitting(self, given: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return the shape that the model takes for one that is given; None if it is another."""
        single = tuple(1 if size == DYNAMIC else size for size in self.shape)
        rows = [] if self.row_axis is None else [(*given[: self.row_axis], 1, *given[self.row_axis :])]
        candidates = [given, *rows, *([single] if set(given) <= {1} and set(single) <= {1} else [])]
        return next((shape for shape in candidates if _fits(shape, self.shape)), None)

    def describe(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "name": self.spec.name,
            "datatype": self.spec.datatype,
            "shape": list(self.shape),
            "values": None if self.declared.values is None else list(self.declared.values),
            "default": self.declared.default,
        }


def settle_constant(tensors: Tensors, declared: DeclaredConstant) -> Constant:
    """Resolve one ``[[constant]]``.

    Raises:
        ModelUnavailable: it does not fit the model; one line.
    """
    at = tensors.input("[[constant]]", declared.input)
    spec, axis = tensors.inputs[at], tensors.inputs[at].batch_axis
    shape = tuple(1 if index == axis else size for index, size in enumerate(spec.shape))
    single = tuple(1 if size == DYNAMIC else size for size in shape)
    given = (*(declared.values or ()), *([] if declared.default is None else [declared.default]))
    if given and set(single) > {1}:
        raise fault(f"[[constant]] {spec.name!r} has shape {shape_text(shape)}: `values` and `default` are for single numbers")
    try:
        arrays = [filled(spec.datatype, single, value) for value in given]
    except ValueError as error:
        raise fault(f"[[constant]] {spec.name!r}: {error}") from None
    default = None if declared.default is None else arrays[-1]
    values = None if declared.values is None else tuple(array.item() for array in arrays[: len(declared.values)])
    if default is not None and values is not None and default.item() not in values:
        raise fault(f"[[constant]] {spec.name!r}: the default {declared.default} is none of its `values`")
    return Constant(at, spec, shape, axis, values, default, declared)


def given_constants(constants: Sequence[Constant], given: Mapping[str, Array]) -> dict[str, Array]:
    """Return every constant by name: as given, or by default.

    Raises:
        InvalidInput: one is not known, missing, or not what the model takes.
    """
    known = [constant.spec.name for constant in constants]
    for index, name in enumerate(given):
        if name not in known:
            told = f"{name[:64]!r} is no constant of this model"
            raise InvalidInput(told, param=f"constants[{index}].name", expected=f"constants {known}")
    settled: dict[str, Array] = {}
    for constant in constants:
        name = constant.spec.name
        if name in given:
            settled[name] = constant.check(given[name], f"constants[{list(given).index(name)}]")
        elif constant.default is not None:
            settled[name] = constant.default
        else:
            needed = [each.spec.name for each in constants if each.default is None]
            raise InvalidInput(f"the constant {name!r} is missing", param="constants", expected=f"constants {needed}")
    return settled


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(want in (DYNAMIC, got) for want, got in zip(wanted, shape, strict=True))
