"""What a step has to bring: the check of one input of a stream. Pure.

What was once found good is remembered by its shape, so that the usual step costs a look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.codecs.datatypes import DATATYPES, datatype_of
from tidegate.errors import InvalidInput

from ..signature import DYNAMIC
from .tensors import fault
from .values import shape_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.results import Array

    from ..signature import TensorSpec
    from .carry import Carry
    from .chunk import Chunk

_REMEMBERED_SHAPES = 256  # at the bound, all are forgotten
_INT16 = np.dtype("<i2")
_SCALE = np.float32(1 / 32768)


class Take:
    """One input that every step brings.

    Attributes:
        name: of the input.
        input: its place in the model's signature.
        shape: what it must have: of one row, without what is carried; -1 where the step chooses.
    """

    __slots__ = ("_chunk", "_cuts", "_dtype", "_good", "_row_axis", "_scales", "_spec", "input", "name", "shape")

    def __init__(
        self,
        spec: TensorSpec,
        at: int,
        row_axis: int | None,
        *,
        carry: Carry | None = None,
        chunk: Chunk | None = None,
        cuts: bool = False,
        scales: bool = False,
    ) -> None:
        """Take an input and what is settled about it.

        Args:
            spec: the input.
            at: its place.
            row_axis: where its row lies; None if that is not known.
            carry: what is put before it.
            chunk: the lengths that the model takes.
            cuts: whether any length may come all the same, since it is cut; what comes is then scaled chunk by chunk.
            scales: whether INT16 may come.

        Raises:
            ModelUnavailable: what is carried and the lengths of chunks do not make the model's input; one line.
        """
        self.name = spec.name
        self.input = at
        self.shape = tuple(1 if axis == row_axis else _room(spec, axis, carry) for axis in range(len(spec.shape)))
        self._spec = spec
        self._row_axis = row_axis
        self._chunk = None if cuts else chunk
        self._cuts = cuts
        self._dtype: np.dtype[Any] = DATATYPES[spec.datatype].dtype
        self._scales = scales
        self._good: set[tuple[int, ...]] = set()
        if chunk is not None:
            self._check_lengths(chunk)
            self.shape = tuple(DYNAMIC if axis == chunk.axis else size for axis, size in enumerate(self.shape))

    def check(self, array: Array, inputs: Mapping[str, Array]) -> Array:
        """Return what a step brings as the model takes it; ``inputs`` are all that it brings.

        Raises:
            InvalidInput: the datatype, the shape or the length is not what the stream takes.
        """
        if array.dtype is not self._dtype and array.dtype != self._dtype:
            array = self._converted(array, inputs)
        axis = self._row_axis
        if axis is not None and array.ndim == len(self.shape) - 1:
            array = array.reshape(*array.shape[:axis], 1, *array.shape[axis:])
        if array.shape not in self._good:
            self._learn(array.shape, inputs)
        return array

    def _converted(self, array: Array, inputs: Mapping[str, Array]) -> Array:
        if self._scales and array.dtype == _INT16:
            return array if self._cuts else scaled(array)
        datatype = self._spec.datatype
        expected = f"{datatype} or INT16" if self._scales else datatype
        told = f"input {self.name!r} is {datatype_of(array)}, the stream takes {expected}"
        raise InvalidInput(told, param=place_of(self.name, inputs, "datatype"), expected=expected)

    def _learn(self, shape: tuple[int, ...], inputs: Mapping[str, Array]) -> None:
        self._check_shape(shape, inputs)
        if len(self._good) >= _REMEMBERED_SHAPES:
            self._good.clear()
        self._good.add(shape)

    def _check_shape(self, shape: tuple[int, ...], inputs: Mapping[str, Array]) -> None:
        place = place_of(self.name, inputs, "shape")
        fits = len(shape) == len(self.shape) and all(
            want in (DYNAMIC, got) for want, got in zip(self.shape, shape, strict=True)
        )
        if not fits:
            told = f"input {self.name!r} has shape {list(shape)}, the stream takes {shape_text(self.shape)}"
            raise InvalidInput(told, param=place, expected=shape_text(self.shape))
        chunk = self._chunk
        if chunk is not None and shape[chunk.axis] not in chunk.lengths:
            expected = f"{' or '.join(map(str, chunk.lengths))} along axis {chunk.axis}{chunk.told}"
            told = f"input {self.name!r} has {shape[chunk.axis]} elements along axis {chunk.axis}, a step takes {expected}"
            raise InvalidInput(told, param=place, expected=expected)

    def _check_lengths(self, chunk: Chunk) -> None:
        room = self.shape[chunk.axis]
        if odd := [length for length in chunk.lengths if room not in (DYNAMIC, length)]:
            raise fault(f"[chunk] {self.name!r} has room for {room} along axis {chunk.axis}, not for {odd[0]}")


def scaled(array: Array) -> Array:
    """Return INT16 as FP32, from -1 to 1; anything else as it is."""
    return array.astype(np.float32) * _SCALE if array.dtype == _INT16 else array


def place_of(name: str, inputs: Mapping[str, Array], field: str) -> str:
    """Name the place of an input in a step."""
    return f"inputs[{list(inputs).index(name)}].{field}"


def unexpected_names(takes: Sequence[Take], inputs: Mapping[str, Array], kept: Mapping[str, str]) -> InvalidInput:
    """Word the refusal of a step that brings other inputs than the stream takes.

    Args:
        takes: what it must bring.
        inputs: what it brings.
        kept: the model's other inputs, and in words where they come from.
    """
    names = [take.name for take in takes]
    missing = [name for name in names if name not in inputs]
    surplus = [name for name in inputs if name not in names]
    told = [f"missing {missing}"] if missing else []
    told += [f"{name[:64]!r} {kept.get(name, 'is no input of this model')}" for name in surplus[:8]]
    place = place_of(surplus[0], inputs, "name") if surplus else "inputs"
    return InvalidInput(f"inputs: {'; '.join(told)}", param=place, expected=f"inputs {names}")


def _room(spec: TensorSpec, axis: int, carry: Carry | None) -> int:
    size = spec.shape[axis]
    if carry is None or carry.axis != axis or size == DYNAMIC:
        return size
    if carry.keep >= size:
        raise fault(f"[[carry]] keeps {carry.keep} of {spec.name!r}, which has {size} along axis {axis}")
    return size - carry.keep
