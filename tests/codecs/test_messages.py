"""What the messages accept and how they are written: the wire's names, ranges and defaults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.codecs.errors import CodecError, Form
from tidegate.codecs.messages import (
    CLIENT_OPS,
    SERVER_OPS,
    Cancel,
    ClientMessage,
    Error,
    Goaway,
    Hello,
    Infer,
    Message,
    ModelList,
    Models,
    Ping,
    Pong,
    Result,
    ServerMessage,
)
from tidegate.codecs.parts import AnnouncedLimits, RequestedOutput, Timing
from tidegate.codecs.reader import client_messages, server_messages
from tidegate.codecs.writer import encode

TIMING = Timing(queue_us=1, compute_us=2, batch_size=3)
LIMITS = AnnouncedLimits(message_bytes=1, text_bytes=2, in_flight=3)
WRITTEN: list[tuple[Message, dict[str, Any]]] = [
    (
        Infer(
            id="a", model_name="m", model_version="2", outputs=[RequestedOutput(name="o")],
            timeout_ms=1.5, priority=-8, parameters={"k": "v", "b": True, "n": 1, "x": 0.5},
        ),
        {
            "op": "infer", "id": "a", "model_name": "m", "model_version": "2", "outputs": [{"name": "o"}], "timeout_ms": 1.5,
            "priority": -8, "parameters": {"k": "v", "b": True, "n": 1, "x": 0.5}, "inputs": [],
        },
    ),
    (Infer(id=7, model_name="m"), {"op": "infer", "id": 7, "model_name": "m", "inputs": []}),
    (Cancel(id=7), {"op": "cancel", "id": 7}),
    (Models(id=7), {"op": "models", "id": 7}),
    (Ping(), {"op": "ping"}),
    (Pong(id=7), {"op": "pong", "id": 7}),
    (
        Hello(protocol="tidegate.v1", server="s", session="t", keepalive_ms=4, limits=LIMITS, features=["f"]),
        {
            "op": "hello", "protocol": "tidegate.v1", "server": "s", "session": "t", "keepalive_ms": 4,
            "limits": {"message_bytes": 1, "text_bytes": 2, "in_flight": 3}, "features": ["f"],
        },
    ),
    (
        Result(id=7, model_name="m", model_version="1", final=True, timing=TIMING),
        {
            "op": "result", "id": 7, "model_name": "m", "model_version": "1", "final": True,
            "timing": {"queue_us": 1, "compute_us": 2, "batch_size": 3}, "outputs": [],
        },
    ),
    (
        Error(code="cancelled", message="m", retryable=False, id=7, outcome="removed"),
        {"op": "error", "id": 7, "code": "cancelled", "message": "m", "retryable": False, "outcome": "removed"},
    ),
    (
        Error(code="overloaded", message="m", retryable=True, duplicate_of=7, retry_after_ms=5, param="p", expected="e"),
        {
            "op": "error", "code": "overloaded", "message": "m", "retryable": True, "retry_after_ms": 5, "param": "p",
            "expected": "e", "duplicate_of": 7,
        },
    ),
    (ModelList(id=7, models=[{"name": "m", "x": [None]}]), {"op": "models", "id": 7, "models": [{"name": "m", "x": [None]}]}),
    (Goaway(time_left_ms=9, reason="r"), {"op": "goaway", "time_left_ms": 9, "reason": "r"}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "written"), WRITTEN)
@pytest.mark.parametrize("form", Form)
def test_a_message_is_written_with_its_names_and_read_again(message: Message, written: dict[str, Any], form: Form) -> None:
    """Every message, in every form, has exactly the fields of the protocol and reads back equal."""
    data = encode(message, form)
    reader = client_messages() if isinstance(message, ClientMessage) else server_messages()
    if form is Form.TEXT:
        assert json.loads(data) == written
    received = reader.text(data) if form is Form.TEXT else reader.binary(data)
    assert json.loads(encode(received.message, Form.TEXT)) == written
    assert (received.tensors, received.form) == ({}, form)


def test_the_ops_are_those_of_the_messages() -> None:
    """The lists of ops, which error messages show, are the tags of the unions."""
    for union, ops in ((ClientMessage, CLIENT_OPS), (ServerMessage, SERVER_OPS)):
        assert tuple(cls.__struct_config__.tag for cls in union.__args__) == ops


def _infer(**fields: object) -> str:
    return json.dumps({"op": "infer", "id": 7, "model_name": "m", "inputs": [], **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"id": 0}, {"id": 2**53 - 1}, {"id": "x" * 64}, {"id": "é" * 32}, {"timeout_ms": 0.001}, {"timeout_ms": 86_400_000},
        {"timeout_ms": None}, {"priority": 0}, {"priority": -8}, {"parameters": {}}, {"parameters": {"": False}},
        {"parameters": {str(n): n for n in range(64)}}, {"outputs": []}, {"outputs": [{"name": "o", "later": [1]}]},
        {"model_version": None}, {"unknown": {"deep": [[[]]]}}, {"model_name": "ÿ" * 512},
    ],
)  # fmt: skip
def test_what_is_within_its_range_is_accepted(fields: dict[str, Any]) -> None:
    """The ends of every range belong to it; null stands for absent; unknown fields are ignored."""
    assert client_messages().text(_infer(**fields)).message.model_name


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"id": -1}, "invalid_message", "id"),
        ({"id": 2**53}, "invalid_message", "id"),
        ({"id": ""}, "invalid_message", "id"),
        ({"id": "x" * 65}, "invalid_message", "id"),
        ({"id": "é" * 33}, "invalid_message", "id"),
        ({"id": True}, "invalid_message", "id"),
        ({"id": 1.0}, "invalid_message", "id"),
        ({"id": None}, "invalid_message", "id"),
        ({"model_name": ""}, "invalid_message", "model_name"),
        ({"model_name": "ÿ" * 513}, "too_large", "model_name"),
        ({"model_version": 1}, "invalid_message", "model_version"),
        ({"timeout_ms": 0}, "invalid_message", "timeout_ms"),
        ({"timeout_ms": 86_400_001}, "invalid_message", "timeout_ms"),
        ({"timeout_ms": "1"}, "invalid_message", "timeout_ms"),
        ({"priority": 1}, "invalid_message", "priority"),
        ({"priority": -9}, "invalid_message", "priority"),
        ({"priority": 0.0}, "invalid_message", "priority"),
        ({"parameters": {"a": None}}, "invalid_input", "parameters"),
        ({"parameters": {"a": [1]}}, "invalid_input", "parameters"),
        ({"parameters": {"a": 2**53}}, "invalid_input", "parameters"),
        ({"parameters": [1]}, "invalid_input", "parameters"),
        ({"parameters": {str(n): n for n in range(65)}}, "too_large", "parameters"),
        ({"inputs": None}, "invalid_message", "inputs"),
        ({"inputs": {}}, "invalid_message", "inputs"),
        ({"inputs": [5]}, "invalid_input", "inputs[0]"),
        ({"inputs": [{"shape": [1], "datatype": "FP32"}]}, "invalid_input", "inputs[0].name"),
        ({"outputs": [{"name": ""}]}, "invalid_input", "outputs[0].name"),
        ({"outputs": ["o"]}, "invalid_input", "outputs[0]"),
        ({"outputs": [{"name": "o"}] * 65}, "too_large", "outputs"),
        ({"outputs": [{"name": "o" * 1025}]}, "too_large", "outputs[0].name"),
    ],
)
def test_what_is_out_of_its_range_is_refused_by_name(fields: dict[str, Any], code: str, param: str) -> None:
    """A field beyond its range is refused with the code and the place that the protocol says."""
    with pytest.raises(CodecError) as caught:
        client_messages().text(_infer(**fields))
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.id == (None if param == "id" else 7)


@pytest.mark.parametrize("field", ["id", "model_name", "inputs"])
def test_a_missing_field_is_named(field: str) -> None:
    """What an infer must have and has not is refused as nothing at that field."""
    fields = {"op": "infer", "id": 7, "model_name": "m", "inputs": []}
    del fields[field]
    with pytest.raises(CodecError, match=f"{field}: expected .*, got nothing") as caught:
        client_messages().text(json.dumps(fields))
    assert caught.value.code == "invalid_message"
