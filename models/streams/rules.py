"""What was declared or found of a model's inputs, resolved: where each of them comes from in a step. Pure.

An input is a state, a constant, made by a loop, or brought by each step; what is brought may be carried and cut into chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from ..signature import DYNAMIC
from .fixed import Fixed
from .takes import Take

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from tidegate.results import Array

    from .carry import Carry, CarryRule
    from .chunk import ChunkRule, Rest
    from .constants import Constant
    from .states import HeldState
    from .tensors import Tensors


@dataclass(frozen=True, slots=True)
class Rules:
    """Where the inputs of a model come from.

    Attributes:
        tensors: the model's.
        states: outputs that are inputs of the next step.
        constants: inputs that are given once.
        carries: inputs of which the end is put before the next.
        chunk: the input that comes in chunks, if one does.
        made: names of the inputs that a loop makes.
    """

    tensors: Tensors
    states: tuple[HeldState, ...] = ()
    constants: tuple[Constant, ...] = ()
    carries: tuple[CarryRule, ...] = ()
    chunk: ChunkRule | None = None
    made: frozenset[str] = frozenset()

    @property
    def kept(self) -> dict[str, str]:
        """The inputs that no step brings, and in words where they come from."""
        kept = {state.spec.name: "is kept by the gateway from step to step" for state in self.states}
        kept |= {constant.spec.name: "is a constant, given when the stream is opened" for constant in self.constants}
        return kept | dict.fromkeys(self.made, "is made by the gateway")

    @property
    def brought(self) -> tuple[int, ...]:
        """Places of the inputs that each step brings."""
        kept = self.kept
        return tuple(index for index, spec in enumerate(self.tensors.inputs) if spec.name not in kept)

    def check(self) -> None:
        """Settle every kind of stream once.

        Raises:
            ModelUnavailable: what was declared does not fit together; one line.
        """
        choices = [carry.keep.constant for carry in self.carries]
        choices += [] if self.chunk is None else [self.chunk.lengths.constant]
        known = [constant for constant in self.constants if constant.spec.name in choices]
        for values in product(*(constant.values or () for constant in known)):
            self._parts({constant.spec.name: value for constant, value in zip(known, values, strict=True)})

    def fixed(self, constants: dict[str, Array]) -> Fixed:
        """Return what is settled for a stream that was opened with these constants."""
        takes, carries, rest = self._parts({name: array.item() for name, array in constants.items() if array.size == 1})
        template = [constants.get(spec.name) for spec in self.tensors.inputs]
        return Fixed(template, constants, self.states, takes, carries, rest, self.kept)

    def describe_inputs(self) -> list[dict[str, Any]]:
        """Return what a step brings, as JSON-able data."""
        return [self._described(index) for index in self.brought]

    def _parts(self, values: Mapping[str, Hashable]) -> tuple[list[Take], list[Carry], Rest | None]:
        carries = {rule.input: rule.settled(values) for rule in self.carries}
        takes = [self._take(index, carries.get(index), values) for index in self.brought]
        rest = None if self.chunk is None else self.chunk.rest(self.chunk.settled(values))
        return takes, list(carries.values()), rest

    def _take(self, index: int, carry: Carry | None, values: Mapping[str, Hashable]) -> Take:
        spec, row_axis, chunk = self.tensors.inputs[index], self._row_axis(index), self.chunk
        if chunk is None or chunk.input != index:
            return Take(spec, index, row_axis, carry=carry)
        settled = chunk.settled(values)
        return Take(spec, index, row_axis, carry=carry, chunk=settled, cuts=chunk.rebuffer, scales=chunk.scale_int16)

    def _row_axis(self, index: int) -> int | None:
        """Return where the row of a brought input lies; None if nothing is known of it, so that any shape may come."""
        if self.tensors.batched:
            return self.tensors.inputs[index].batch_axis
        return next((rule.row_axis for rule in self._continued(index)), None)

    def _continued(self, index: int) -> list[CarryRule | ChunkRule]:
        """Return what is said of an input's length."""
        rules: list[CarryRule | ChunkRule] = [*self.carries, *([] if self.chunk is None else [self.chunk])]
        return [rule for rule in rules if rule.input == index]

    def _described(self, index: int) -> dict[str, Any]:
        spec, row_axis = self.tensors.inputs[index], self._row_axis(index)
        free = {rule.axis for rule in self._continued(index)}
        shape = [1 if axis == row_axis else DYNAMIC if axis in free else size for axis, size in enumerate(spec.shape)]
        described: dict[str, Any] = {"name": spec.name, "datatypes": [spec.datatype], "shape": shape}
        if self.chunk is not None and self.chunk.input == index:
            described["datatypes"] += ["INT16"] if self.chunk.scale_int16 else []
            described["chunk"] = self.chunk.describe()
        return described
