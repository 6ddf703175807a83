"""The golden vectors of streams; see ``generate_golden.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from vector_parts import ONE, TIMING, binary, infer, step, tensor, without

from tidegate.codecs.messages import (
    Cancel,
    Close,
    Closed,
    Credit,
    Error,
    Fork,
    Gap,
    Hello,
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
from tidegate.codecs.parts import AnnouncedLimits, LastSeen, RequestedOutput, ResumedStream

if TYPE_CHECKING:
    from tidegate.codecs.datatypes import Array

CHUNK = (np.arange(16, dtype="<f4") / 16).reshape(1, 16)
RATE = np.array(16_000, "<i8")
OUTPUT: dict[str, Array] = {"output": np.array([[0.25]], "<f4")}
STATE = np.arange(11, dtype="u1")
PROMPT = np.array([[5, 7, 11]], "<i8")
TOKEN = "Zm9vYmFyYmF6cXV4"
LIMITS = AnnouncedLimits(message_bytes=16 * 2**20, text_bytes=2**20, in_flight=256, streams=1024)
RESULT = Result(stream="mic", step=3, seq=3, final=True, timing=TIMING)
WANTED = Open(
    id="o-1", stream=0, model_name="camera", model_version="2", outputs=[RequestedOutput(name="boxes")], overflow="latest",
    until=8, priority=-1, parameters={"place": "door"},
)  # fmt: skip
SAMPLED = Step(
    stream="chat", step=1, timeout_ms=30_000, parameters={"max_steps": 200, "temperature": 0.8, "top_k": 40, "seed": 7}
)
FAILED = Error(
    stream="mic", step=4, seq=4, code="model_failed", message="the model failed on this input", retryable=False, expected_step=4
)
REFUSED = Error(
    stream="mic", step=4, code="invalid_input", message="inputs[0].shape: expected [1, 512], got [1, 500]", retryable=False,
    param="inputs[0].shape", expected="[1, 512]", expected_step=4,
)  # fmt: skip

# name, message, tensors; each is written in all three forms.
WRITTEN: list[tuple[str, Message, dict[str, Array]]] = [
    ("open", Open(id=1, stream="mic", model_name="silero_vad"), {"sr": RATE}),
    ("open-options", WANTED, {}),
    ("open-snapshot", Open(id=2, stream="mic 2", model_name="silero_vad", from_snapshot=True), {"snapshot": STATE}),
    ("step", Step(stream="mic", step=3), {"input": CHUNK}),
    ("step-prompt", SAMPLED, {"prompt": PROMPT}),
    ("step-last", Step(stream=2**53 - 1, step=2**53 - 1), {}),
    ("close", Close(stream="mic"), {}),
    ("credit", Credit(stream="mic", until=12), {}),
    ("credit-seen", Credit(stream=7, until=0, seen=0), {}),
    ("cancel-step", Cancel(stream="chat", step=1), {}),
    ("snapshot", Snapshot(id=3, stream="mic"), {}),
    ("fork", Fork(id=4, stream="mic", to="é"), {}),
    ("resume", Resume(token=TOKEN, streams=[LastSeen(stream="mic", last_seq=3), LastSeen(stream=7, last_seq=0)]), {}),
    ("opened", Opened(id=1, stream="mic", model_name="silero_vad", model_version="1", next_step=1, steps=64, results=64), {}),
    ("result-step", RESULT, OUTPUT),
    (
        "result-token",
        Result(stream=7, step=1, seq=2**53 - 1, final=False, timing=TIMING, text="e"),
        {"token": np.array([[11]], "<i8")},
    ),
    ("result-reason", Result(stream="chat", step=1, seq=21, final=True, timing=TIMING, reason="cancelled"), {}),
    ("error-step", FAILED, {}),
    ("gap", Gap(stream="cam", first=5, last=9), {}),
    ("closed", Closed(stream="mic", reason="closed"), {}),
    ("snapshot-taken", SnapshotTaken(id=3, stream="mic", step=3), {"snapshot": STATE}),
    (
        "resumed",
        Resumed(token=TOKEN, streams=[ResumedStream(stream="mic", next_step=6, replay_from=4, seq=5, status="open")], lost=[7]),
        {},
    ),
]
# name, message; written as text only.
TEXTS: list[tuple[str, Message]] = [
    (
        "hello-streams",
        Hello(
            protocol="tidegate.v1", server="tidegate/1.1", session="s-1", keepalive_ms=15_000, limits=LIMITS,
            features=["streams", "resume", "generation", "snapshot"], resume_token=TOKEN, resume_window_ms=60_000,
        ),
    ),
    ("error-step-refused", REFUSED),
    (
        "error-step-unexpected",
        Error(stream=7, step=9, code="unexpected_step", message="step 5 comes next", retryable=False, expected_step=5),
    ),
    ("error-step-cancelled", Error(stream=7, step=9, seq=2, code="cancelled", message="?", retryable=False, outcome="removed")),
    ("error-credit", Error(stream=7, code="unknown_stream", message="there is no stream 7", retryable=False, param="stream")),
    ("error-resume", Error(code="resume_failed", message="the token has expired", retryable=False, lost=["mic", 7])),
]  # fmt: skip

OPEN: dict[str, Any] = {"op": "open", "id": 7, "stream": "s", "model_name": "m"}
CREDIT = {"op": "credit", "stream": "s", "until": 5}
RESUME = {"op": "resume", "token": "t", "streams": [{"stream": "s", "last_seq": 1}]}
X = tensor([2], data=[1, 2])
STEP = ("s", 3)

# Without constants, with what is a tensor list elsewhere, and with unknown fields in the entries.
FREE: list[tuple[str, object, Message]] = [
    ("open-bare", OPEN | {"inputs": 7}, Open(id=7, stream="s", model_name="m")),
    (
        "resume-more",
        RESUME | {"id": {}, "streams": [{"stream": "s", "last_seq": 1, "later": []}]},
        Resume(token="t", streams=[LastSeen(stream="s", last_seq=1)]),
    ),
]

# name, bytes or what JSON says, code, param, id, why, and where an error about it has them, the stream and the step.
INVALID_BINARY: list[tuple[Any, ...]] = [
    ("step-missing", binary(step(tensor([3])), ONE), "invalid_message", "inputs[0]", None, "12 bytes claimed, 8 there", STEP),
    ("step-surplus", binary(step(tensor([1])), ONE) + bytes(8), "invalid_message", None, None, "8 bytes left over", STEP),
    ("step-shape", binary(step(tensor([-1])), ONE), "invalid_input", "inputs[0].shape[0]", None, "-1 is no size", STEP),
    ("open-missing", binary(OPEN | {"constants": [tensor([3])]}, ONE), "invalid_message", "constants[0]", 7, "8 there"),
    (
        "open-snapshot", binary(OPEN | {"from_snapshot": True, "constants": [tensor([2])]}, ONE * 2), "invalid_input",
        "constants", 7, "a snapshot is UINT8",
    ),
    ("close-surplus", binary({"op": "close", "stream": "s"}, ONE), "invalid_message", None, None, "surplus", ("s", None)),
    (
        "cancel-step-surplus", binary({"op": "cancel", "stream": "s", "step": 3}, ONE), "invalid_message", None, None,
        "3 is a step that runs", ("s", None),
    ),
]  # fmt: skip
INVALID_TEXT: list[tuple[Any, ...]] = [
    ("step-no-stream", without(step(X), "stream"), "invalid_message", "stream", None, "no stream"),
    ("step-no-step", without(step(X), "step"), "invalid_message", "step", None, "no step", ("s", None)),
    ("step-zero", step(X, step=0), "invalid_message", "step", None, "steps begin at 1", ("s", None)),
    ("step-huge", step(X, step=2**53), "invalid_message", "step", None, "beyond 2^53-1", ("s", None)),
    ("step-float", step(X, step=3.0), "invalid_message", "step", None, "3.0 is no integer", ("s", None)),
    ("step-id", step(id=7, inputs={}), "invalid_message", "inputs", None, "a step has no id", STEP),
    ("step-no-inputs", without(step(), "inputs"), "invalid_message", "inputs", None, "no inputs", STEP),
    ("step-data", step(tensor([2], data=[1])), "invalid_input", "inputs[0].data", None, "one element for two", STEP),
    ("step-timeout", step(X, timeout_ms=0), "invalid_message", "timeout_ms", None, "no time at all", STEP),
    ("step-parameters", step(X, parameters={"seed": []}), "invalid_input", "parameters", None, "not flat", STEP),
    ("stream-long", step(X, stream="é" * 33), "invalid_message", "stream", None, "66 bytes of UTF-8"),
    ("stream-empty", step(X, stream=""), "invalid_message", "stream", None, "an empty string"),
    ("open-no-stream", without(OPEN, "stream"), "invalid_message", "stream", 7, "no stream"),
    ("open-no-id", without(OPEN, "id"), "invalid_message", "id", None, "no id"),
    ("open-overflow", OPEN | {"overflow": "newest"}, "invalid_message", "overflow", 7, "no policy"),
    ("open-until", OPEN | {"until": -1}, "invalid_message", "until", 7, "a credit is no debt"),
    ("open-constants", OPEN | {"constants": [7]}, "invalid_input", "constants[0]", 7, "7 is no tensor"),
    ("open-no-snapshot", OPEN | {"from_snapshot": True}, "invalid_input", "constants", 7, "no snapshot"),
    ("credit-until", CREDIT | {"until": -1}, "invalid_message", "until", None, "a credit is no debt", ("s", None)),
    ("credit-step", CREDIT | {"seen": "1", "step": 3}, "invalid_message", "seen", None, "a credit has no step", ("s", None)),
    ("close-stream", {"op": "close", "stream": None}, "invalid_message", "stream", None, "no stream"),
    ("cancel-nothing", {"op": "cancel"}, "invalid_message", "id", None, "neither id nor stream"),
    ("cancel-both", {"op": "cancel", "id": 7, "stream": "s", "step": 3}, "invalid_message", "id", None, "both", ("s", None)),
    ("cancel-no-step", {"op": "cancel", "stream": "s"}, "invalid_message", "step", None, "no step", ("s", None)),
    ("cancel-no-stream", {"op": "cancel", "step": 3}, "invalid_message", "stream", None, "no stream"),
    ("snapshot-no-stream", {"op": "snapshot", "id": 7}, "invalid_message", "stream", 7, "no stream"),
    ("fork-no-to", {"op": "fork", "id": 7, "stream": "s"}, "invalid_message", "to", 7, "no name for it"),
    ("resume-token", without(RESUME, "token") | {"id": 7}, "invalid_message", "token", None, "no token"),
    (
        "resume-seq", RESUME | {"streams": [{"stream": "s", "last_seq": -1}]}, "invalid_message", "streams[0].last_seq", None,
        "numbers begin at 0",
    ),
    (
        "resume-stream", RESUME | {"streams": [{"stream": "é" * 33, "last_seq": 0}]}, "invalid_message", "streams[0].stream",
        None, "66 bytes of UTF-8",
    ),
    ("infer-stream", infer(X, stream="s", step=3, priority=1), "invalid_message", "priority", 7, "about its id"),
]  # fmt: skip
ANSWER = {"op": "result", "stream": "s", "step": 3, "seq": 3, "final": True, "outputs": []}
ANSWER |= {"timing": {"queue_us": 1, "compute_us": 1, "batch_size": 1}}
NOBODYS = without(without(without(ANSWER, "stream"), "step"), "seq")
INVALID_SERVER: list[tuple[Any, ...]] = [
    ("result-no-seq", without(ANSWER, "seq"), "invalid_message", "seq", None, "no place among the results", STEP),
    ("result-nobodys", NOBODYS, "invalid_message", "id", None, "neither id nor stream"),
    ("result-both", ANSWER | {"id": 7}, "invalid_message", "id", None, "both id and stream", STEP),
    ("result-no-version", NOBODYS | {"id": 7, "model_name": "m"}, "invalid_message", "model_version", 7, "no version"),
    ("gap-no-from", {"op": "gap", "stream": "s", "to": 9}, "invalid_message", "from", None, "no beginning", ("s", None)),
]  # fmt: skip
