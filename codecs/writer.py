"""Messages and their tensors → bytes, in the form that is asked for.

msgpack headers are written by the ``msgpack`` package and read by msgspec, so that each is checked against the other. This
module does not know limits, but for the one that no reader lifts: a header's 64 KiB.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgpack
import msgspec

from tidegate.errors import InvalidInput, TooLarge

from . import frames, json_text
from . import tensors as tensor_codec
from .datatypes import datatype_of
from .errors import Form
from .event_messages import Event
from .limits import HEADER_MAX_BYTES
from .messages import TENSOR_FIELDS, Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .datatypes import Array

    Piece = bytes | memoryview

_GAP = msgspec.Raw(b"\xff")  # where a tensor's elements go: no UTF-8 has this byte
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
    if form is Form.TEXT:
        return b"".join(_text(message, tensors or {}))
    field = _tensor_field(message)
    headers, payloads = tensor_codec.describe(tensors or {}) if field else ([], [])
    return frames.join(_header(message, form, field, headers), payloads)


def pieces(message: Message, form: Form, tensors: Mapping[str, Array]) -> list[Piece]:
    """Do what ``encode`` does, in pieces that make the payload together; no tensor is copied.

    Views of the arrays are among the pieces, so what the arrays hold must stay as it is until they are sent. On another
    thread than the event loop's, no step keeps the interpreter lock for long.

    Raises:
        InvalidInput, TooLarge: as ``encode`` does.
    """
    if form is Form.TEXT:
        return [*_text(message, tensors)]
    headers = _described(tensors)
    made: list[Piece] = []
    for header, array in zip(headers, tensors.values(), strict=True):
        with _blaming(header):
            body = [*tensor_codec.body(array)]
        header["nbytes"] = sum(map(len, body))
        made += (*body, frames.PADDING[-header["nbytes"] % frames.ALIGNMENT])
    return [frames.join(_header(message, form, TENSOR_FIELDS[type(message)], headers)), *filter(len, made)]


def _tensor_field(message: Message) -> str | None:
    return None if type(message) is Event and message.timing is None else TENSOR_FIELDS.get(type(message))


def _text(message: Message, arrays: Mapping[str, Array]) -> Iterator[bytes]:
    field = _tensor_field(message)
    if field is None:
        yield msgspec.json.encode(message)
        return
    headers = _described(arrays)
    whole = _with(message, field, [{**header, "data": _GAP} for header in headers])
    start, *rest = msgspec.json.encode(whole).split(bytes(_GAP))
    yield start
    for header, array, text in zip(headers, arrays.values(), rest, strict=True):
        with _blaming(header):
            yield from json_text.data_pieces(array, header["datatype"])
        yield text


def _described(arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
    headers: list[dict[str, Any]] = []
    for name, array in arrays.items():
        header: dict[str, Any] = {"name": name, "shape": array.shape}
        with _blaming(header):
            header["datatype"] = datatype_of(array)
        headers.append(header)
    return headers


@contextmanager
def _blaming(header: dict[str, Any]) -> Iterator[None]:
    """Let an error name the tensor that it is about."""
    try:
        yield
    except InvalidInput as error:
        error.param = header["name"]
        raise


def _header(message: Message, form: Form, field: str | None, headers: list[dict[str, Any]]) -> bytes:
    whole: Any = _with(message, field, headers) if field else msgspec.to_builtins(message)
    header: bytes = _pack(whole) if form is Form.MSGPACK else msgspec.json.encode(whole)
    if len(header) > HEADER_MAX_BYTES:
        raise TooLarge(f"the header takes {len(header)} bytes", expected=f"at most {HEADER_MAX_BYTES} bytes")
    return header


def _with(message: Message, field: str, headers: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the message as a map with the tensor headers in place."""
    bare = msgspec.structs.replace(message, **{field: ()}) if getattr(message, field) else message
    whole: dict[str, Any] = msgspec.to_builtins(bare)
    whole[field] = headers
    return whole
