"""Small things about arrays that all of a stream's parts share: filled with a value, joined, their end, a row of their own.

On the event loop it matters that little of this lets go of the interpreter lock, since taking it again beside a busy compute
thread costs more than the copying. numpy lets go of it to join and to copy more than 500 elements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.codecs.datatypes import BF16_DTYPE, DATATYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from ..batch import Run

_AT_ONCE_BYTES = 2000
_SMALL_BYTES = 64 * 1024


def filled(datatype: str, shape: tuple[int, ...], value: bool | float | str) -> Array:
    """Return an array that holds one value everywhere and cannot be written.

    Raises:
        ValueError: the datatype cannot hold it.
    """
    array = np.empty(shape, DATATYPES[datatype].dtype)
    array[...] = _element(datatype, value)
    array.flags.writeable = False
    return array


def _element(datatype: str, value: bool | float | str) -> Any:
    if datatype == "BYTES" or isinstance(value, str):
        if datatype == "BYTES" and isinstance(value, str):
            return value.encode()
        raise ValueError(f"{value!r} is no {datatype}")
    if datatype == "BF16":
        return (np.float32(value).view(np.uint32) >> 16).astype(np.uint16).view(BF16_DTYPE)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            element = DATATYPES[datatype].dtype.type(value)
    except OverflowError:
        raise ValueError(f"{value!r} is no {datatype}") from None
    if element.dtype.kind != "f" and element != value:
        raise ValueError(f"{value!r} is no {datatype}")
    return element


def joined(first: Array, second: Array, axis: int) -> Array:
    """Return two arrays as one, one behind the other along an axis."""
    if not first.shape[axis]:
        return second
    lead = first.shape[:axis]
    if lead.count(1) != axis or first.nbytes + second.nbytes > _SMALL_BYTES or first.dtype.hasobject:
        return np.concatenate((first, second), axis)
    length = first.shape[axis] + second.shape[axis]
    data = first.tobytes() + second.tobytes()
    return np.frombuffer(data, first.dtype).reshape(*lead, length, *first.shape[axis + 1 :])


def tail(array: Array, axis: int, keep: int) -> Array:
    """Return the last elements along an axis, as an array of their own."""
    start = array.shape[axis] - keep
    return own(array[(slice(None),) * axis + (slice(start, None),)])


def part(array: Array, axis: int, start: int, stop: int) -> Array:
    """Return elements ``start`` to ``stop`` along an axis, as a view."""
    return array[(slice(None),) * axis + (slice(start, stop),)]


def own(view: Array) -> Array:
    """Return a copy, which keeps nothing else in memory."""
    if view.nbytes <= _AT_ONCE_BYTES or not view.flags.c_contiguous or view.dtype.hasobject:
        return view.copy()
    return np.frombuffer(view.tobytes(), view.dtype).reshape(view.shape)


def own_rows(run: Run, index: int, start: int, stop: int) -> Array:
    """Return rows of one output of a run; they are copied unless the run had no others."""
    if stop - start == run.size:
        return run.outputs[index]
    if run.apart is not None and stop - start == 1:
        rows = run.apart.get(index) or _take_apart(run, index)
        return rows[start]
    return own(run.rows(index, start, stop))


def _take_apart(run: Run, index: int) -> list[Array]:
    """Return copies of all rows of one output; together they take half the time."""
    output, axis = run.outputs[index], run.model.outputs[index].batch_axis
    if axis is None:
        rows = [own(output) for _ in range(run.size)]
    else:
        split = output[(slice(None),) * (axis + 1) + (None,)]
        views = split.transpose(axis, *range(axis), *range(axis + 1, split.ndim))
        rows = [view.copy() for view in views] if views[0].nbytes <= _AT_ONCE_BYTES else [own(view) for view in views]
    assert run.apart is not None
    run.apart[index] = rows
    return rows


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape for a person; what is not fixed is any."""
    return "[" + ", ".join("any" if size < 0 else str(size) for size in shape) + "]"
