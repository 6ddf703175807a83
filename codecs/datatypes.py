"""The fourteen datatypes of a tensor and the numpy arrays that carry them.

An array's dtype alone tells its datatype. This module does not know how a tensor lies in a message, nor what a model accepts.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegate.errors import InvalidInput

Array = np.ndarray[Any, np.dtype[Any]]

BF16_DTYPE: np.dtype[Any] = np.dtype([("bf16", "<u2")])
"""The bits of a bfloat16. Structured, so that it differs from UINT16; ``.view(np.uint16)`` gives the bits."""


@dataclass(frozen=True, slots=True)
class Datatype:
    """One datatype.

    Attributes:
        name: its name on the wire.
        dtype: the numpy dtype of its arrays, little-endian; ``object`` (elements are ``bytes``) for BYTES.
        itemsize: bytes per element; 0 for BYTES, whose elements vary.
    """

    name: str
    dtype: np.dtype[Any]
    itemsize: int


def _table() -> dict[str, Datatype]:
    fixed: dict[str, Any] = {
        "BOOL": "?", "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
        "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
        "FP16": "<f2", "BF16": BF16_DTYPE, "FP32": "<f4", "FP64": "<f8",
    }  # fmt: skip
    table = {name: Datatype(name, np.dtype(code), np.dtype(code).itemsize) for name, code in fixed.items()}
    table["BYTES"] = Datatype("BYTES", np.dtype(object), 0)
    return table


DATATYPES: dict[str, Datatype] = _table()
"""Every datatype by its name: the allow-list, for what a client names is never handed to ``np.dtype``."""

# Keyed by dtype: numpy hashes equal dtypes alike, so `longlong` finds INT64 where the two are the same.
_NAME_OF: dict[np.dtype[Any], str] = {datatype.dtype: name for name, datatype in DATATYPES.items()}
_SUPPORTED = ", ".join(DATATYPES)


def datatype_of(value: Array | np.dtype[Any]) -> str:
    """Name the datatype of an array, or of a dtype.

    Raises:
        InvalidInput: if there is none for it, such as complex numbers, dates or big-endian numbers.
    """
    dtype = value if isinstance(value, np.dtype) else value.dtype
    name = _NAME_OF.get(dtype)
    if name is None:
        raise InvalidInput(f"no datatype for numpy's {dtype!s}", expected=f"one of {_SUPPORTED}, little-endian")
    return name


def normalise(value: Any) -> Array:
    """Make an array as the codecs and the engine want it: little-endian, C-contiguous, of a supported dtype.

    Takes what numpy takes: arrays, numbers, nested lists. Text becomes BYTES in UTF-8. ``ml_dtypes.bfloat16`` becomes BF16.
    Nothing is copied that is already right. An array of numpy's ``S`` has lost its trailing NULs before.

    Raises:
        InvalidInput: if no datatype fits.
    """
    array = _as_array(value)
    if array.dtype.kind in "OSUT":
        return _as_bytes(array)
    if array.dtype.name == "bfloat16":
        return np.asarray(array, order="C").view(np.uint16).view(BF16_DTYPE)
    dtype = array.dtype if array.dtype.names else array.dtype.newbyteorder("<")
    datatype_of(dtype)
    return np.asarray(array, dtype=dtype, order="C")


def _as_array(value: Any) -> Array:
    try:
        array = _guessed(value)
        # Of a list with text in it numpy makes all text, and drops trailing NULs: so it must not guess.
        return np.asarray(value, object) if array is None else array
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"cannot be made an array: {error}", expected="an array, or lists nested evenly") from error


def _guessed(value: Any) -> Array | None:
    try:
        array: Array = np.asarray(value)
    except UnicodeDecodeError:
        return None
    return None if array.dtype.kind in "SU" and not isinstance(value, np.ndarray | np.generic) else array


def _as_bytes(array: Array) -> Array:
    flat = np.empty(array.size, object)
    flat[:] = [_element(item) for item in array.ravel().tolist()]
    return flat.reshape(array.shape)


def _element(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if not isinstance(item, str):
        raise InvalidInput(f"an element is of type {type(item).__name__}", expected="bytes or str in every element")
    try:
        return item.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("an element holds a lone surrogate", expected="text that UTF-8 can carry") from error


if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("tidegate views message bytes as arrays, which takes a little-endian machine")
