"""How the elements of each datatype are written in JSON; nothing wrong is taken silently.

Elements are decoded in C into lists of one declared type: an integer is not a boolean, a float is not an integer. This module
does not know shapes, nor where in a message the elements were.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from .datatypes import BF16_DTYPE, Array, Datatype
from .limits import SAFE_INTEGER
from .shortest import shortest
from .tensors import array_of_objects

if TYPE_CHECKING:
    from msgspec import Raw


class Base64(msgspec.Struct, frozen=True, gc=False):
    """Bytes that are no text: ``{"b64": "…"}``."""

    b64: bytes


_SafeInteger = Annotated[int, Meta(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]
_Decimal = Annotated[str, Meta(max_length=20)]
_NonFinite = Literal["NaN", "Infinity", "-Infinity"]

_DECIMALS = re.compile("(?:-?[0-9]+,)*")

_WIDE = ("INT64", "UINT64")
_NARROW_FLOATS = ("FP16", "BF16", "FP32")
_FLOATS = (*_NARROW_FLOATS, "FP64")

_DESCRIPTIONS = {
    "BOOL": "true or false",
    "INT64": "integers, as decimal strings beyond ±(2^53-1)",
    "UINT64": "integers from 0, as decimal strings beyond 2^53-1",
    "BYTES": 'strings, or {"b64": "…"}',
    **dict.fromkeys(_FLOATS, 'numbers, "NaN", "Infinity" or "-Infinity"'),
}


def decode(text: Raw | bytes, datatype: Datatype, depth: int) -> Array:
    """Decode elements in lists nested ``depth`` deep; the array has the lists' shape.

    Raises:
        ValueError: if something else stands there, or if the lists are of uneven length.
        OverflowError: if a 64-bit integer is out of range.
        FloatingPointError: if a finite number is beyond the datatype's range.
    """
    name = datatype.name
    try:
        values = _decoder(name, depth, exact=True).decode(text)
    except msgspec.ValidationError:
        if name not in _WIDE and name not in _FLOATS:
            raise
        values = _decoder(name, depth, exact=False).decode(text)
        if name in _WIDE:
            values = _integers(np.array(values, object))
    convert = _CONVERTERS.get(name)
    return convert(values, datatype.dtype) if convert else np.array(values, datatype.dtype)


def encode(array: Array, name: str) -> list[Any]:
    """Give the elements of an array of the datatype ``name`` as a flat list that a JSON encoder then writes as it should be."""
    flat = array.ravel()
    if name == "BYTES":
        return [_text_or_base64(element) for element in flat.tolist()]
    if name == "BF16":
        flat = (flat.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if name in _NARROW_FLOATS:
        flat = shortest(flat, name)
    values: list[Any] = flat.tolist()
    if name in _FLOATS and not np.isfinite(flat).all():
        return [_finite_or_name(value) for value in values]
    if name in _WIDE and ((flat > SAFE_INTEGER) | (flat < -SAFE_INTEGER)).any():
        return [value if abs(value) <= SAFE_INTEGER else str(value) for value in values]
    return values


def description(datatype: Datatype) -> str:
    """Say for an error message what the elements should be."""
    if datatype.name in _DESCRIPTIONS:
        return _DESCRIPTIONS[datatype.name]
    info = np.iinfo(datatype.dtype)
    return f"integers from {info.min} to {info.max}"


@cache
def _decoder(name: str, depth: int, *, exact: bool) -> msgspec.json.Decoder[Any]:
    """Make the decoder for lists nested ``depth`` deep; the exact one is for elements all written as plain numbers."""
    element: Any
    if name in _FLOATS:
        element = float if exact else float | _NonFinite
    elif name in _WIDE:
        element = _SafeInteger if exact else _SafeInteger | _Decimal
    elif name == "BYTES":
        element = str | Base64
    elif name == "BOOL":
        element = bool
    else:
        info = np.iinfo(np.dtype(name.lower()))
        element = Annotated[int, Meta(ge=int(info.min), le=int(info.max))]
    for _ in range(depth):
        element = list[element]
    return msgspec.json.Decoder(element)


def _integers(values: Array) -> Array:
    flat = values.ravel().tolist()
    # All at once, since a pattern in the decoder costs a call for each; int() alone would take "1_000" and "+1".
    decimals = "".join(f"{value}," for value in flat if isinstance(value, str))
    if not _DECIMALS.fullmatch(decimals):
        raise ValueError("no decimal integer")
    if any(isinstance(value, list) for value in flat):
        raise ValueError("lists of uneven length")
    integers = np.empty(len(flat), object)
    integers[:] = [int(value) for value in flat]
    return integers.reshape(values.shape)


def _narrow(values: Any, dtype: np.dtype[Any]) -> Array:
    wide = np.array(values, np.float64)
    with np.errstate(over="raise"):
        return wide.astype(dtype)


def _bfloat16(values: Any, _: np.dtype[Any]) -> Array:
    single = _narrow(values, np.dtype(np.float32))
    flat = single.ravel()
    bits = flat.view(np.uint32)
    # Round half to even on the 16 bits that go; a NaN must not be rounded up to something else.
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    rounded[np.isnan(flat)] = 0x7FC0
    if ((rounded & 0x7FFF == 0x7F80) & np.isfinite(flat)).any():
        raise FloatingPointError("beyond the range of BF16")
    return rounded.view(BF16_DTYPE).reshape(single.shape)


def _objects(values: Any, _: np.dtype[Any]) -> Array:
    array = np.array(values, object)
    return array_of_objects([_bytes(item) for item in array.ravel().tolist()], array.shape)


def _bytes(item: str | Base64 | list[Any]) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, Base64):
        return item.b64
    raise ValueError("lists of uneven length")


def _text_or_base64(element: bytes) -> str | Base64:
    try:
        return element.decode()
    except UnicodeDecodeError:
        return Base64(element)


def _finite_or_name(value: float) -> float | str:
    if value - value == 0:
        return value
    return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")


_CONVERTERS = {"FP16": _narrow, "FP32": _narrow, "BF16": _bfloat16, "BYTES": _objects}
