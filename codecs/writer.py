"""Messages and their tensors → bytes, in the form that is asked for.

msgpack headers are written by the ``msgpack`` package and read by msgspec, so that each is checked against the other. This
module does not know limits, but for the one that no reader lifts: a header's 64 KiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack
import msgspec

from tidegate.errors import TooLarge

from . import frames, json_elements, tensors
from .errors import Form
from .limits import HEADER_MAX_BYTES
from .messages import Infer, Message, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .datatypes import Array

_FIELD: dict[type, str] = {Infer: "inputs", Result: "outputs"}
# One for all: packing holds the GIL from beginning to end, and a new Packer costs more than the packing.
_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack


def encode(message: Message, form: Form, tensors: Mapping[str, Array] | None = None) -> bytes:
    """Write one message. Tensor headers are made from ``tensors``; those in the message are ignored.

    Returns:
        The payload of one WebSocket message: of a text one for ``Form.TEXT``, else of a binary one.

    Raises:
        InvalidInput: if an array is not as ``datatypes.normalise`` makes it; ``param`` is its name.
        TooLarge: if the header is beyond 64 KiB.
    """
    field = _FIELD.get(type(message))
    if form is Form.TEXT:
        return _text(message, field, tensors or {})
    return _binary(message, form, field, tensors or {})


def _text(message: Message, field: str | None, arrays: Mapping[str, Array]) -> bytes:
    if field is None:
        return msgspec.json.encode(message)
    headers, _ = tensors.describe(arrays)
    for header, array in zip(headers, arrays.values(), strict=True):
        del header["nbytes"]
        header["data"] = json_elements.encode(array, header["datatype"])
    return msgspec.json.encode(_with(message, field, headers))


def _binary(message: Message, form: Form, field: str | None, arrays: Mapping[str, Array]) -> bytes:
    headers, payloads = tensors.describe(arrays) if field else ([], [])
    whole: Any = _with(message, field, headers) if field else msgspec.to_builtins(message)
    header: bytes = _pack(whole) if form is Form.MSGPACK else msgspec.json.encode(whole)
    if len(header) > HEADER_MAX_BYTES:
        raise TooLarge(f"the header takes {len(header)} bytes", expected=f"at most {HEADER_MAX_BYTES} bytes")
    return frames.join(header, payloads)


def _with(message: Message, field: str, headers: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the message as a map with the tensor headers in place."""
    bare = msgspec.structs.replace(message, **{field: ()}) if getattr(message, field) else message
    whole: dict[str, Any] = msgspec.to_builtins(bare)
    whole[field] = headers
    return whole
