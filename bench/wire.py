"""The requests that a load is made of and the checks of their answers, each written out by hand.

It shares no code with the project's codecs, so that an error there cannot hide here. It knows no sockets and no clock.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgpack
import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Dialect = Literal["tidegate", "echo", "naive"]
Array = np.ndarray[Any, np.dtype[Any]]

TOLERANCE = 1e-5
EXAMPLES = 3
ID_KEY = b"\xa2id"
"""How msgpack writes the key of the id. One byte of id follows, since every id is below 128 …"""
UINT32 = 0xCE
"""… unless this marker stands there: then it is written in four bytes, big-endian."""


@dataclass(slots=True)
class Checked:
    """What became of the answers of one window."""

    answers: int = 0
    wrong: int = 0
    exact_share: float = float("nan")
    mean_batch: float = float("nan")
    examples: list[str] = field(default_factory=list)

    def refuse(self, why: str) -> None:
        """Count a wrong answer and keep the first few reasons."""
        self.wrong += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(why)


def _padding(size: int) -> bytes:
    return bytes(-size % 8)


def tidegate_request(model: str, case: int, row: Array) -> bytes:
    """Return a binary ``infer`` message: header length, msgpack header, zeros to 8, the row's bytes, zeros to 8."""
    tensor = {"name": "x", "shape": [1, row.size], "datatype": "FP32"}
    header: bytes = msgpack.packb({"op": "infer", "id": case, "model_name": model, "inputs": [tensor]})
    start = struct.pack("<I", len(header)) + header
    data = row.tobytes()
    return start + _padding(len(start)) + data + _padding(len(data))


def naive_request(model: str, case: int, row: Array) -> bytes:
    """Return the request that the naive server reads: one msgpack map."""
    packed: bytes = msgpack.packb({"id": case, "model": model, "x": row.tobytes()})
    return packed


def requests(dialect: Dialect, model: str, rows: Array) -> list[bytes]:
    """Return one message for each row, its number the id; an echo is sent the gateway's own bytes."""
    make = naive_request if dialect == "naive" else tidegate_request
    return [make(model, case, row) for case, row in enumerate(rows)]


class _Tensor(msgspec.Struct):
    name: str
    shape: tuple[int, ...]
    datatype: str


class _Timing(msgspec.Struct, frozen=True):
    batch_size: int


class _Header(msgspec.Struct):
    op: str
    id: int
    model_name: str = ""
    outputs: tuple[_Tensor, ...] = ()
    timing: _Timing = _Timing(0)
    code: str = ""
    message: str = ""


_decode_header = msgspec.msgpack.Decoder(_Header).decode


def _check_tidegate(message: bytes, case: int, columns: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("<I", message)
    header = _decode_header(message[4 : 4 + size])
    if header.op != "result" or header.id != case:
        raise ValueError(f"{header.op} {header.id} {header.code}: {header.message}")
    if [(t.name, t.shape, t.datatype) for t in header.outputs] != [("y", (1, columns), "FP32")]:
        raise ValueError(f"outputs are {header.outputs}")
    start = 4 + size + -(4 + size) % 8
    data = message[start : start + 4 * columns]
    if len(message) != start + len(data) + -len(data) % 8:
        raise ValueError(f"{len(message)} bytes in all")
    return data, header.timing.batch_size


def _check_naive(message: bytes, case: int, _columns: int) -> tuple[bytes, int]:
    answer = msgpack.unpackb(message)
    if answer["id"] != case:
        raise ValueError(f"id {answer['id']} is not {case}")
    return answer["y"], 1


def check_echo(answers: Sequence[bytes], cases: Sequence[int]) -> Checked:
    """Check that every answer was its request, byte for byte: the connection kept those that were not."""
    checked = Checked(answers=len(answers))
    for answer, case in zip(answers, cases, strict=True):
        if answer:
            checked.refuse(f"the echo of case {case} differs")
    return checked


def check_numbers(dialect: Dialect, answers: Sequence[bytes], cases: Sequence[int], expected: Array) -> Checked:
    """Check header, shape and numbers of every answer; numbers within 1e-5 of onnxruntime's own run of that row alone."""
    checked = Checked(answers=len(answers))
    opener = _check_naive if dialect == "naive" else _check_tidegate
    columns = expected.shape[1]
    data, kept, batches = [], [], 0
    for answer, case in zip(answers, cases, strict=True):
        try:
            row, batch = opener(answer, case, columns)
        except (ValueError, KeyError, struct.error, msgspec.MsgspecError) as error:
            checked.refuse(str(error))
            continue
        data.append(row)
        kept.append(case)
        batches += batch
    if data:
        got = np.frombuffer(b"".join(data), "<f4").reshape(-1, columns)
        want = expected[kept]
        for case in np.asarray(kept)[~np.isclose(got, want, rtol=TOLERANCE, atol=TOLERANCE).all(axis=1)]:
            checked.refuse(f"the numbers of case {case} are wrong")
        checked.exact_share = float((got == want).all(axis=1).mean())
        checked.mean_batch = batches / len(data)
    return checked
