"""What the messages of streams accept, how they are written, and what an error about one may name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tidegate.codecs.errors import CodecError, Form, Subject
from tidegate.codecs.messages import (
    Cancel,
    ClientMessage,
    Close,
    Closed,
    Credit,
    Error,
    Fork,
    Gap,
    Message,
    Open,
    Opened,
    Result,
    Resume,
    Resumed,
    Snapshot,
    SnapshotTaken,
    Step,
)
from tidegate.codecs.parts import LastSeen, RequestedOutput, ResumedStream, Timing
from tidegate.codecs.reader import client_messages, server_messages
from tidegate.codecs.writer import encode

GATEWAY = client_messages()
SDK = server_messages()
TIMING = Timing(queue_us=1, compute_us=2, batch_size=3)
COST = {"queue_us": 1, "compute_us": 2, "batch_size": 3}
WRITTEN: list[tuple[Message, dict[str, Any]]] = [
    (Open(id=1, stream="s", model_name="m"), {"op": "open", "id": 1, "stream": "s", "model_name": "m", "constants": []}),
    (
        Open(
            id=1, stream=0, model_name="m", model_version="2", outputs=[RequestedOutput(name="y")], overflow="drop_oldest",
            until=0, priority=-8, parameters={"a": 1},
        ),
        {
            "op": "open", "id": 1, "stream": 0, "model_name": "m", "model_version": "2", "outputs": [{"name": "y"}],
            "overflow": "drop_oldest", "until": 0, "priority": -8, "parameters": {"a": 1}, "constants": [],
        },
    ),
    (
        Step(stream="s", step=1, timeout_ms=5, parameters={"seed": 7}),
        {"op": "step", "stream": "s", "step": 1, "timeout_ms": 5, "parameters": {"seed": 7}, "inputs": []},
    ),
    (Close(stream="s"), {"op": "close", "stream": "s"}),
    (Credit(stream="s", until=0, seen=0), {"op": "credit", "stream": "s", "until": 0, "seen": 0}),
    (Cancel(stream="s", step=2), {"op": "cancel", "stream": "s", "step": 2}),
    (Snapshot(id=1, stream="s"), {"op": "snapshot", "id": 1, "stream": "s"}),
    (Fork(id=1, stream="s", to="t"), {"op": "fork", "id": 1, "stream": "s", "to": "t"}),
    (
        Resume(token="t", streams=[LastSeen(stream=7, last_seq=0)]),
        {"op": "resume", "token": "t", "streams": [{"stream": 7, "last_seq": 0}]},
    ),
    (
        Opened(id=1, stream="s", model_name="m", model_version="1", next_step=1, steps=64, results=32),
        {
            "op": "opened", "id": 1, "stream": "s", "model_name": "m", "model_version": "1", "next_step": 1, "steps": 64,
            "results": 32,
        },
    ),
    (
        Result(stream="s", step=1, seq=2, final=False, timing=TIMING, text="é"),
        {"op": "result", "stream": "s", "step": 1, "seq": 2, "final": False, "timing": COST, "text": "é", "outputs": []},
    ),
    (
        Result(stream="s", step=1, seq=3, final=True, timing=TIMING, reason="stop"),
        {"op": "result", "stream": "s", "step": 1, "seq": 3, "final": True, "timing": COST, "reason": "stop", "outputs": []},
    ),
    (
        Error(stream="s", step=1, seq=4, code="model_failed", message="m", retryable=False, expected_step=1),
        {
            "op": "error", "stream": "s", "step": 1, "seq": 4, "code": "model_failed", "message": "m", "retryable": False,
            "expected_step": 1,
        },
    ),
    (
        Error(code="resume_failed", message="m", retryable=False, lost=["s", 7]),
        {"op": "error", "code": "resume_failed", "message": "m", "retryable": False, "lost": ["s", 7]},
    ),
    (Gap(stream="s", first=2, last=3), {"op": "gap", "stream": "s", "from": 2, "to": 3}),
    (Closed(stream="s", reason="idle"), {"op": "closed", "stream": "s", "reason": "idle"}),
    (SnapshotTaken(id=1, stream="s", step=0), {"op": "snapshot", "id": 1, "stream": "s", "step": 0, "outputs": []}),
    (
        Resumed(token="t", streams=[ResumedStream(stream=7, next_step=2, replay_from=1, seq=0, status="open")]),
        {
            "op": "resumed", "token": "t",
            "streams": [{"stream": 7, "next_step": 2, "replay_from": 1, "seq": 0, "status": "open"}],
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "written"), WRITTEN)
@pytest.mark.parametrize("form", Form)
def test_a_message_is_written_with_its_names_and_read_again(message: Message, written: dict[str, Any], form: Form) -> None:
    """Every message of streams, in every form, has exactly the fields of the protocol and reads back equal."""
    data = encode(message, form)
    reader = GATEWAY if isinstance(message, ClientMessage) else SDK
    received = reader.text(data) if form is Form.TEXT else reader.binary(data)
    assert json.loads(encode(message, Form.TEXT)) == json.loads(encode(received.message, Form.TEXT)) == written
    assert (type(received.message), received.form) == (type(message), form)


BASES: dict[str, dict[str, Any]] = {
    "open": {"id": 7, "stream": "s", "model_name": "m"},
    "step": {"stream": "s", "step": 3, "inputs": []},
    "credit": {"stream": "s", "until": 5},
    "resume": {"token": "t", "streams": []},
}


def _text(op: str, **fields: object) -> str:
    return json.dumps({"op": op, **BASES[op], **fields})


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("open", {"constants": []}),
        ("open", {"overflow": "block"}),
        ("open", {"overflow": "latest", "until": 0}),
        ("open", {"until": None, "model_version": None, "parameters": None}),
        ("open", {"from_snapshot": False, "priority": -8}),
        ("open", {"stream": "é" * 32}),
        ("open", {"inputs": [7], "step": -1}),
        ("step", {"step": 1}),
        ("step", {"step": 2**53 - 1, "stream": 2**53 - 1}),
        ("step", {"id": {}, "seq": "later"}),
        ("step", {"timeout_ms": 0.001, "parameters": {str(n): n for n in range(64)}}),
        ("credit", {"until": 2**53 - 1, "seen": None}),
        ("resume", {"streams": [{"stream": n, "last_seq": 0} for n in range(1000)]}),
    ],
)
def test_what_is_within_its_range_is_accepted(op: str, fields: dict[str, Any]) -> None:
    """The ends of every range belong to it; null stands for absent; unknown fields are ignored."""
    assert GATEWAY.text(_text(op, **fields)).message is not None


OPENED = Subject(id=7)
STEPPED = Subject(stream="s", step=3)
CREDITED = Subject(stream="s")


@pytest.mark.parametrize(
    ("op", "fields", "code", "param", "subject"),
    [
        ("open", {"overflow": ""}, "invalid_message", "overflow", OPENED),
        ("open", {"until": 2**53}, "invalid_message", "until", OPENED),
        ("open", {"constants": {}}, "invalid_message", "constants", OPENED),
        ("open", {"constants": [{"name": "x"}]}, "invalid_input", "constants[0].shape", OPENED),
        ("open", {"outputs": [{"name": "o"}] * 65}, "too_large", "outputs", OPENED),
        ("open", {"outputs": [{"name": "o" * 1025}]}, "too_large", "outputs[0].name", OPENED),
        ("open", {"model_name": "m" * 1025}, "too_large", "model_name", OPENED),
        ("open", {"from_snapshot": 1}, "invalid_message", "from_snapshot", OPENED),
        ("open", {"priority": 1}, "invalid_message", "priority", OPENED),
        ("open", {"stream": True}, "invalid_message", "stream", OPENED),
        ("step", {"step": 0}, "invalid_message", "step", CREDITED),
        ("step", {"step": True}, "invalid_message", "step", CREDITED),
        ("step", {"step": None}, "invalid_message", "step", CREDITED),
        ("step", {"stream": 1.0}, "invalid_message", "stream", Subject()),
        ("step", {"inputs": [7]}, "invalid_input", "inputs[0]", STEPPED),
        ("step", {"parameters": {str(n): n for n in range(65)}}, "too_large", "parameters", STEPPED),
        ("step", {"timeout_ms": 86_400_001}, "invalid_message", "timeout_ms", STEPPED),
        ("credit", {"until": None}, "invalid_message", "until", CREDITED),
        ("credit", {"seen": -1, "step": 3}, "invalid_message", "seen", CREDITED),
        ("resume", {"token": None}, "invalid_message", "token", Subject()),
        ("resume", {"streams": None, "id": 7, "stream": 7}, "invalid_message", "streams", Subject()),
        ("resume", {"streams": [{"stream": "s"}]}, "invalid_message", "streams[0].last_seq", Subject()),
    ],
)
def test_what_is_out_of_its_range_is_refused_by_name(
    op: str, fields: dict[str, Any], code: str, param: str, subject: Subject
) -> None:
    """A field beyond its range is refused with its place; the error names the stream and step only of a step."""
    with pytest.raises(CodecError) as caught:
        GATEWAY.text(_text(op, **fields))
    assert (caught.value.code, caught.value.param, caught.value.subject) == (code, param, subject)


@pytest.mark.parametrize("form", [Form.MSGPACK, Form.JSON])
@pytest.mark.parametrize(
    ("message", "subject"),
    [
        (Cancel(stream="s", step=3), CREDITED),
        (Cancel(id=7), Subject()),
        (Credit(stream="s", until=1), CREDITED),
        (Close(stream="s"), CREDITED),
        (Step(stream="s", step=3), STEPPED),
        (Fork(id=7, stream="s", to="t"), OPENED),
        (Snapshot(id=7, stream="s"), OPENED),
        (Resume(token="t", streams=[]), Subject()),
    ],
)
def test_an_error_never_looks_like_the_end_of_something_else(message: Message, subject: Subject, form: Form) -> None:
    """Whatever is wrong with a cancel, a credit or a close, the error about it names no step; one about a step has no id."""
    data = encode(message, form)
    for broken in (data + bytes(8), data[:-1] + b"\1"):
        with pytest.raises(CodecError) as caught:
            GATEWAY.binary(broken)
        assert caught.value.subject == subject


@pytest.mark.parametrize(
    "constants",
    [
        {},
        {"state": np.zeros(3, "u1")},
        {"snapshot": np.zeros(3, "i1")},
        {"snapshot": np.zeros((1, 3), "u1")},
        {"snapshot": np.zeros(3, "u1"), "sr": np.zeros(1, "<i8")},
    ],
)
@pytest.mark.parametrize("form", Form)
def test_a_snapshot_is_one_tensor_of_bytes(constants: dict[str, Any], form: Form) -> None:
    """A stream is opened from one flat UINT8 tensor named snapshot, and from nothing else."""
    data = encode(Open(id=7, stream="s", model_name="m", from_snapshot=True), form, constants)
    with pytest.raises(CodecError) as caught:
        GATEWAY.text(data) if form is Form.TEXT else GATEWAY.binary(data)
    assert (caught.value.code, caught.value.param, caught.value.id) == ("invalid_input", "constants", 7)


def test_a_result_of_a_stream_that_cannot_be_read_is_told_apart() -> None:
    """An SDK learns which step's result it could not read."""
    data = encode(Result(stream="s", step=3, seq=9, final=True, timing=TIMING), Form.MSGPACK, {"y": np.ones(2)})
    with pytest.raises(CodecError) as caught:
        SDK.binary(data[:-8])
    assert caught.value.subject == STEPPED
