"""Messages and frames that are wrong, each kind with the reaction that the protocol documents. Data only: nothing here is sent.

A kind's builder is told a number, so that no two frames of it need be equal; it gives the bytes of whole WebSocket frames.
"""

# ruff: noqa: E501 - a table is read by its lines: one kind, one line

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgpack
from raw_client import CLOSE, CONT, PING, TEXT, frame

KIB, MIB = 1024, 1024 * 1024

Builder = Callable[[int], bytes]


@dataclass(frozen=True)
class Kind:
    """One way to be wrong.

    Attributes:
        name: what is wrong.
        build: makes the bytes, different for each number.
        code: of the error that answers it; None when the connection is closed instead.
        param: of that error.
        close: the close code that it is answered with; None when the connection stays.
        named: whether the error carries the message's id.
        beside: ops of further messages that answer it.
    """

    name: str
    build: Builder
    code: str | None = None
    param: str | None = None
    close: int | None = None
    named: bool = True
    beside: tuple[str, ...] = field(default=())


# What is sent when nothing is wrong.

IMAGE = {"name": "image", "shape": [1, 8, 8], "datatype": "FP32"}
PIXELS = bytes(256)


def request(number: int, **fields: Any) -> dict[str, Any]:
    """A good request with a msgpack header, but for the given fields; ``None`` takes a field away."""
    good = {"op": "infer", "id": number, "model_name": "digits", "inputs": [IMAGE]}
    return {name: value for name, value in (good | fields).items() if value is not None}


def message(header: bytes, tensors: bytes = b"", *, length: int | None = None, fill: bytes = b"\0") -> bytes:
    """Lay out a binary message, with a length and padding that may be lies."""
    head = struct.pack("<I", len(header) if length is None else length) + header
    return head + fill * (-len(head) % 8) + tensors


def packed(header: Mapping[str, Any], tensors: bytes = PIXELS) -> bytes:
    """A binary frame with a msgpack header."""
    return frame(message(msgpack.packb(header), tensors))


def text(value: Any) -> bytes:
    """A text frame with JSON."""
    return frame(json.dumps(value).encode(), TEXT)


def with_input(number: int, tensors: bytes = PIXELS, **fields: Any) -> bytes:
    """A good binary request but for fields of its only tensor; ``None`` takes one away."""
    header = {name: value for name, value in (IMAGE | fields).items() if value is not None}
    return packed(request(number, inputs=[header]), tensors)


def with_data(number: int, data: Any, **fields: Any) -> bytes:
    """A text request but for its data."""
    return text(request(number, inputs=[IMAGE | fields | {"data": data}]))


def raw_header(number: int, *pairs: bytes) -> bytes:
    """A binary request with these pairs of packed key and value besides the good ones."""
    good = b"".join(msgpack.packb(part) for pair in request(number).items() for part in pair)
    return frame(message(bytes([0x80 | 4 + len(pairs)]) + good + b"".join(pairs), PIXELS))


def nested(depth: int, opening: bytes, closing: bytes = b"") -> bytes:
    """A bomb of containers within containers; one that is never closed if there is no ``closing``."""
    return opening * depth + closing * depth


@cache
def large_fragments() -> bytes:
    """Two fragments that are within the limit each, and beyond it together."""
    return frame(bytes(9 * MIB), fin=False) + frame(bytes(9 * MIB), CONT)


_TALL = {"shape": [65_537], "datatype": "BYTES", "nbytes": 65_537 * 4}

REFUSED = [
    # The envelope.
    Kind("unknown op", lambda n: text({"op": "infr", "id": n}), "invalid_message", "op"),
    Kind("op missing", lambda n: text({"id": n, "model_name": "digits"}), "invalid_message", "op"),
    Kind("op is no string", lambda n: packed(request(n, op=7)), "invalid_message", "op"),
    Kind("op of the other side", lambda n: text({"op": "result", "id": n}), "invalid_message", "op"),
    Kind("empty text", lambda _: frame(b"", TEXT), "invalid_message", named=False),
    Kind("JSON that ends too early", lambda n: frame(b'{"op":"infer","id":%d' % n, TEXT), "invalid_message", named=False),
    Kind("JSON, then something else", lambda n: frame(b'{"op":"ping","id":%d} x' % n, TEXT), "invalid_message", named=False),
    Kind("JSON that is no object", lambda n: text([n]), "invalid_message", named=False),
    Kind("lone surrogate in JSON", lambda n: frame(b'{"op":"\\ud800","id":%d}' % n, TEXT), "invalid_message", named=False),
    Kind("JSON bomb", lambda n: frame(nested(100_000 + n, b"["), TEXT), "invalid_message", named=False),
    Kind(
        "bomb in an unknown field",
        lambda n: frame(b'{"op":"ping","id":%d,"x":%s}' % (n, nested(50_000, b"[", b"]")), TEXT),
        "invalid_message",
        named=False,
    ),
    Kind("text beyond its limit", lambda n: frame(b'{"op":"ping","id":%d}' % n + b" " * MIB, TEXT), "too_large"),
    # The frame of a binary message.
    Kind("binary of 0 to 7 bytes", lambda n: frame(bytes(n % 8)), "invalid_message", named=False),
    Kind("header of 0 bytes", lambda n: frame(bytes(8 + 8 * (n % 4))), "invalid_message", named=False),
    Kind("header longer than the message", lambda n: frame(message(b"\x80", length=9 + n)), "invalid_message", named=False),
    Kind("header beyond 64 KiB", lambda n: frame(message(b"\x80" * 70_000, length=65_537 + n)), "too_large", named=False),
    Kind("reserved bits of the length", lambda n: frame(message(b"\x80", length=1 << 24 + n % 8 | 1)), "invalid_message", named=False),
    Kind("padding that is not zero", lambda n: frame(message(msgpack.packb({"op": "ping", "id": n}) + b"", fill=b"\1")), "invalid_message"),
    Kind("0xC1 as header", lambda n: frame(message(b"\xc1" * (4 + 8 * (n % 4)))), "invalid_message", named=False),
    Kind("0xC1 in the header", lambda n: raw_header(n, b"\xa1x\xc1"), "invalid_message", named=False),
    Kind("header that ends too early", lambda n: frame(message(msgpack.packb(request(n))[:-3], PIXELS)), "invalid_message", named=False),
    Kind("header that is an array", lambda n: frame(message(msgpack.packb([n] * 12))), "invalid_message", named=False),
    Kind("two headers", lambda n: frame(message(2 * msgpack.packb({"op": "ping", "id": n}))), "invalid_message", named=False),
    Kind("header of nested arrays", lambda n: frame(message(nested(60_000 + n, b"\x91"))), "invalid_message", named=False),
    Kind("header of empty arrays", lambda n: frame(message(b"\xdd" + struct.pack("!I", 60_000) + b"\x90" * 60_000)), "invalid_message", named=False),
    Kind("array of 2^32 elements", lambda n: raw_header(n, b"\xa1x\xdd\xff\xff\xff\xff"), "invalid_message", named=False),
    Kind("text in the header that is not UTF-8", lambda n: raw_header(n, b"\xadmodel_version\xa2\xff\xfe"), "invalid_message"),
    Kind("surplus bytes", lambda n: packed(request(n), PIXELS + bytes(8)), "invalid_message"),
    Kind("missing bytes", lambda n: packed(request(n), PIXELS[:-8]), "invalid_message", "inputs[0]"),
    Kind("no tensors at all", lambda n: packed(request(n), b""), "invalid_message", "inputs[0]"),
    # Fields of a request.
    Kind("id missing", lambda _: packed(request(0, id=None)), "invalid_message", "id", named=False),
    Kind("id null", lambda _: text({"op": "infer", "id": None}), "invalid_message", "id", named=False),
    Kind("id with a fraction", lambda n: packed(request(n, id=n + 0.5)), "invalid_message", "id", named=False),
    Kind("id that is a whole float", lambda n: packed(request(n, id=float(n))), "invalid_message", "id", named=False),
    Kind("id below zero", lambda n: packed(request(n, id=-1 - n)), "invalid_message", "id", named=False),
    Kind("id beyond 2^53-1", lambda n: packed(request(n, id=2**53 + n)), "invalid_message", "id", named=False),
    Kind("id that is a boolean", lambda n: packed(request(n, id=True)), "invalid_message", "id", named=False),
    Kind("id of no characters", lambda _: packed(request(0, id="")), "invalid_message", "id", named=False),
    Kind("id of 65 characters", lambda _: packed(request(0, id="x" * 65)), "invalid_message", "id", named=False),
    Kind("id of 66 bytes in 33 characters", lambda _: packed(request(0, id="é" * 33)), "invalid_message", "id", named=False),
    Kind("id that is a list", lambda n: text({"op": "infer", "id": [n]}), "invalid_message", "id", named=False),
    Kind("cancel without id", lambda _: text({"op": "cancel"}), "invalid_message", "id", named=False),
    Kind("model_name missing", lambda n: packed(request(n, model_name=None)), "invalid_message", "model_name"),
    Kind("model_name empty", lambda n: packed(request(n, model_name="")), "invalid_message", "model_name"),
    Kind("model_name beyond 1024 bytes", lambda n: packed(request(n, model_name="x" * 1025)), "too_large", "model_name"),
    Kind("inputs missing", lambda n: packed(request(n, inputs=None), b""), "invalid_message", "inputs"),
    Kind("inputs that are a map", lambda n: packed(request(n, inputs={"image": [1]}), b""), "invalid_message", "inputs"),
    Kind("timeout_ms of zero", lambda n: packed(request(n, timeout_ms=0)), "invalid_message", "timeout_ms"),
    Kind("timeout_ms that is NaN", lambda n: packed(request(n, timeout_ms=float("nan"))), "invalid_message", "timeout_ms"),
    Kind("priority that clients may not have", lambda n: packed(request(n, priority=1)), "invalid_message", "priority"),
    Kind("parameters that are nested", lambda n: packed(request(n, parameters={"a": {}})), "invalid_input", "parameters"),
    Kind("65 parameters", lambda n: packed(request(n, parameters={str(i): i for i in range(65)})), "too_large", "parameters"),
    # Tensors.
    Kind("tensor without name", lambda n: with_input(n, name=None), "invalid_input", "inputs[0].name"),
    Kind("tensor without shape", lambda n: with_input(n, shape=None), "invalid_input", "inputs[0].shape"),
    Kind("tensor without datatype", lambda n: with_input(n, datatype=None), "invalid_input", "inputs[0].datatype"),
    Kind("unknown datatype", lambda n: with_input(n, datatype="FP32,O"), "invalid_input", "inputs[0].datatype"),
    Kind("numpy's name for a datatype", lambda n: with_input(n, datatype=">f4"), "invalid_input", "inputs[0].datatype"),
    Kind("negative size", lambda n: with_input(n, shape=[-1, 8, 8]), "invalid_input", "inputs[0].shape[0]"),
    Kind("size that is a float", lambda n: with_input(n, shape=[1.0, 8, 8]), "invalid_input", "inputs[0].shape[0]"),
    Kind("size beyond 2^31-1", lambda n: with_input(n, shape=[2**31 + n]), "invalid_input", "inputs[0].shape[0]"),
    Kind("sizes whose product wraps in 64 bits", lambda n: with_input(n, b"", shape=[2**31 - 1] * 8), "invalid_input", "inputs[0].shape"),
    Kind("no elements, and strides beyond 64 bits", lambda n: with_input(n, b"", shape=[0] + [2**31 - 1] * 3), "invalid_input", "inputs[0].shape"),
    Kind("nine dimensions", lambda n: with_input(n, shape=[1] * 9), "invalid_input", "inputs[0].shape"),
    Kind("60,000 dimensions", lambda n: with_input(n, shape=[1] * 60_000), "invalid_input", "inputs[0].shape"),
    Kind("nbytes that lies", lambda n: with_input(n, nbytes=255), "invalid_input", "inputs[0].nbytes"),
    Kind("nbytes beyond the message", lambda n: with_input(n, shape=[10**6], nbytes=4 * 10**6), "invalid_message", "inputs[0]"),
    Kind("data in a binary message", lambda n: with_input(n, data=[1.0]), "invalid_input", "inputs[0].data"),
    Kind("padding of a tensor that is not zero", lambda n: with_input(n, b"\0\0\0\0\1\0\0\0", shape=[1]), "invalid_message", "inputs[0]"),
    Kind("two tensors of one name", lambda n: packed(request(n, inputs=[IMAGE, IMAGE]), 2 * PIXELS), "invalid_input", "inputs[1].name"),
    Kind("65 tensors", lambda n: packed(request(n, inputs=[IMAGE] * 65), 65 * PIXELS), "too_large", "inputs"),
    Kind("a byte of BOOL that is 2", lambda n: with_input(n, b"\0\1\2\0\0\0\0\0", shape=[4], datatype="BOOL"), "invalid_input", "inputs[0]"),
    Kind("BYTES without nbytes", lambda n: with_input(n, bytes(8), shape=[1], datatype="BYTES"), "invalid_input", "inputs[0].nbytes"),
    Kind("BYTES whose length lies", lambda n: with_input(n, b"\xff\0\0\0abcd", shape=[1], datatype="BYTES", nbytes=8), "invalid_input", "inputs[0]"),
    Kind("BYTES longer than its elements", lambda n: with_input(n, b"\1\0\0\0abcd", shape=[1], datatype="BYTES", nbytes=8), "invalid_input", "inputs[0]"),
    Kind("BYTES of 65,537 elements", lambda n: with_input(n, bytes(262_152), **_TALL), "too_large", "inputs[0].shape"),
    # Data in JSON.
    Kind("no data in a text message", lambda n: text(request(n)), "invalid_input", "inputs[0].data"),
    Kind("too few numbers", lambda n: with_data(n, [0.5] * 63), "invalid_input", "inputs[0].data"),
    Kind("uneven lists", lambda n: with_data(n, [[[0.5] * 8] * 7 + [[0.5] * 7]]), "invalid_input", "inputs[0].data"),
    Kind("text among numbers", lambda n: with_data(n, [0.5] * 63 + ["0.5"]), "invalid_input", "inputs[0].data[63]"),
    Kind("number beyond the datatype", lambda n: with_data(n, [1e300] * 64), "invalid_input", "inputs[0].data"),
    Kind("NaN among integers", lambda n: with_data(n, [1, "NaN"], shape=[2], datatype="INT32"), "invalid_input", "inputs[0].data[1]"),
    Kind("integer beyond its datatype", lambda n: with_data(n, [2**31], shape=[1], datatype="INT32"), "invalid_input", "inputs[0].data[0]"),
    Kind("integer of 400 digits", lambda n: with_data(n, [10**400], shape=[1], datatype="INT64"), "invalid_input", "inputs[0].data[0]"),
    Kind("fraction among integers", lambda n: with_data(n, [0.5], shape=[1], datatype="INT8"), "invalid_input", "inputs[0].data[0]"),
    Kind("BYTES that are no base64", lambda n: with_data(n, [{"b64": "?"}], shape=[1], datatype="BYTES"), "invalid_input", "inputs[0].data[0].b64"),
    Kind("data nested 100,000 deep", lambda n: frame(json.dumps(request(n, inputs=[IMAGE | {"data": 0}])).encode()[:-4] + nested(100_000, b"[", b"]") + b"}]}", TEXT), "invalid_message", named=False),
    # What the models say.
    Kind("unknown model", lambda n: packed(request(n, model_name="digitz")), "unknown_model", "model_name"),
    Kind("unknown version", lambda n: packed(request(n, model_version="99")), "unknown_model", "model_version"),
    Kind("unknown output", lambda n: packed(request(n, outputs=[{"name": "probs"}, {"name": "prob"}])), "invalid_input", "outputs[1].name"),
    Kind("unknown input", lambda n: with_input(n, name="picture"), "invalid_input", "inputs[0].name"),
    Kind("missing input", lambda n: packed(request(n, model_name="silero_vad", inputs=[IMAGE | {"name": "input"}])), "invalid_input", "inputs"),
    Kind("no input", lambda n: packed(request(n, inputs=[]), b""), "invalid_input", "inputs"),
    Kind("wrong datatype", lambda n: with_input(n, bytes(512), datatype="FP64"), "invalid_input", "inputs[0].datatype"),
    Kind("wrong shape", lambda n: with_input(n, shape=[1, 4, 16]), "invalid_input", "inputs[0].shape"),
    Kind("wrong rank", lambda n: with_input(n, shape=[64]), "invalid_input", "inputs[0].shape"),
    Kind("no rows", lambda n: with_input(n, b"", shape=[0, 8, 8]), "invalid_input", "inputs[0].shape"),
    Kind("id that is taken", lambda n: 2 * packed(request(n)), "duplicate_id", "id", named=False, beside=("result",)),
]  # fmt: skip

BROKEN = [
    Kind("frame without mask", lambda n: frame(b"%d" % n, mask=None), close=1002),
    Kind("first reserved bit", lambda _: frame(b"x", reserved=4), close=1002),
    Kind("last reserved bit", lambda _: frame(b"x", TEXT, reserved=1), close=1002),
    Kind("opcode 3", lambda _: frame(b"x", 0x3), close=1002),
    Kind("opcode 15", lambda _: frame(b"x", 0xF), close=1002),
    Kind("length of 2^63", lambda _: frame(b"x", claimed=2**63), close=1009),
    Kind("length of 2^63-1", lambda _: frame(b"x", claimed=2**63 - 1), close=1009),
    Kind("binary beyond its limit", lambda n: frame(b"", claimed=16 * MIB + 1 + n), close=1009),
    Kind("fragments beyond the limit", lambda _: large_fragments(), close=1009),
    Kind("4,097 fragments", lambda _: frame(fin=False) + 4095 * frame(b"", CONT, fin=False) + frame(b"", CONT), close=1009),
    Kind("continuation of nothing", lambda _: frame(b"x", CONT), close=1002),
    Kind("text amid fragments", lambda _: frame(b"x", fin=False) + frame(b"{}", TEXT), close=1002),
    Kind("binary amid fragments", lambda _: frame(b"x", TEXT, fin=False) + frame(b"x"), close=1002),
    Kind("ping of 126 bytes", lambda _: frame(bytes(126), PING), close=1002),
    Kind("ping in fragments", lambda _: frame(b"x", PING, fin=False), close=1002),
    Kind("text that is not UTF-8", lambda _: frame(b'{"op":"\xff"}', TEXT), close=1007),
    Kind("UTF-8 that ends too early", lambda _: frame(b'"\xc3', TEXT, fin=False) + frame(b"", CONT), close=1007),
    Kind("UTF-16 surrogates in UTF-8", lambda _: frame(b'"\xed\xa0\x80"', TEXT), close=1007),
    Kind("close of one byte", lambda _: frame(b"\x03", CLOSE), close=1002),
    Kind("close with code 1005", lambda _: frame(struct.pack("!H", 1005), CLOSE), close=1002),
    Kind("close with code 999", lambda _: frame(struct.pack("!H", 999), CLOSE), close=1002),
    Kind("close with a reason that is not UTF-8", lambda _: frame(struct.pack("!H", 1000) + b"\xff", CLOSE), close=1007),
    Kind("close amid fragments", lambda _: frame(b"x", fin=False) + frame(struct.pack("!H", 1000), CLOSE), close=1002),
    Kind("HTTP on an open connection", lambda _: b"GET /metrics HTTP/1.1\r\n\r\n", close=1002),
]  # fmt: skip
