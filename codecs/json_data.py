"""The ``data`` of tensors in a text message → arrays: lists that are flat, or nested as the tensor's shape says.

This module does not know how one element is written, which differs by datatype.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from . import json_elements
from .diagnosis import parsed, value_at
from .errors import Fault, Form
from .messages import NO_DATA, TensorHeader
from .tensors import measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .datatypes import Array, Datatype
    from .limits import Limits


_OPENING = re.compile(rb"[\s\[]*")


def read(headers: Sequence[TensorHeader], limits: Limits, field: str) -> dict[str, Array]:
    """Decode the tensors of a text message from the ``data`` in their headers.

    Raises:
        Fault: with ``param`` seen from the message, such as ``inputs[0].data`` where ``field`` is ``inputs``.
    """
    tensors: dict[str, Array] = {}
    try:
        for header in headers:
            datatype, count = measure(header, tensors, limits)
            tensors[header.name] = _data(header, datatype, count)
    except Fault as fault:
        raise fault.within(f"{field}[{len(tensors)}]") from None
    return tensors


def decode(raw: msgspec.Raw, datatype: Datatype, shape: tuple[int, ...], count: int) -> Array:
    """Decode the elements of a tensor whose header has been checked.

    Args:
        raw: the JSON text of the elements.
        datatype: what the header names.
        shape: the header's shape; nested lists must have it, or the list must be flat.
        count: its count of elements.

    Raises:
        Fault: with ``param`` seen from the data, such as ``[3]``, or empty.
    """
    depth = _depth(raw, len(shape), count)
    try:
        array = json_elements.decode(raw, datatype, depth)
    except (ValueError, OverflowError, RecursionError) as error:
        raise _fault(error, raw, datatype) from None
    except FloatingPointError:
        raise Fault("invalid_input", "", f"numbers that {datatype.name} can hold", "one beyond its range") from None
    # Of a nested tensor without elements, only the dimensions up to the first 0 can be seen.
    if array.size != count or (depth > 1 and array.shape != shape[: array.ndim if not count else None]):
        got = str(array.size) if depth <= 1 else f"lists nested as {list(array.shape)}"
        raise Fault("invalid_input", "", f"{count} elements, flat or nested as {list(shape)}", got)
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _data(header: TensorHeader, datatype: Datatype, count: int) -> Array:
    if header.data is NO_DATA:
        raise Fault("invalid_input", "data", "the elements, which a text message must hold", "nothing")
    try:
        return decode(header.data, datatype, header.shape, count)
    except Fault as fault:
        raise fault.within("data") from None


def _depth(raw: msgspec.Raw, rank: int, count: int) -> int:
    opening = _OPENING.match(raw)
    depth = opening.group().count(b"[") if opening else 0
    if depth in (1, rank) or (1 < depth < rank and not count):
        return depth
    expected = f"a flat list, or lists nested {rank} deep" if rank else "a number or a flat list"
    raise Fault("invalid_input", "", expected, f"lists nested {depth} deep" if depth else "no list")


def _fault(error: Exception, raw: msgspec.Raw, datatype: Datatype) -> Fault:
    place, got = "", "something else"
    if isinstance(error, msgspec.ValidationError):
        place, _, kind = parsed(error)
        got = value_at(place, bytes(raw), Form.TEXT) or kind or got
    elif "inhomogeneous" in str(error) or "uneven" in str(error):
        got = "lists of uneven length"
    elif isinstance(error, OverflowError):
        got = "an integer beyond its range"
    return Fault("invalid_input", place, json_elements.description(datatype), got)
