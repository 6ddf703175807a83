"""Tensor headers and the bytes behind them ⇄ arrays; what is decoded is a read-only view on the message's own bytes.

Sizes are products of Python integers, which never wrap. This module does not know messages, nor the JSON way of writing data.
"""

from __future__ import annotations

import struct
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.errors import InvalidInput

from .datatypes import DATATYPES, Array, datatype_of
from .errors import Fault, shown
from .frames import PADDING, nonzero_padding
from .limits import SAFE_INTEGER, Limits
from .messages import NO_DATA, TensorHeader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .datatypes import Datatype
    from .frames import Payload

_LENGTH = struct.Struct("<I")
_BYTES = DATATYPES["BYTES"]
_BOOL = DATATYPES["BOOL"]
# Those of which every sequence of bytes is a valid element.
_PLAIN = {name: datatype for name, datatype in DATATYPES.items() if datatype not in (_BOOL, _BYTES)}


def read(headers: Sequence[TensorHeader], data: bytes, offset: int, limits: Limits, field: str) -> dict[str, Array]:
    """View the tensors that ``headers`` describe in ``data`` from ``offset``; the message must end with the last of them.

    Raises:
        Fault: with ``param`` seen from the message, such as ``inputs[0].shape`` where ``field`` is ``inputs``.
    """
    tensors: dict[str, Array] = {}
    size = len(data)
    try:
        for header in headers:
            shape = header.shape
            plain = _PLAIN.get(header.datatype, _BYTES)
            # The product is taken only of as many dimensions as are allowed: one of thousands would take seconds.
            nbytes = prod(shape) * plain.itemsize if len(shape) <= limits.rank else 0
            end = offset + nbytes
            if (
                0 < nbytes == header.nbytes
                and end <= size
                and nbytes <= limits.dimension
                and header.data is NO_DATA
                and header.name not in tensors
            ):
                # Most tensors: nothing is left to check. One call instead of frombuffer and reshape.
                array = np.ndarray(shape, plain.dtype, data, offset)
            else:
                array, end = _read_any(header, tensors, data, offset, limits)
            offset = (end + 7) & -8
            if offset != end and data[end:offset] != PADDING[offset - end]:
                raise _bad_padding(end, offset, size)
            tensors[header.name] = array
    except Fault as fault:
        raise fault.within(f"{field}[{len(tensors)}]") from None
    if offset != size:
        raise Fault("invalid_message", "", f"tensors that end at byte {offset}", f"a message of {size} bytes")
    return tensors


def measure(header: TensorHeader, seen: Mapping[str, object], limits: Limits) -> tuple[Datatype, int]:
    """Check what a header claims and give its datatype and its count of elements.

    Raises:
        Fault: with ``param`` seen from the header, such as ``shape``.
    """
    datatype = DATATYPES.get(header.datatype)
    if datatype is None:
        raise Fault("invalid_input", "datatype", f"one of {', '.join(DATATYPES)}", shown(header.datatype))
    if header.name in seen:
        raise Fault("invalid_input", "name", "a name that no other tensor of the message has", shown(header.name))
    shape = header.shape
    if len(shape) > limits.rank:
        raise Fault("invalid_input", "shape", f"at most {limits.rank} dimensions", str(len(shape)))
    count = prod(shape)
    if not count or count > limits.dimension:
        _check_dimensions(shape, limits)
    if datatype is _BYTES and count > limits.bytes_elements:
        raise Fault("too_large", "shape", f"at most {limits.bytes_elements} elements of BYTES", shown(count))
    return datatype, count


def describe(tensors: Mapping[str, Array]) -> tuple[list[dict[str, Any]], list[Payload]]:
    """Give the headers of ``tensors``, as maps for a packer, and their bytes in the same order.

    Raises:
        InvalidInput: if an array has no datatype, or BYTES an element that is not ``bytes``; ``param`` is the tensor's name.
    """
    headers: list[dict[str, Any]] = []
    payloads: list[Payload] = []
    for name, array in tensors.items():
        try:
            datatype = datatype_of(array)
            payload = pack_strings(array) if datatype == "BYTES" else contiguous(array)
        except InvalidInput as error:
            error.param = name
            raise
        nbytes = len(payload) if isinstance(payload, bytes) else payload.nbytes
        headers.append({"name": name, "shape": array.shape, "datatype": datatype, "nbytes": nbytes})
        payloads.append(payload)
    return headers, payloads


def contiguous(array: Array) -> Array:
    """Give the array itself, or a row-major copy if it is not so already; a scalar stays one."""
    return array if array.flags.c_contiguous else np.asarray(array, order="C")


def pack_strings(array: Array) -> bytes:
    """Lay out the elements of a BYTES array, each as ``u32 little-endian length | bytes``."""
    pieces: list[bytes] = []
    for element in array.ravel().tolist():
        if not isinstance(element, bytes):
            raise InvalidInput(f"an element is of type {type(element).__name__}", expected="bytes in every element of BYTES")
        pieces += (_LENGTH.pack(len(element)), element)
    return b"".join(pieces)


def array_of_objects(elements: list[bytes], shape: tuple[int, ...]) -> Array:
    """Make a read-only BYTES array; ``np.array`` would guess at what the elements are."""
    array = np.empty(len(elements), object)
    array[:] = elements
    array.flags.writeable = False
    return array.reshape(shape)


def _read_any(header: TensorHeader, seen: Mapping[str, object], data: bytes, offset: int, limits: Limits) -> tuple[Array, int]:
    """Read any tensor, with every check in its order; give it and the offset of its end."""
    datatype, count = measure(header, seen, limits)
    end = offset + _declared(header, datatype, count * datatype.itemsize)
    if end > len(data):
        raise Fault("invalid_message", "", f"{end - offset} bytes", f"the {len(data) - offset} left in the message")
    if datatype is _BYTES:
        return _strings(data, offset, end, count, header.shape), end
    # numpy wants an offset inside the buffer even for no element.
    array = np.ndarray(header.shape, datatype.dtype, data, offset if count else 0)
    if datatype is _BOOL:
        _check_booleans(array)
    return array, end


def _declared(header: TensorHeader, datatype: Datatype, nbytes: int) -> int:
    if header.data is not NO_DATA:
        raise Fault("invalid_input", "data", "no data in a binary message, whose tensors follow its header", "some")
    if datatype is _BYTES and header.nbytes is None:
        raise Fault("invalid_input", "nbytes", "the size in bytes, which BYTES must state", "nothing")
    if header.nbytes is None or header.nbytes == nbytes or datatype is _BYTES:
        return nbytes if header.nbytes is None else header.nbytes
    raise Fault("invalid_input", "nbytes", f"{shown(nbytes)}, as shape and datatype say", shown(header.nbytes))


def _strings(data: bytes, offset: int, end: int, count: int, shape: tuple[int, ...]) -> Array:
    elements: list[bytes] = []
    for _ in range(count):
        start = offset + 4
        # A length read beyond the tensor's end is never used.
        offset = start + _LENGTH.unpack_from(data, offset)[0] if start <= end else start
        if offset > end:
            raise Fault("invalid_input", "", f"{count} elements within its nbytes", f"element {len(elements)} running beyond")
        elements.append(data[start:offset])
    if offset != end:
        raise Fault("invalid_input", "", f"{count} elements that fill its nbytes", f"{end - offset} bytes too many")
    return array_of_objects(elements, shape)


def _check_booleans(array: Array) -> None:
    # numpy would carry a 2 along as a True that is not equal to 1.
    if array.size and array.view(np.uint8).max() > 1:
        raise Fault("invalid_input", "", "bytes 0 or 1 in a BOOL tensor", str(array.view(np.uint8).max()))


def _check_dimensions(shape: tuple[int, ...], limits: Limits) -> None:
    for axis, dimension in enumerate(shape):
        if dimension > limits.dimension:
            raise Fault("invalid_input", f"shape[{axis}]", f"at most {limits.dimension}", shown(dimension))
    if prod(filter(None, shape)) > SAFE_INTEGER:
        # numpy refuses strides that overflow, even when there is no element.
        raise Fault("invalid_input", "shape", f"a product of at most {SAFE_INTEGER}, zeros left out", "more")


def _bad_padding(end: int, offset: int, size: int) -> Fault:
    if offset > size:
        return Fault("invalid_message", "", f"padding up to byte {offset}", f"a message of {size} bytes")
    return nonzero_padding(end)
