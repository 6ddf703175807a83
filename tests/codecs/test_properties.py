"""Properties of the codecs over generated messages: nothing is lost, and nothing but ``CodecError`` is ever raised."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.codecs.datatypes import DATATYPES, Array
from tidegate.codecs.errors import CodecError, Form
from tidegate.codecs.messages import Infer, Result
from tidegate.codecs.parts import RequestedOutput, Timing
from tidegate.codecs.reader import Reader, client_messages, server_messages
from tidegate.codecs.writer import encode

GATEWAY = client_messages()
SDK = server_messages()
QUICK = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
CODES = {"invalid_message", "invalid_input", "too_large"}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
IDS = st.integers(0, 2**53 - 1) | TEXT
SCALARS = st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
SHAPES = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    """Draw an array of any datatype, its bits at random: every NaN, infinity and extreme is among them."""
    datatype = DATATYPES[draw(st.sampled_from(list(DATATYPES)))]
    shape = draw(SHAPES)
    count = int(np.prod(shape))
    if datatype.name == "BYTES":
        array = np.empty(count, object)
        array[:] = draw(st.lists(st.binary(max_size=9), min_size=count, max_size=count))
        return array.reshape(shape)
    raw = draw(st.binary(min_size=count * datatype.itemsize, max_size=count * datatype.itemsize))
    raw = bytes(byte & 1 for byte in raw) if datatype.name == "BOOL" else raw
    return np.frombuffer(raw, datatype.dtype).reshape(shape) if count else np.empty(shape, datatype.dtype)


TENSORS = st.dictionaries(TEXT, arrays(), max_size=4)


def _same(left: Array, right: Array, form: Form) -> bool:
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return False
    if left.dtype == object:
        return bool(left.tolist() == right.tolist())
    if form is Form.TEXT and left.dtype.kind in "fV":
        # JSON has one NaN: its sign and payload are not told.
        bits = left.view(np.uint16) if left.dtype.names else left
        numbers = (bits.astype("<u4") << 16).view("<f4") if left.dtype.names else left
        other = (right.view(np.uint16).astype("<u4") << 16).view("<f4") if left.dtype.names else right
        return bool(np.array_equal(numbers, other, equal_nan=True))
    return left.tobytes() == right.tobytes()


def _read(reader: Reader, data: bytes, form: Form) -> Any:
    return reader.text(data) if form is Form.TEXT else reader.binary(data)


@QUICK
@given(
    form=st.sampled_from(Form), id=IDS, model_name=TEXT, version=st.none() | TEXT, tensors=TENSORS,
    names=st.lists(TEXT, max_size=3), timeout_ms=st.none() | st.floats(0, 86_400_000, exclude_min=True),
    priority=st.integers(-8, 0), parameters=st.none() | st.dictionaries(TEXT, SCALARS, max_size=4),
)  # fmt: skip
def test_a_request_is_read_as_it_was_written(
    form: Form, id: int | str, model_name: str, version: str | None, tensors: dict[str, Array], names: list[str],  # noqa: A002
    timeout_ms: float | None, priority: int, parameters: dict[str, Any] | None,
) -> None:  # fmt: skip
    """Every request, in every form, comes out with the same fields and the same tensors, bit for bit in binary."""
    outputs = [RequestedOutput(name=name) for name in names]
    request = Infer(
        id=id, model_name=model_name, model_version=version, outputs=outputs, timeout_ms=timeout_ms, priority=priority,
        parameters=parameters,
    )  # fmt: skip
    received = _read(GATEWAY, encode(request, form, tensors), form)
    message = received.message
    assert (message.id, type(message.id), message.model_name) == (id, type(id), model_name)
    assert (message.model_version, message.timeout_ms, message.priority) == (version, timeout_ms, priority)
    assert (message.parameters, list(message.outputs), received.form) == (parameters, outputs, form)
    assert list(received.tensors) == list(tensors)
    assert all(_same(tensors[name], received.tensors[name], form) for name in tensors)


@QUICK
@given(form=st.sampled_from(Form), id=IDS, tensors=TENSORS, queue_us=st.integers(0, 2**40), batch=st.integers(1, 128))
def test_a_result_is_read_as_it_was_written(
    form: Form,
    id: int | str,  # noqa: A002
    tensors: dict[str, Array],
    queue_us: int,
    batch: int,
) -> None:
    """The same holds for answers."""
    timing = Timing(queue_us=queue_us, compute_us=1, batch_size=batch)
    data = encode(Result(id=id, model_name="m", model_version="1", final=True, timing=timing), form, tensors)
    received = _read(SDK, data, form)
    assert (received.message.id, received.message.timing, received.message.final) == (id, timing, True)
    assert all(_same(tensors[name], received.tensors[name], form) for name in tensors)


def _survives(reader: Reader, data: bytes) -> None:
    for read in (reader.text, reader.binary):
        refusal = None
        try:
            read(data)
        except CodecError as error:
            refusal = error
        if refusal is not None:
            assert refusal.code in CODES
            assert refusal.message.isprintable()
            assert len(refusal.message) < 500


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Bytes at random never raise anything but CodecError."""
    _survives(GATEWAY, data)
    _survives(SDK, data)


EXAMPLE = {
    "a": np.arange(6, dtype="<f4").reshape(2, 3),
    "b": np.array([True, False]),
    "c": np.array([b"ab", b""], object),
    "d": np.array([1, -(2**60)]),
}
REQUEST = Infer(id=7, model_name="m", timeout_ms=5, parameters={"k": 1}, outputs=[RequestedOutput(name="y")])
WHOLE = {form: encode(REQUEST, form, EXAMPLE) for form in Form}
# Bytes that mean something to msgpack or JSON, so that mutations get further than the first byte.
TELLING = [
    0x00,
    0x80,
    0x8F,
    0x90,
    0x9F,
    0xA0,
    0xC0,
    0xC1,
    0xC4,
    0xC6,
    0xC7,
    0xCB,
    0xCF,
    0xD3,
    0xD9,
    0xDB,
    0xDD,
    0xDF,
    0xFF,
    *b'{}[]",:0-e.',
]


@settings(QUICK, max_examples=1000)
@given(
    form=st.sampled_from(Form),
    edits=st.lists(
        st.tuples(
            st.sampled_from(["set", "insert", "delete", "cut", "double"]),
            st.floats(0, 1),
            st.sampled_from(TELLING) | st.integers(0, 255),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_a_mutated_message_is_read_or_refused(form: Form, edits: list[tuple[str, float, int]]) -> None:
    """A valid message with bytes changed, added, dropped, cut or repeated never raises anything but CodecError."""
    data = bytearray(WHOLE[form])
    for kind, place, byte in edits:
        at = int(place * len(data))
        if kind == "set" and data:
            data[min(at, len(data) - 1)] = byte
        elif kind == "insert":
            data.insert(at, byte)
        elif kind == "delete":
            del data[at : at + 1 + byte % 4]
        elif kind == "cut":
            del data[at:]
        else:
            data[at:at] = data[at : at + byte]
    _survives(GATEWAY, bytes(data))


LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(["name", "shape", "datatype", "data", "b64"])
VALUES = st.recursive(
    LEAVES | st.sampled_from(["FP32", "BYTES", "NaN"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["id", "model_name", "inputs", "outputs", "timeout_ms", "priority", "parameters", "tensor", "shape", "data"]


@settings(QUICK, max_examples=400)
@given(VALUES, st.sampled_from(FIELDS))
def test_any_value_in_any_field_is_read_or_refused(value: Any, field: str) -> None:
    """Whatever JSON value stands in whatever field, the message is read or refused by CodecError."""
    tensor: dict[str, Any] = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}
    message: dict[str, Any] = {"op": "infer", "id": 7, "model_name": "m", "inputs": [tensor]}
    if field == "tensor":
        message["inputs"] = [value]
    else:
        (tensor if field in ("shape", "data") else message)[field] = value
    _survives(GATEWAY, json.dumps(message).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("form", [Form.MSGPACK, Form.JSON])
def test_every_prefix_of_a_message_is_refused(form: Form) -> None:
    """A binary message that is cut anywhere is refused: nothing is ever read from what is not there."""
    for end in range(len(WHOLE[form])):
        with pytest.raises(CodecError):
            GATEWAY.binary(WHOLE[form][:end])
