"""The requests that a load is made of, and the reading of answers, each written out by hand.

It shares no code with the project's codecs, so that an error there cannot hide here. It knows no sockets and no clock.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Literal

import msgpack
import msgspec

if TYPE_CHECKING:
    from .cases import Array, Cases

Dialect = Literal["tidegate", "echo", "naive"]

ID_KEY = b"\xa2id"
"""How msgpack writes the key of the id. One byte of id follows for an id below 128 …"""
UINT8, UINT32 = 0xCC, 0xCE
"""… or one of these markers, and then the id in one byte or in four, big-endian."""
MOST_IDS = 256
"""More would not fit in the one byte of an id that ``case_of`` reads."""


def case_of(message: bytes) -> int:
    """Return the id that a binary message bears."""
    found = message.find(ID_KEY) + 3
    case = message[found]
    if case < 0x80:
        return case
    return message[found + (4 if case == UINT32 else 1)]


def _padding(size: int) -> bytes:
    return bytes(-size % 8)


def binary(header: dict[str, Any], data: bytes = b"") -> bytes:
    """Return a binary message: header length, msgpack header, zeros to 8, the bytes of its tensor, zeros to 8."""
    packed: bytes = msgpack.packb(header)
    start = struct.pack("<I", len(packed)) + packed
    return start + _padding(len(start)) + data + _padding(len(data))


def tidegate_request(model: str, case: int, row: Array, name: str = "x", **fields: Any) -> bytes:
    """Return a binary ``infer`` message with one row."""
    tensor = {"name": name, "shape": [1, *row.shape], "datatype": "FP32"}
    return binary({"op": "infer", "id": case, "model_name": model, "inputs": [tensor], **fields}, row.tobytes())


def naive_request(model: str, case: int, row: Array) -> bytes:
    """Return the request that the naive server reads: one msgpack map."""
    packed: bytes = msgpack.packb({"id": case, "model": model, "x": row.tobytes()})
    return packed


def requests(dialect: Dialect, model: str, cases: Cases, count: int, **fields: Any) -> list[bytes]:
    """Return ``count`` messages, their ids from 0, the rows in turn; an echo is sent the gateway's own bytes."""
    rows = [cases.x[i % len(cases.x)] for i in range(min(count, MOST_IDS))]
    if dialect == "naive":
        return [naive_request(model, i, row) for i, row in enumerate(rows)]
    return [tidegate_request(model, i, row, cases.names[0], **fields) for i, row in enumerate(rows)]


class Tensor(msgspec.Struct):
    """An output as a header describes it."""

    name: str
    shape: tuple[int, ...]
    datatype: str


class Timing(msgspec.Struct, frozen=True):
    """What an answer says that it cost."""

    batch_size: int
    compute_us: int = 0


class Header(msgspec.Struct):
    """The header of a ``result`` or an ``error``; fields that are not looked at are left out."""

    op: str
    id: int
    model_name: str = ""
    outputs: tuple[Tensor, ...] = ()
    timing: Timing = Timing(0)
    code: str = ""
    message: str = ""
    retry_after_ms: int | None = None


_decode = msgspec.msgpack.Decoder(Header).decode


def header_of(message: bytes) -> tuple[Header, int]:
    """Return the header of a binary message, and where its tensors begin.

    Raises:
        ValueError: it is no ``result`` or ``error`` with an id, or cut short.
    """
    try:
        (size,) = struct.unpack_from("<I", message)
        return _decode(message[4 : 4 + size]), 4 + size + -(4 + size) % 8
    except (struct.error, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from error
