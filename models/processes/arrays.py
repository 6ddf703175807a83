"""How tensors lie in shared memory: one after the other, each at a multiple of 64 bytes; BYTES as on the wire.

Pure: takes and gives arrays and memory. Small ones are copied without letting go of the interpreter lock, which would cost more
than the copying beside a busy event loop; for large ones it is let go of.
"""

from __future__ import annotations

import math
import struct
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from tidegate.codecs.datatypes import DATATYPES, datatype_of

from .messages import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.results import Array

_ALIGNMENT = 64
_SMALL_BYTES = 256 * 1024
_LENGTH = struct.Struct("<I")


def laid_out(arrays: Sequence[Array]) -> tuple[tuple[Tensor, ...], list[Array]]:
    """Return how arrays will lie, and the bytes of each."""
    payloads = [_bytes_of(array) for array in arrays]
    tensors = tuple(
        [Tensor(datatype_of(array), array.shape, payload.size) for array, payload in zip(arrays, payloads, strict=True)]
    )
    return tensors, payloads


def span(tensors: Sequence[Tensor]) -> int:
    """Return how many bytes tensors take together."""
    at = end = 0
    for tensor in tensors:
        end = at + tensor.nbytes
        at = _aligned(end)
    return end


def write(memory: Array, payloads: Sequence[Array]) -> None:
    """Copy the bytes of tensors into memory that has room for them."""
    at = 0
    for payload in payloads:
        end = at + payload.size
        if payload.size <= _SMALL_BYTES:
            memory.data[at:end] = payload.data
        else:
            np.copyto(memory[at:end], payload)
        at = _aligned(end)


def read(memory: Array, tensors: Sequence[Tensor]) -> list[Array]:
    """Return tensors as views of the memory in which they lie.

    Raises:
        ValueError: they cannot lie there in that way.
    """
    return [_array(tensor, part) for tensor, part in _parts(memory, tensors)]


def read_copies(memory: Array, tensors: Sequence[Tensor]) -> list[Array]:
    """Return tensors as arrays of their own; raises as ``read`` does."""
    used = memory[: span(tensors)]
    if used.size <= _SMALL_BYTES:
        return read(np.frombuffer(bytearray(used.data), np.uint8), tensors)
    return read(used.copy(), tensors)


def _parts(memory: Array, tensors: Sequence[Tensor]) -> Iterator[tuple[Tensor, Array]]:
    at = 0
    for tensor in tensors:
        end = at + tensor.nbytes
        if end > memory.size:
            raise ValueError(f"{end} bytes of tensors in {memory.size} bytes of memory")
        yield tensor, memory[at:end]
        at = _aligned(end)


def _aligned(end: int) -> int:
    return -(-end // _ALIGNMENT) * _ALIGNMENT


def _bytes_of(array: Array) -> Array:
    if array.dtype.hasobject:
        elements = array.reshape(-1).tolist()
        lengths = [_LENGTH.pack(len(element)) for element in elements]
        return np.frombuffer(b"".join(chain.from_iterable(zip(lengths, elements, strict=True))), np.uint8)
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _array(tensor: Tensor, part: Array) -> Array:
    datatype = DATATYPES.get(tensor.datatype)
    if datatype is None:
        raise ValueError(f"no datatype {tensor.datatype[:64]!r}")
    if datatype.dtype.hasobject:
        return _elements(tensor, part)
    if math.prod(tensor.shape) * datatype.itemsize != tensor.nbytes:
        raise ValueError(f"{tensor.nbytes} bytes for shape {list(tensor.shape)} of {datatype.name}")
    return part.view(datatype.dtype).reshape(tensor.shape)


def _elements(tensor: Tensor, part: Array) -> Array:
    data, at, count = part.tobytes(), 0, math.prod(tensor.shape)
    if _LENGTH.size * count > len(data):
        raise ValueError(f"{len(data)} bytes for shape {list(tensor.shape)} of BYTES")
    elements = np.empty(count, object)
    for index in range(count):
        start = at + _LENGTH.size
        at = start + int.from_bytes(data[at:start], "little")
        elements[index] = data[start:at]
    if at != len(data):
        raise ValueError("the elements of BYTES do not fill their place")
    return elements.reshape(tensor.shape)
