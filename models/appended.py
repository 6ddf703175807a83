"""An array with another one behind it that are not yet one array: they are copied when a batch is put together. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array


class Appended:
    """Two arrays, the bytes of one behind those of the other, that stand for a single one.

    Attributes:
        first: the one in front.
        second: the one behind it, of the same datatype; both can be laid (see ``can_be_laid``).
        axis: along which it follows; every axis before that has one element.
    """

    __slots__ = ("axis", "first", "second")

    def __init__(self, first: Array, second: Array, axis: int) -> None:
        self.first = first
        self.second = second
        self.axis = axis

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the single one."""
        shape, axis = self.second.shape, self.axis
        return (*shape[:axis], self.first.shape[axis] + shape[axis], *shape[axis + 1 :])


def whole(array: Array | Appended) -> Array:
    """Return what may be in two parts as one array."""
    return laid_end_to_end([array]).reshape(array.shape) if isinstance(array, Appended) else array


def can_be_laid(array: Array | Appended) -> bool:
    """Tell whether an array holds bytes, and no pointers to text; it must lie row-major and without gaps."""
    return isinstance(array, Appended) or (array.nbytes > 0 and not array.dtype.hasobject)


def laid_end_to_end(arrays: Sequence[Array | Appended]) -> Array:
    """Return the elements of arrays that can be laid, one behind the other; all have one datatype.

    Nothing here lets go of the interpreter lock, which np.concatenate does once for each part: beside a busy event loop that
    costs ten times the copying.
    """
    parts: list[Any] = []  # numpy's types do not say that arrays are buffers
    for array in arrays:
        if isinstance(array, Appended):
            parts.append(array.first)
            parts.append(array.second)
        else:
            parts.append(array)
    elements: Array = np.frombuffer(b"".join(parts), parts[0].dtype)
    return elements
