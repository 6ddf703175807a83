"""A result that is too large to be copied, or to be written at all, on the event loop. Knows no connection and no thread.

Tensors go out as views of the run's outputs where that keeps not much more memory than the answer needs; a row of a large
batch is copied out, since its view would keep the whole batch. Copies, texts and long lists of strings take long, so they are
left to another thread (``slow``); what remains for the event loop is a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate.codecs import writer
from tidegate.codecs.errors import Form
from tidegate.codecs.tensors import contiguous

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.codecs.messages import Message
    from tidegate.results import Array

    Piece = bytes | memoryview

LARGE_BYTES = 65_536
_KEEPS_AT_MOST = 2  # times the bytes of a view
_TEXT_ELEMENTS = 4096  # half a millisecond
_STRINGS = 2048
_LETTERS = 12  # of a number as text, on average and with its comma


def is_large(arrays: Iterable[Array], form: Form) -> bool:
    """Tell whether a result with these tensors must not be written on the event loop in one go."""
    elements = nbytes = strings = 0
    for array in arrays:
        elements += array.size
        nbytes += bytes_of(array)
        strings += array.size if array.dtype.hasobject else 0
    return nbytes >= LARGE_BYTES or strings > _STRINGS or (form is Form.TEXT and elements > _TEXT_ELEMENTS)


class LargeResult:
    """One result, not written yet.

    Attributes:
        nbytes: about how many bytes it takes.
        slow: whether it has to be written on another thread.
    """

    __slots__ = ("_arrays", "_form", "_result", "_surplus", "_views", "nbytes", "slow")

    def __init__(self, result: Message, form: Form, arrays: Mapping[str, Array]) -> None:
        self._result = result
        self._form = form
        self._arrays = arrays
        text = form is Form.TEXT
        self.nbytes = sum(bytes_of(array, text=text) for array in arrays.values())
        large = {name for name, array in arrays.items() if bytes_of(array) >= LARGE_BYTES or _many(array)}
        self._views, self._surplus = (set[str](), 0) if text else _views({name: arrays[name] for name in large})
        # Nothing large in it: then many like it were copied on the event loop already.
        self.slow = text or not large or self._views != large

    def pieces(self) -> tuple[list[Piece], int]:
        """Write it; give the pieces of its message, and the memory that they keep beyond their own bytes.

        Raises:
            TidegateError: an output cannot be written.
        """
        arrays = self._arrays
        if self._form is not Form.TEXT:
            arrays = {name: array if name in self._views else _copied(array) for name, array in arrays.items()}
        return writer.pieces(self._result, self._form, arrays), self._surplus


def owned(array: Array) -> Array:
    """Return an array that may be kept: itself, or a copy if it is a small part of the memory that it would keep."""
    return array if array.dtype.hasobject or _owner(array).nbytes <= _KEEPS_AT_MOST * array.nbytes else array.copy()


def _views(large: Mapping[str, Array]) -> tuple[set[str], int]:
    """Choose the tensors that go as views; tell what these keep in memory beyond their own bytes."""
    fit = {name: array for name, array in large.items() if not array.dtype.hasobject and array.flags.c_contiguous}
    owners = {name: _owner(array) for name, array in fit.items()}
    used: dict[int, int] = {}
    for name, array in fit.items():
        used[id(owners[name])] = used.get(id(owners[name]), 0) + array.nbytes
    views = {name for name, owner in owners.items() if owner.nbytes <= _KEEPS_AT_MOST * used[id(owner)]}
    kept = {id(owners[name]): owners[name].nbytes - used[id(owners[name])] for name in views}
    return views, max(0, sum(kept.values()))


def _owner(array: Array) -> Array:
    """Return the array whose memory a view keeps."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _copied(array: Array) -> Array:
    if array.dtype.hasobject:
        return array
    if not array.flags.c_contiguous:
        return contiguous(array)
    # As bytes, for which numpy lets go of the interpreter lock.
    return array.reshape(-1).view(np.uint8).copy().view(array.dtype).reshape(array.shape)


def _many(array: Array) -> bool:
    return array.dtype.hasobject and array.size > _STRINGS


def bytes_of(array: Array, *, text: bool = False) -> int:
    """Return about how many bytes an array takes in a message."""
    if not array.dtype.hasobject:
        return _LETTERS * array.size if text else array.nbytes
    looked_at = array.ravel()[:_STRINGS].tolist()
    found = sum(4 + len(element) for element in looked_at if isinstance(element, bytes))
    return found * array.size // max(1, len(looked_at))
