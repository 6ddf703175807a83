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
from .parts import NO_DATA, TensorHeader
from .steps import finish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .datatypes import Datatype
    from .frames import Payload
    from .steps import Steps

    Later = list[tuple[str, str, Steps[Array]]]

_LENGTH = struct.Struct("<I")
_PIECE_BYTES = 65536
_PIECE_ELEMENTS = 4096
_STEP_ELEMENTS = 2048
_BYTES = DATATYPES["BYTES"]
_BOOL = DATATYPES["BOOL"]
# Those of which every sequence of bytes is a valid element.
_PLAIN = {name: datatype for name, datatype in DATATYPES.items() if datatype not in (_BOOL, _BYTES)}


def read(
    headers: Sequence[TensorHeader], data: bytes, offset: int, limits: Limits, field: str, later: Later | None = None
) -> dict[str, Array]:
    """View the tensors that ``headers`` describe in ``data`` from ``offset``; the message must end with the last of them.

    Args:
        headers: checked by their types only.
        data: the whole message.
        offset: where the first tensor is.
        limits: what is refused.
        field: where in the message the headers were.
        later: if given, takes what is long to read (BYTES of many elements) instead: the tensor's name, its place in the
            message and the steps that give it; an empty array stands for it in the result.

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
                other, end = _read_any(header, tensors, data, offset, limits)
                place = f"{field}[{len(tensors)}]"
                array = other if other is not None else _read_strings(header, data, offset, end, later, place)
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


def body(array: Array) -> Iterator[bytes | memoryview]:
    """Give the bytes of an array in pieces none of which takes long to make; large ones are views.

    Raises:
        InvalidInput: if an element of BYTES is not ``bytes``.
    """
    if array.dtype.hasobject:
        yield from string_pieces(array)
    elif array.size:
        yield contiguous(array).reshape(-1).view(np.uint8).data


def pack_strings(array: Array) -> bytes:
    """Lay out the elements of a BYTES array, each as ``u32 little-endian length | bytes``."""
    return b"".join(string_pieces(array))


def string_pieces(array: Array) -> Iterator[bytes]:
    """Do what ``pack_strings`` does, piece by piece; large elements are not copied.

    Raises:
        InvalidInput: if an element is not ``bytes``.
    """
    pieces: list[bytes] = []
    nbytes = 0
    for element in strings(array):
        pieces += (_LENGTH.pack(len(element)), element)
        nbytes += len(element)
        if nbytes >= _PIECE_BYTES:
            large = pieces.pop()
            yield b"".join(pieces)
            yield large
            pieces, nbytes = [], 0
    yield b"".join(pieces)


def strings(array: Array) -> Iterator[bytes]:
    """Give the elements of a BYTES array in order.

    Raises:
        InvalidInput: if one is not ``bytes``.
    """
    flat = array.ravel()
    for start in range(0, flat.size, _PIECE_ELEMENTS):
        for element in flat[start : start + _PIECE_ELEMENTS].tolist():
            if not isinstance(element, bytes):
                got = f"an element is of type {type(element).__name__}"
                raise InvalidInput(got, expected="bytes in every element of BYTES")
            yield element


def array_of_objects(elements: list[bytes], shape: tuple[int, ...]) -> Array:
    """Make a read-only BYTES array; ``np.array`` would guess at what the elements are."""
    array = np.empty(len(elements), object)
    array[:] = elements
    array.flags.writeable = False
    return array.reshape(shape)


def _read_any(
    header: TensorHeader, seen: Mapping[str, object], data: bytes, offset: int, limits: Limits
) -> tuple[Array | None, int]:
    """Read any tensor, with every check in its order; give it, or None for BYTES, and the offset of its end."""
    datatype, count = measure(header, seen, limits)
    end = offset + _declared(header, datatype, count * datatype.itemsize)
    if end > len(data):
        raise Fault("invalid_message", "", f"{end - offset} bytes", f"the {len(data) - offset} left in the message")
    if datatype is _BYTES:
        return None, end
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


def _read_strings(header: TensorHeader, data: bytes, offset: int, end: int, later: Later | None, place: str) -> Array:
    steps = _strings(data, offset, end, header.shape)
    if later is None or prod(header.shape) <= _STEP_ELEMENTS:
        return finish(steps)
    later.append((header.name, place, steps))
    return np.empty(0, object)


def _strings(data: bytes, offset: int, end: int, shape: tuple[int, ...]) -> Steps[Array]:
    elements: list[bytes] = []
    count = prod(shape)
    for number in range(count):
        if number % _STEP_ELEMENTS == _STEP_ELEMENTS - 1:
            yield
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
