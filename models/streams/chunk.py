"""How long what a step brings may be. Resolves ``[chunk]``; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .carry import zeros
from .choice import Choice
from .tensors import check_axis, fault

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tidegate.results import Array

    from ..signature import TensorSpec
    from .constants import Constant
    from .declared import DeclaredChunk
    from .tensors import Tensors


@dataclass(frozen=True, slots=True)
class Chunk:
    """The chunks of one stream.

    Attributes:
        input: place of the input.
        axis: along which its length is counted.
        lengths: the lengths that are allowed.
        told: what they depend on, for a person; empty if on nothing.
    """

    input: int
    axis: int
    lengths: tuple[int, ...]
    told: str = ""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left over when what arrives is cut into chunks.

    Attributes:
        key: its name in a stream's state.
        input: place of the input.
        axis: along which it is cut.
        length: of a chunk; what is left over is shorter.
        initial: nothing.
    """

    key: str
    input: int
    axis: int
    length: int
    initial: Array


@dataclass(frozen=True, slots=True)
class ChunkRule:
    """The ``[chunk]`` of a model.

    Attributes:
        spec: the input.
        input: its place.
        axis: along which its length is counted.
        lengths: the lengths that are allowed.
        rebuffer: whether any length may come.
        scale_int16: whether INT16 may come.
        row_axis: where the row lies; None if that is not known.
    """

    spec: TensorSpec
    input: int
    axis: int
    lengths: Choice[tuple[int, ...]]
    rebuffer: bool
    scale_int16: bool
    row_axis: int | None

    def describe(self) -> dict[str, Any]:
        """Return the lengths as JSON-able data: a list, or one for each value of the constant ``by``."""
        lengths = self.lengths
        return {"axis": self.axis, "lengths": lengths.declared, "by": lengths.constant, "rebuffer": self.rebuffer}

    def settled(self, values: Mapping[str, Hashable]) -> Chunk:
        """Return what holds for a stream with these values of the constants."""
        by = self.lengths.constant
        told = "" if by is None else f" for {by} = {values[by]}"
        return Chunk(self.input, self.axis, self.lengths.of(values), told)

    def rest(self, chunk: Chunk) -> Rest | None:
        """Return what is kept of what arrives; None if chunks must come as they are.

        Raises:
            ModelUnavailable: there is not one length alone, or nothing can be made up that is put before the first; one line.
        """
        if not self.rebuffer:
            return None
        if len(chunk.lengths) != 1:
            raise fault(f"[chunk] `rebuffer` needs one length, not {list(chunk.lengths)}")
        (length,) = chunk.lengths
        return Rest(
            f"rest:{self.spec.name}", self.input, self.axis, length, zeros("[chunk]", self.spec, self.row_axis, self.axis, 0)
        )


def settle_chunk(tensors: Tensors, declared: DeclaredChunk, constants: Sequence[Constant]) -> ChunkRule:
    """Resolve ``[chunk]``.

    Raises:
        ModelUnavailable: it does not fit the model; one line.
    """
    at = tensors.input("[chunk]", declared.input)
    spec = tensors.inputs[at]
    check_axis("[chunk]", spec, declared.axis)
    row_axis = tensors.row_axis(at, free=frozenset({declared.axis}))
    if row_axis == declared.axis:
        raise fault(f"[chunk] {spec.name!r} has no length along axis {row_axis}: its rows lie there")
    if declared.scale_int16 and spec.datatype != "FP32":
        raise fault(f"[chunk] `scale_int16` is for FP32, and {spec.name!r} is {spec.datatype}")
    lengths = Choice("[chunk] `lengths`", declared.lengths, declared.by, constants)
    return ChunkRule(spec, at, declared.axis, lengths, declared.rebuffer, declared.scale_int16, row_axis)
