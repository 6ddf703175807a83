"""A large text message, taken apart before it is decoded: its fields are found, and ``data`` is put aside.

What is left is as small as the header of a binary message has to be, whatever the client made of it, and is decoded like
one; the elements in ``data`` are decoded piece by piece afterwards. Finding fields builds nothing, so that each step skips
a megabyte in about a millisecond. This module does not know what the fields mean.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from .errors import Fault
from .messages import TENSOR_FIELDS, ClientMessage
from .parts import NO_DATA

if TYPE_CHECKING:
    from .limits import Limits
    from .steps import Steps

_CLASSES: dict[str, Any] = {cls.__struct_config__.tag: cls for cls in ClientMessage.__args__}
_NAMING = ("op", "id", "stream", "step")
_FIELDS = tuple(dict.fromkeys([*_NAMING, *(name for cls in _CLASSES.values() for name in cls.__struct_encode_fields__)]))
_FIELDS_OF = {op: ("op", *cls.__struct_encode_fields__) for op, cls in _CLASSES.items()}
_TENSORS_OF = {op: TENSOR_FIELDS[cls] for op, cls in _CLASSES.items() if cls in TENSOR_FIELDS}
_TENSOR_FIELDS = ("name", "shape", "datatype", "nbytes", "data")
_NAME_BYTES = 512  # of an id as JSON, every character of it escaped


def _finder(names: tuple[str, ...], **options: bool) -> Any:
    fields = [(name, Raw, NO_DATA) for name in names]
    return msgspec.json.Decoder(msgspec.defstruct("Found", fields, gc=False, **options)).decode  # type: ignore[arg-type]


_find = _finder(_FIELDS)
_find_in_tensor = _finder(_TENSOR_FIELDS)


@cache
def _find_tensors(most: int) -> Any:
    # Stops at the first entry too many, where a list would take all of them in.
    return _finder(tuple(f"at_{index}" for index in range(most)), array_like=True, forbid_unknown_fields=True)


def take_apart(text: bytes, limits: Limits) -> Steps[tuple[bytes, list[Raw]]]:
    """Give a message without the ``data`` of its tensors, as JSON, and what that ``data`` was, ``NO_DATA`` where none was.

    Its fields come in another order, and unknown ones are left out.

    Raises:
        ValueError, RecursionError: it is no JSON object.
        Fault: what is left is larger than a header may be.
    """
    found = _known(_find(text))
    yield
    op = _op(found)
    found = {name: value for name, value in found.items() if name in _FIELDS_OF.get(op, _NAMING)}
    data: list[Raw] = []
    field = _TENSORS_OF.get(op)
    if field in found:
        found[field] = yield from _tensors(found[field], field, data, limits)
    rest = _object(found)
    if len(rest) > limits.header_bytes:
        raise Fault("too_large", "", f"at most {limits.header_bytes} bytes in all fields but data", f"{len(rest)}")
    return rest, data


def identity(text: bytes) -> bytes:
    """Give a message that holds nothing of another but what names it; of that, what is too long is left out.

    Raises:
        ValueError, RecursionError: it is no JSON object.
    """
    found = _known(_find(text))
    return _object({name: found[name] for name in _NAMING if name in found and len(found[name]) <= _NAME_BYTES})


def _op(found: dict[str, Any]) -> str:
    try:
        return msgspec.json.decode(memoryview(found.get("op", b""))[:_NAME_BYTES], type=str)
    except ValueError:
        return ""  # for the decoder to say


def _tensors(text: Raw, field: str, data: list[Raw], limits: Limits) -> Steps[bytes]:
    try:
        tensors = msgspec.structs.astuple(_find_tensors(limits.tensors)(text))
    except msgspec.ValidationError as error:
        if "length" in str(error):
            raise Fault("too_large", field, f"at most {limits.tensors} tensors", "more") from None
        return bytes(text)  # no list: for the decoder to say
    yield
    parts = []
    for tensor in tensors:
        if tensor is not NO_DATA:
            part, elements = _without_data(tensor)
            parts.append(part)
            data.append(elements)
            yield
    return b"[%s]" % b",".join(parts)


def _without_data(tensor: Raw) -> tuple[bytes, Raw]:
    try:
        found = _known(_find_in_tensor(tensor))
    except msgspec.ValidationError:
        return bytes(tensor), NO_DATA  # no object: for the decoder to say
    elements = found.pop("data", NO_DATA)
    return _object(found), elements


def _known(found: Any) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(found).items() if value is not NO_DATA}


def _object(fields: dict[str, Any]) -> bytes:
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), bytes(value)) for name, value in fields.items())
