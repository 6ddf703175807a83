"""A model's inputs and outputs by name, and what one row of each looks like; for whoever reads what ``model.toml`` declares.

A stream is one row. Where a row lies is what the proof of batchability found; of a model that is not batched it is what
``[axes]`` says, or the one dimension of which nothing else is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import ModelUnavailable

from ..signature import DYNAMIC
from .values import shape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Model
    from ..signature import TensorSpec


def fault(text: str) -> ModelUnavailable:
    """Word what is wrong with a ``model.toml``."""
    return ModelUnavailable(f"model.toml: {text}")


class Tensors:
    """The inputs and outputs of one model.

    Attributes:
        inputs: in order.
        outputs: in order.
        batched: whether rows may be joined.
    """

    def __init__(self, model: Model) -> None:
        self.inputs = model.inputs
        self.outputs = model.outputs
        self.batched = model.batching.verdict != "none"
        self._axes = model.config.axes
        self._input_at = {spec.name: index for index, spec in enumerate(model.inputs)}
        self._output_at = {spec.name: index for index, spec in enumerate(model.outputs)}

    def input(self, table: str, name: str) -> int:
        """Return where an input is that a table names."""
        return _found(self._input_at, table, "input", name)

    def output(self, table: str, name: str) -> int:
        """Return where an output is that a table names."""
        return _found(self._output_at, table, "output", name)

    def row_axis(self, index: int, *, free: frozenset[int] = frozenset(), declared: int | None = None) -> int | None:
        """Return the axis along which an input's rows lie; None if it has none.

        Args:
            index: the input's place.
            free: axes along which it is longer or shorter as it pleases.
            declared: what a table says of it.
        """
        spec = self.inputs[index]
        if self.batched:
            return spec.batch_axis
        if declared is not None:
            return declared
        if spec.name in self._axes:
            return self._axes[spec.name]
        unknown = [axis for axis, size in enumerate(spec.shape) if size == DYNAMIC and axis not in free]
        return unknown[0] if len(unknown) == 1 else None


def row_shape(spec: TensorSpec, known: Mapping[int, int], hint: str) -> tuple[int, ...]:
    """Return the shape of one row of a tensor.

    Args:
        spec: the tensor.
        known: sizes of axes that are known from elsewhere.
        hint: where to say what is missing.
    """
    shape = tuple(known.get(axis, size) for axis, size in enumerate(spec.shape))
    if DYNAMIC in shape:
        raise fault(f"dimension {shape.index(DYNAMIC)} of {spec.name!r} has no fixed size: {hint}")
    return shape


def check_axis(table: str, spec: TensorSpec, axis: int) -> None:
    """Refuse an axis that a tensor does not have."""
    if axis >= len(spec.shape):
        raise fault(f"{table} names axis {axis} of {spec.name!r}, which has shape {shape_text(spec.shape)}")


def _found(known: Mapping[str, int], table: str, what: str, name: str) -> int:
    if name not in known:
        raise fault(f"{table} names the {what} {name!r}; the model has {', '.join(known) or 'none'}")
    return known[name]
