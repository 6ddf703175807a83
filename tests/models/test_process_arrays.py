"""How tensors lie in shared memory: whatever goes in comes out, and what cannot lie there is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.codecs.datatypes import DATATYPES
from tidegate.models.processes import arrays
from tidegate.models.processes.messages import Tensor

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    """An array of any datatype and shape, of any bits, with zero sizes and sometimes not in one piece."""
    datatype = DATATYPES[draw(st.sampled_from(sorted(DATATYPES)))]
    shape = draw(shapes)
    count = math.prod(shape)
    if datatype.dtype.hasobject:
        array = np.empty(count, object)
        array[:] = draw(st.lists(st.binary(max_size=9), min_size=count, max_size=count))
    elif datatype.name == "BOOL":
        array = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
    else:
        size = count * datatype.itemsize
        array = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), datatype.dtype)
    array = array.reshape(shape)
    return array.T if draw(st.booleans()) else array


def same(one: Any, other: Any) -> bool:
    """Tell whether two arrays agree in datatype, shape and every bit."""
    if one.dtype.hasobject:
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tolist() == other.tolist())
    return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())


def all_same(some: list[Any], others: list[Any]) -> bool:
    return all(same(one, other) for one, other in zip(some, others, strict=True))


def laid(given: list[Any]) -> tuple[tuple[Tensor, ...], Any]:
    described, payloads = arrays.laid_out(given)
    memory = np.zeros(arrays.span(described), np.uint8)
    arrays.write(memory, payloads)
    return described, memory


@given(st.lists(tensors(), max_size=5))
def test_what_goes_in_comes_out(given: list[Any]) -> None:
    """Tensors of all datatypes and shapes come out with the same bits, as views and as copies."""
    described, memory = laid(given)
    for read in (arrays.read, arrays.read_copies):
        assert all_same(read(memory, described), given)


@given(st.lists(tensors(), max_size=5))
def test_copies_outlive_the_memory(given: list[Any]) -> None:
    """Copies do not change when the memory is used again."""
    described, memory = laid(given)
    copies = arrays.read_copies(memory, described)
    memory[:] = 0xAA
    assert all_same(copies, given)


@pytest.mark.parametrize("size", [256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 1_000_003])
def test_large_tensors(size: int) -> None:
    """What is copied in the other way, being large, comes out just so."""
    given = [np.arange(size, dtype=np.uint8), np.arange(size, dtype="<f8")]
    described, memory = laid(given)
    assert all_same(arrays.read_copies(memory, described), given)


def test_each_begins_aligned() -> None:
    """Every tensor lies at a multiple of 64 bytes, and the last one is not padded."""
    given = [np.zeros(size, np.uint8) for size in (1, 64, 65, 3)]
    described, memory = laid(given)
    starts = [view.ctypes.data - memory.ctypes.data for view in arrays.read(memory, described)]
    assert starts == [0, 64, 128, 256]
    assert memory.size == 259


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("FP32", (3,), 12),
        Tensor("FP32", (1,), 8),
        Tensor("FP32", (2**40, 2**40), 8),
        Tensor("FLOAT", (2,), 8),
        Tensor("BYTES", (3,), 8),
        Tensor("BYTES", (2**60,), 8),
        Tensor("BYTES", (1,), 8),
        Tensor("BYTES", (1,), 4),
    ],
)
def test_what_cannot_lie_there_is_refused(tensor: Tensor) -> None:
    """Too little memory, sizes that do not agree, and elements beyond the end raise ValueError."""
    memory = np.frombuffer(b"\x01\0\0\0\0\0\0\0", np.uint8)
    for read in (arrays.read, arrays.read_copies):
        with pytest.raises(ValueError):
            read(memory, [tensor])
