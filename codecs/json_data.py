"""The ``data`` of tensors in a text message → arrays: lists that are flat, or nested as the tensor's shape says.

This module does not know how one element is written, which differs by datatype.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from . import json_elements, json_pieces
from .diagnosis import parsed, value_at
from .errors import Fault, Form
from .parts import NO_DATA, TensorHeader
from .tensors import measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .datatypes import Array, Datatype
    from .limits import Limits
    from .steps import Steps


_OPENING = re.compile(rb"[\s\[]*")
_FIRST_INDEX = re.compile(r"\[(\d+)\]")


def read(headers: Sequence[TensorHeader], limits: Limits, field: str) -> Steps[dict[str, Array]]:
    """Decode the tensors of a text message from the ``data`` in their headers.

    Raises:
        Fault: with ``param`` seen from the message, such as ``inputs[0].data`` where ``field`` is ``inputs``.
    """
    tensors: dict[str, Array] = {}
    try:
        for header in headers:
            datatype, count = measure(header, tensors, limits)
            tensors[header.name] = yield from _data(header, datatype, count)
    except Fault as fault:
        raise fault.within(f"{field}[{len(tensors)}]") from None
    return tensors


def decode(raw: msgspec.Raw, datatype: Datatype, shape: tuple[int, ...], count: int) -> Steps[Array]:
    """Decode the elements of a tensor whose header has been checked; long lists piece by piece.

    Args:
        raw: the JSON text of the elements.
        datatype: what the header names.
        shape: the header's shape; nested lists must have it, or the list must be flat.
        count: its count of elements.

    Raises:
        Fault: with ``param`` seen from the data, such as ``[3]``, or empty.
    """
    depth = _depth(raw, len(shape), count)
    if len(raw) > json_pieces.PIECE_BYTES and depth:
        array = yield from _long(raw, datatype, shape, depth)
    else:
        array = _elements(raw, datatype, depth)
    # Of a nested tensor without elements, only the dimensions up to the first 0 can be seen.
    if array.size != count or (depth > 1 and array.shape != shape[: array.ndim if not count else None]):
        got = str(array.size) if depth <= 1 else f"lists nested as {list(array.shape)}"
        raise Fault("invalid_input", "", f"{count} elements, flat or nested as {list(shape)}", got)
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _data(header: TensorHeader, datatype: Datatype, count: int) -> Steps[Array]:
    if header.data is NO_DATA:
        raise Fault("invalid_input", "data", "the elements, which a text message must hold", "nothing")
    try:
        return (yield from decode(header.data, datatype, header.shape, count))
    except Fault as fault:
        raise fault.within("data") from None


def _elements(raw: msgspec.Raw | bytes, datatype: Datatype, depth: int) -> Array:
    try:
        return json_elements.decode(raw, datatype, depth)
    except (ValueError, OverflowError, RecursionError) as error:
        raise _fault(error, raw, datatype) from None
    except FloatingPointError:
        raise Fault("invalid_input", "", f"numbers that {datatype.name} can hold", "one beyond its range") from None


def _long(raw: msgspec.Raw, datatype: Datatype, shape: tuple[int, ...], depth: int) -> Steps[Array]:
    # Of a nested tensor without elements, only the dimensions up to the first 0 can be seen.
    nesting = shape[:depth] if depth > 1 else (prod(shape),)
    count = prod(nesting)
    arrays = [np.empty(0, datatype.dtype)]
    done = 0
    try:
        for piece in json_pieces.pieces(bytes(raw), nesting, any_text=datatype.name == "BYTES"):
            if count:
                arrays.append(_elements(piece, datatype, 1))
                done += arrays[-1].size
            elif not json_pieces.is_blank(piece):
                raise json_pieces.WrongNesting
            yield
    except json_pieces.WrongNesting:
        expected = f"{prod(shape)} elements, flat or nested as {list(shape)}"
        raise Fault("invalid_input", "", expected, "another number, or lists nested otherwise") from None
    except Fault as fault:
        raise _moved(fault, done, nesting) from None
    array = np.concatenate(arrays)
    return array.reshape(nesting) if array.size == count else array


def _moved(fault: Fault, before: int, nesting: tuple[int, ...]) -> Fault:
    """Give the fault of a piece as seen from the whole list, of which so many elements lie before it."""
    index = _FIRST_INDEX.match(fault.param)
    if index is None:
        return fault
    place = np.unravel_index(before + int(index[1]), nesting)
    param = "".join(f"[{number}]" for number in place) + fault.param[index.end() :]
    return Fault(fault.code, param, fault.expected, fault.got)


def _depth(raw: msgspec.Raw, rank: int, count: int) -> int:
    opening = _OPENING.match(raw)
    depth = opening.group().count(b"[") if opening else 0
    if depth in (1, rank) or (1 < depth < rank and not count):
        return depth
    expected = f"a flat list, or lists nested {rank} deep" if rank else "a number or a flat list"
    raise Fault("invalid_input", "", expected, f"lists nested {depth} deep" if depth else "no list")


def _fault(error: Exception, raw: msgspec.Raw | bytes, datatype: Datatype) -> Fault:
    place, got = "", "something else"
    if isinstance(error, msgspec.ValidationError):
        place, _, kind = parsed(error)
        got = value_at(place, bytes(raw), Form.TEXT) or kind or got
    elif "inhomogeneous" in str(error) or "uneven" in str(error):
        got = "lists of uneven length"
    elif isinstance(error, OverflowError):
        got = "an integer beyond its range"
    return Fault("invalid_input", place, json_elements.description(datatype), got)
