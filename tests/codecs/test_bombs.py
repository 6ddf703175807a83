"""Small or large messages made to be dear: each is refused, and within a bound of time that honest ones also take."""

from __future__ import annotations

import time
import tracemalloc

import msgpack
import pytest

from tidegate.codecs import frames
from tidegate.codecs.errors import CodecError
from tidegate.codecs.reader import client_messages

READER = client_messages()
KIB, MIB = 1024, 1024 * 1024


def _open(*fields: bytes) -> bytes:
    return b"\xdf\0\0\0" + bytes([2 + len(fields)]) + b"\xa2op\xa5infer\xa2id\7" + b"".join(fields)


def _text(inputs: bytes = b"[]", more: bytes = b"") -> bytes:
    return b'{"op":"infer","id":7,"model_name":"m","inputs":' + inputs + more + b"}"


def _data(shape: bytes, datatype: bytes, data: bytes) -> bytes:
    return _text(b'[{"name":"x","shape":' + shape + b',"datatype":"' + datatype + b'","data":' + data + b"}]")


HEADERS = {
    "nested arrays in an unknown field": _open(b"\xa1x" + b"\x91" * 60_000),
    "nested maps in an unknown field": _open(b"\xa1x" + b"\x81\xa0" * 30_000),
    "nested arrays as inputs": _open(b"\xa6inputs" + b"\x91" * 60_000),
    "60,000 empty arrays as inputs": _open(b"\xa6inputs\xdd\0\0\xea\x60" + b"\x90" * 60_000),
    "array of 4 G elements": _open(b"\xa6inputs\xdd\xff\xff\xff\xff"),
    "map of 4 G entries": b"\xdf\xff\xff\xff\xff\xa2op\xa5infer",
    "string of 4 GiB": _open(b"\xaamodel_name\xdb\xff\xff\xff\xff"),
    "bin of 4 GiB": _open(b"\xa1x\xc6\xff\xff\xff\xff"),
    "10,000 parameters": _open(b"\xaaparameters" + msgpack.packb({str(n): n for n in range(9_000)})),
    "shape of 60,000 dimensions": _open(
        b"\xaamodel_name\xa1m",
        b"\xa6inputs\x91\x83\xa4name\xa1x\xa8datatype\xa4FP32\xa5shape\xdd\0\0\xea\x60" + b"\x7f" * 60_000,
    ),
    "nested JSON": b'{"op":"infer","id":7,"x":' + b"[" * 60_000,
}  # fmt: skip
TEXTS = {
    "nested to 1 MiB": b"[" * MIB,
    "nested in an unknown field": _text(more=b',"x":' + b'{"a":' * 200_000),
    "nested as data": _data(b"[1]", b"FP32", b"[" * 1_000_000),
    "340,000 empty arrays as inputs": _text(b"[" + b"[]," * 340_000 + b"[]]"),
    "340,000 empty arrays as data": _data(b"[1]", b"FP32", b"[" + b"[]," * 340_000 + b"[]]"),
    "shape of 50,000 huge dimensions": _data(b"[" + b"9999999999999999999," * 50_000 + b"1]", b"FP32", b"[]"),
    "dimension of a million digits": _data(b"[" + b"9" * 1_000_000 + b"]", b"FP32", b"[]"),
    "element of a million digits": _data(b"[1]", b"INT64", b"[" + b"9" * 1_000_000 + b"]"),
    "float of a million digits": _data(b"[1]", b"FP64", b"[1." + b"9" * 1_000_000 + b"e999999]"),
    "90,000 strings for one": _data(b"[1]", b"BYTES", b"[" + b'{"b64":""},' * 90_000 + b'""]'),
    "string that never ends": _text(more=b',"x":"' + b"a" * 1_000_000),
    "16 MiB": b'{"op":"infer","id":7,"x":"' + b"a" * (16 * MIB) + b'"}',
}  # fmt: skip


def _refusal_seconds(data: bytes, *, binary: bool) -> float:
    start = time.process_time()
    with pytest.raises(CodecError):
        READER.binary(data) if binary else READER.text(data)
    return time.process_time() - start


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_a_bomb_in_a_header_costs_next_to_nothing(header: bytes) -> None:
    """64 KiB of header are refused within milliseconds (tenths of one on a quiet machine), and without building objects."""
    data = frames.join(header)
    assert min(_refusal_seconds(data, binary=True) for _ in range(3)) < 0.02
    tracemalloc.start()
    try:
        _refusal_seconds(data, binary=True)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_bomb_in_text_costs_no_more_than_an_honest_text(text: bytes) -> None:
    """1 MiB of text is refused in less than the 0.2 s that as many honest numbers may take."""
    assert min(_refusal_seconds(text, binary=False) for _ in range(2)) < 0.2


def test_many_strings_are_bounded() -> None:
    """A BYTES tensor of many empty elements is refused before one of them is made."""
    count = 16 * MIB // 4 - 64
    inputs = [{"name": "x", "shape": [count], "datatype": "BYTES", "nbytes": 4 * count}]
    data = frames.join(msgpack.packb({"op": "infer", "id": 7, "model_name": "m", "inputs": inputs}), [bytes(4 * count)])
    assert _refusal_seconds(data, binary=True) < 0.02
