"""Writes the golden vectors: messages as bytes, and in ``golden/manifest.json`` what each means or why it is refused.

Run ``python tests/codecs/generate_golden.py`` after a change of the protocol; the same code always gives the same bytes. The
vectors are for every implementation of PROTOCOL.md, so the manifest holds nothing of Python. This script does not check that
the codecs agree with it: ``test_golden.py`` does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import event_vectors as events
import msgspec
import numpy as np
import stream_vectors as streams
from vector_parts import ONE, TIMING, binary, infer, strings, tensor, without

from tidegate.codecs.datatypes import BF16_DTYPE, Array, datatype_of
from tidegate.codecs.errors import Form
from tidegate.codecs.frames import join
from tidegate.codecs.json_elements import encode as elements
from tidegate.codecs.messages import (
    TENSOR_FIELDS,
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
)
from tidegate.codecs.parts import AnnouncedLimits, RequestedOutput
from tidegate.codecs.result_template import ResultTemplate, run_part
from tidegate.codecs.step_results import StepResults
from tidegate.codecs.tensors import pack_strings
from tidegate.codecs.writer import encode

FOLDER = Path(__file__).with_name("golden")
ABOUT = [
    "Golden vectors of the protocol tidegate.v1; see PROTOCOL.md.",
    "valid: reading `file` as one WebSocket message (`frame`: text or binary) sent by `from` gives `message` and `tensors`.",
    "`message` is without the tensors (`inputs` of infer and step, `constants` of open, `outputs` of result, of event",
    "and of the gateway's snapshot); absent fields have their defaults;",
    "null means that the op is unknown: to be ignored. `form` is how it was written: text, or by its header msgpack or json.",
    "`tensors` are in order; `bytes` is hexadecimal: the elements as they lie in a binary message, without padding;",
    "`data` is the same as the JSON rules write it. Writers may give other bytes than `file`, with keys in another order.",
    "invalid: reading `file` is refused with `code` and `param`; `id` is what an error about it carries (null: none);",
    "so are `stream` and `step`, where they are there.",
]
FORMS = {Form.TEXT: "text", Form.MSGPACK: "msgpack", Form.JSON: "json"}
IMAGE = (np.arange(64, dtype="<f4") % 17).reshape(1, 8, 8)
PROBS = np.array([[0, 0, 0.5, 0.25, 0, 0.25, 0, 0, 0, 0]], "<f4")


DATATYPES = {
    "BOOL": np.array([True, False, True]),
    "INT8": np.array([-128, 0, 127], "i1"),
    "INT16": np.array([-32768, 0, 32767], "<i2"),
    "INT32": np.array([-(2**31), 0, 2**31 - 1], "<i4"),
    "INT64": np.array([-(2**63), -(2**53) + 1, 2**53 - 1, 2**53, 2**63 - 1], "<i8"),
    "UINT8": np.array([0, 255], "u1"),
    "UINT16": np.array([0, 65535], "<u2"),
    "UINT32": np.array([0, 2**32 - 1], "<u4"),
    "UINT64": np.array([0, 2**53 - 1, 2**53, 2**64 - 1], "<u8"),
    "FP16": np.array([1, -0.0, 65504, np.inf, -np.inf, np.nan], "<f2"),
    "BF16": np.array([0x3F80, 0x8000, 0x7F7F, 0x7F80, 0xFF80, 0x7FC0], "<u2").view(BF16_DTYPE),
    "FP32": np.array([1, -0.0, 0.1, np.inf, -np.inf, np.nan], "<f4"),
    "FP64": np.array([1, -0.0, 0.1, 5e-324, np.inf, -np.inf, np.nan], "<f8"),
    "BYTES": strings(b"text", "é".encode(), b"", b"\0", b"\xff\xfe"),
}
SHAPES = {
    "scalar": np.array(2.5, "<f4"),
    "empty": np.empty((2, 0, 3), "<f4"),
    "rank 8": np.arange(4, dtype="u1").reshape(1, 2, 1, 1, 1, 2, 1, 1),
    "no strings": strings(),
    "7": np.array([7], "<i8"),
    "a/b:0": np.array([[1], [2]], "<u2"),
}
DIGITS = Infer(id=7, model_name="digits")
OPTIONS = Infer(
    id="frame-1", model_name="digits", model_version="1", outputs=[RequestedOutput(name="probs")], timeout_ms=250.5,
    priority=-2, parameters={"camera": "left", "frame": 31, "gain": 0.5, "test": True},
)  # fmt: skip
RESULT = Result(id=7, model_name="digits", model_version="1", final=True, timing=TIMING)
LIMITS = AnnouncedLimits(message_bytes=16 * 2**20, text_bytes=2**20, in_flight=256)
DESCRIBED = {"name": "digits", "version": "1", "state": "ready", "metadata": {}, "unknown to you": [1, None]}

# name, message, tensors; each is written in all three forms.
WRITTEN: list[tuple[str, Message, dict[str, Array]]] = [
    ("infer", DIGITS, {"image": IMAGE}),
    ("infer-small", Infer(id=7, model_name="m"), {"x": np.array([1, 2], "<f4"), "y": np.array([True, False, True])}),
    ("infer-options", OPTIONS, {"image": IMAGE}),
    ("infer-datatypes", Infer(id=0, model_name="all"), DATATYPES),
    ("infer-shapes", Infer(id=2**53 - 1, model_name="all"), SHAPES),
    ("infer-no-inputs", Infer(id=1, model_name="constant"), {}),
    ("cancel", Cancel(id=7), {}),
    ("models", Models(id=8), {}),
    ("ping", Ping(), {}),
    ("pong-id", Pong(id="é"), {}),
    ("result", RESULT, {"probs": PROBS}),
    ("result-datatypes", Result(id=0, model_name="all", model_version="2", final=True, timing=TIMING), DATATYPES),
]
# name, message; written as text only.
TEXTS: list[tuple[str, Message]] = [
    ("hello", Hello(protocol="tidegate.v1", server="tidegate/1.0", session="s-1", keepalive_ms=15_000, limits=LIMITS)),
    ("goaway", Goaway(time_left_ms=10_000, reason="shutting down")),
    ("model-list", ModelList(id=8, models=[DESCRIBED])),
    (
        "error",
        Error(
            id=7, code="invalid_input", message="inputs[0].shape: expected [-1, 8, 8], got [1, 8, 9]", retryable=False,
            param="inputs[0].shape", expected="[-1, 8, 8]",
        ),
    ),
    ("error-overloaded", Error(id=9, code="overloaded", message="the queue is full", retryable=True, retry_after_ms=50)),
    ("error-cancelled", Error(id=7, code="cancelled", message="cancelled", retryable=False, outcome="removed")),
    ("error-duplicate", Error(code="duplicate_id", message="7 is in use", retryable=False, duplicate_of=7)),
    ("error-unknown-code", Error(id=7, code="from_the_future", message="?", retryable=True)),
]  # fmt: skip

# name, bytes or what JSON says, code, param, id, why; all but the last two lists are sent by a client.
INVALID_BINARY: list[tuple[Any, ...]] = [
    ("nothing", b"", "invalid_message", None, None, "there is no header length"),
    ("header-cut", b"\x05\0\0\0\x81\xa2op", "invalid_message", None, None, "fewer bytes than the header length says"),
    ("header-reserved-bits", b"\x08\0\0\x01" + bytes(12), "invalid_message", None, None, "bits 24-31 of the length are set"),
    ("header-too-large", b"\x01\0\x01\0" + bytes(12), "too_large", None, None, "a header of 64 KiB and one byte"),
    ("header-empty", bytes(8), "invalid_message", None, None, "a header of no bytes"),
    ("header-padding", b"\x01\0\0\0\x80\0\0\x01", "invalid_message", None, None, "padding that is not zero"),
    ("header-c1", join(b"\xc1"), "invalid_message", None, None, "0xC1 is never used in msgpack"),
    ("header-truncated", join(b"\x82\xa2op\xa4ping\xa2id"), "invalid_message", None, None, "a map that ends early"),
    ("header-trailing", join(b"\x81\xa2op\xa4ping\xc0"), "invalid_message", None, None, "something after the map"),
    ("header-array", join(b"\x91\xa4ping"), "invalid_message", None, None, "an array instead of a map"),
    ("header-lying-map", join(b"\xdf\xff\xff\xff\xff\xa2op\xa4ping"), "invalid_message", None, None, "4 G entries announced"),
    ("header-lying-string", join(b"\x81\xa2op\xdb\xff\xff\xff\xff"), "invalid_message", None, None, "4 GiB announced"),
    ("header-not-utf8", join(b"\x82\xa2op\xa4ping\xa2id\xa1\xff"), "invalid_message", None, None, "a string that is not UTF-8"),
    ("header-bomb", join(b"\x82\xa2op\xa4ping\xa1x" + b"\x91" * 60_000), "invalid_message", None, None, "60,000 levels deep"),
    ("header-json-not-utf8", join(b'{"op":"ping","x":"\xff"}'), "invalid_message", None, None, "JSON that is not UTF-8"),
    ("header-broken-json", join(b'{"op":"ping"'), "invalid_message", None, None, "JSON that ends early"),
    ("op-bin", join(b"\x82\xa2op\xc4\x04ping\xa2id\x07"), "invalid_message", "op", 7, "the op as bin instead of str"),
    ("bytes-missing", binary(infer(tensor([3])), ONE), "invalid_message", "inputs[0]", 7, "12 bytes claimed, 8 there"),
    ("bytes-surplus", binary(infer(tensor([1])), ONE) + bytes(8), "invalid_message", None, 7, "8 bytes that no tensor has"),
    ("bytes-unaligned", binary(infer(tensor([1])), ONE)[:-4], "invalid_message", "inputs[0]", 7, "no padding at the end"),
    ("cancel-surplus", binary({"op": "cancel", "id": 7}, ONE), "invalid_message", None, None, "7 is the id of another message"),
    ("padding", binary(infer(tensor([1])), ONE + b"\0\0\0\x01"), "invalid_message", "inputs[0]", 7, "padding that is not zero"),
    ("nbytes-lies", binary(infer(tensor([2], nbytes=4)), ONE * 2), "invalid_input", "inputs[0].nbytes", 7, "8 bytes needed"),
    ("shape-wraps", binary(infer(tensor([2**26] * 5))), "invalid_input", "inputs[0].shape", 7, "a product of 2^130"),
    ("shape-rank", binary(infer(tensor([1] * 9)), ONE), "invalid_input", "inputs[0].shape", 7, "nine dimensions"),
    ("shape-negative", binary(infer(tensor([-1])), ONE), "invalid_input", "inputs[0].shape[0]", 7, "-1 is no size"),
    ("shape-float", binary(infer(tensor([1.0])), ONE), "invalid_input", "inputs[0].shape[0]", 7, "a size is an integer"),
    ("shape-huge", binary(infer(tensor([0, 2**31]))), "invalid_input", "inputs[0].shape[1]", 7, "a dimension beyond 2^31-1"),
    ("datatype", binary(infer(tensor([1], "<f4")), ONE), "invalid_input", "inputs[0].datatype", 7, "no name of a datatype"),
    ("name-twice", binary(infer(tensor([0]), tensor([0]))), "invalid_input", "inputs[1].name", 7, "the name of the first"),
    ("data", binary(infer(tensor([1], data=[1])), ONE), "invalid_input", "inputs[0].data", 7, "data is for text messages"),
    ("bool", binary(infer(tensor([1], "BOOL")), b"\x02"), "invalid_input", "inputs[0]", 7, "a BOOL is 0 or 1"),
    ("strings-nbytes", binary(infer(tensor([1], "BYTES")), bytes(4)), "invalid_input", "inputs[0].nbytes", 7, "not there"),
    (
        "strings-overrun", binary(infer(tensor([1], "BYTES", nbytes=5)), b"\xff\0\0\0a"), "invalid_input", "inputs[0]", 7,
        "an element longer than its tensor",
    ),
    (
        "strings-surplus", binary(infer(tensor([1], "BYTES", nbytes=8)), bytes(8)), "invalid_input", "inputs[0]", 7,
        "bytes behind the last element",
    ),
    (
        "strings-many", binary(infer(tensor([65_537], "BYTES", nbytes=0))), "too_large", "inputs[0].shape", 7,
        "more than 65,536 elements",
    ),
    ("many", binary(infer(*[tensor([0]) | {"name": str(n)} for n in range(65)])), "too_large", "inputs", 7, "65 tensors"),
]  # fmt: skip
X = tensor([2], data=[1, 2])
INVALID_TEXT: list[tuple[Any, ...]] = [
    ("nothing", b"", "invalid_message", None, None, "no JSON"),
    ("not-utf8", b'{"op":"ping","x":"\xff"}', "invalid_message", None, None, "a byte that is not UTF-8"),
    ("two", b'{"op":"ping"}{"op":"ping"}', "invalid_message", None, None, "two objects"),
    ("array", ["ping"], "invalid_message", None, None, "an array"),
    ("nan", b'{"op":"ping","id":NaN}', "invalid_message", None, None, "NaN is not JSON"),
    ("surrogate", b'{"op":"ping","id":"\\ud800"}', "invalid_message", None, None, "half a surrogate pair"),
    ("bomb", b"[" * 100_000, "invalid_message", None, None, "100,000 levels deep"),
    ("op-missing", {"id": 7}, "invalid_message", "op", 7, "no op"),
    ("op-unknown", {"op": "publish", "id": 7}, "invalid_message", "op", 7, "an op that this server does not know"),
    ("op-of-servers", {"op": "result", "id": 7}, "invalid_message", "op", 7, "an op that only servers send"),
    ("id-missing", without(infer(X), "id"), "invalid_message", "id", None, "no id"),
    ("id-negative", infer(X, id=-1), "invalid_message", "id", None, "ids begin at 0"),
    ("id-huge", infer(X, id=2**53), "invalid_message", "id", None, "beyond 2^53-1"),
    ("id-float", infer(X, id=7.0), "invalid_message", "id", None, "7.0 is no integer"),
    ("id-empty", infer(X, id=""), "invalid_message", "id", None, "an empty string"),
    ("id-long", infer(X, id="é" * 33), "invalid_message", "id", None, "66 bytes of UTF-8"),
    ("model-name-missing", without(infer(X), "model_name"), "invalid_message", "model_name", 7, "no model_name"),
    ("model-version", infer(X, model_version=1), "invalid_message", "model_version", 7, "a version is a string"),
    ("inputs-missing", without(infer(), "inputs"), "invalid_message", "inputs", 7, "no inputs"),
    ("inputs-map", infer(inputs={"x": [1, 2]}), "invalid_message", "inputs", 7, "a map instead of a list"),
    ("timeout", infer(X, timeout_ms=0), "invalid_message", "timeout_ms", 7, "no time at all"),
    ("priority", infer(X, priority=1), "invalid_message", "priority", 7, "clients may only lower theirs"),
    ("parameters", infer(X, parameters={"a": {"b": 1}}), "invalid_input", "parameters", 7, "not flat"),
    ("outputs", infer(X, outputs=["y"]), "invalid_input", "outputs[0]", 7, "a string instead of {name}"),
    ("tensor-shape", infer(without(X, "shape")), "invalid_input", "inputs[0].shape", 7, "no shape"),
    ("tensor-data", infer(without(X, "data")), "invalid_input", "inputs[0].data", 7, "no data"),
    ("data-count", infer(tensor([2], data=[1, 2, 3])), "invalid_input", "inputs[0].data", 7, "three elements for two"),
    ("data-ragged", infer(tensor([2, 2], data=[[1, 2], [3]])), "invalid_input", "inputs[0].data", 7, "lists of uneven length"),
    ("data-nesting", infer(tensor([2, 2], data=[[1], [2], [3], [4]])), "invalid_input", "inputs[0].data", 7, "nested 4 by 1"),
    ("data-range", infer(tensor([2], "INT8", data=[1, 128])), "invalid_input", "inputs[0].data[1]", 7, "128 is no INT8"),
    ("data-float", infer(tensor([1], "INT32", data=[1.0])), "invalid_input", "inputs[0].data[0]", 7, "1.0 is no integer"),
    ("data-bool", infer(tensor([1], "INT32", data=[True])), "invalid_input", "inputs[0].data[0]", 7, "true is no integer"),
    ("data-string", infer(tensor([1], data=["1"])), "invalid_input", "inputs[0].data[0]", 7, "a string is no number"),
    ("data-wide", infer(tensor([1], "INT64", data=[2**53])), "invalid_input", "inputs[0].data[0]", 7, "should be a string"),
    ("data-overflow", infer(tensor([1], "FP16", data=[65520])), "invalid_input", "inputs[0].data", 7, "beyond its range"),
    ("data-base64", infer(tensor([1], "BYTES", data=[{"b64": "_w"}])), "invalid_input", "inputs[0].data[0].b64", 7, "wrong"),
]  # fmt: skip
INVALID_SERVER: list[tuple[Any, ...]] = [
    ("result-no-timing", {"op": "result", "id": 7, "model_name": "m", "model_version": "1", "outputs": [], "final": True},
     "invalid_message", "timing", 7, "no timing"),
    ("pong-id", {"op": "pong", "id": -1}, "invalid_message", "id", None, "ids begin at 0"),
]  # fmt: skip


ANSWER = {"op": "result", "id": 7, "model_name": "m", "model_version": "1", "final": True}
ANSWER |= {"timing": {"queue_us": 1, "compute_us": 1, "batch_size": 1}, "outputs": [tensor([1], nbytes=4)]}
INVALID_SERVER_BINARY: list[tuple[Any, ...]] = [
    ("result-missing", binary(ANSWER), "invalid_message", "outputs[0]", 7, "the tensor is not there"),
    ("result-surplus", binary(ANSWER, ONE) + bytes(8), "invalid_message", None, 7, "8 bytes that no tensor has"),
    ("result-padding", binary(ANSWER, ONE + b"\x01"), "invalid_message", "outputs[0]", 7, "padding that is not zero"),
    ("result-rank", binary(ANSWER | {"outputs": [tensor([1] * 9)]}, ONE), "invalid_input", "outputs[0].shape", 7, "rank 9"),
]  # fmt: skip


def described(arrays: dict[str, Array]) -> list[dict[str, Any]]:
    """Describe tensors for the manifest."""
    listed = []
    for name, array in arrays.items():
        datatype = datatype_of(array)
        raw = pack_strings(array) if datatype == "BYTES" else array.tobytes()
        data = json.loads(msgspec.json.encode(elements(array, datatype)))
        listed.append({"name": name, "shape": list(array.shape), "datatype": datatype, "bytes": raw.hex(), "data": data})
    return listed


def _fields(message: Message) -> dict[str, Any]:
    tensors = TENSOR_FIELDS.get(type(message))
    fields: dict[str, Any] = json.loads(encode(message, Form.TEXT))
    return without(fields, tensors) if tensors else fields


def valid_vectors() -> list[tuple[dict[str, Any], bytes]]:
    """Give each valid vector as its entry in the manifest and its bytes."""
    vectors = []
    for name, message, arrays in WRITTEN + streams.WRITTEN + events.WRITTEN:
        for form, suffix in FORMS.items():
            vectors.append(_valid(f"{name}-{suffix}", message, arrays, form, encode(message, form, arrays)))
    vectors += [
        _valid(name, message, {}, Form.TEXT, encode(message, Form.TEXT))
        for name, message in TEXTS + streams.TEXTS + events.TEXTS
    ]
    template = ResultTemplate("digits", "1", [("probs", "FP32", (1, 10))])
    wide = template.frame(7, TIMING.queue_us, run_part(TIMING.compute_us, TIMING.batch_size), [PROBS.tobytes()])
    vectors.append(_valid("result-wide-integers", RESULT, {"probs": PROBS}, Form.MSGPACK, wide))
    results = StepResults()
    _, step = [results.encode(streams.RESULT, streams.OUTPUT) for _ in range(2)]
    vectors.append(_valid("result-step-wide-integers", streams.RESULT, streams.OUTPUT, Form.MSGPACK, step))
    nested = json.dumps(infer(tensor([2, 2], data=[[1, 2], [3, 4]]), later={"x": []}), indent=1).encode()
    square = {"x": np.array([[1, 2], [3, 4]], "<f4")}
    vectors.append(_valid("infer-nested-data", Infer(id=7, model_name="m"), square, Form.TEXT, nested))
    last = binary({"inputs": [tensor([1])], "later": [{}], "model_name": "m", "id": 7, "op": "infer"}, ONE)
    vectors.append(_valid("infer-op-last", Infer(id=7, model_name="m"), {"x": np.ones(1, "<f4")}, Form.MSGPACK, last))
    vectors += [_valid(name, message, {}, Form.TEXT, _json(content)) for name, content, message in streams.FREE]
    entry: dict[str, Any] = {
        "file": "valid/unknown-op.json",
        "frame": "text",
        "form": "text",
        "from": "server",
        "message": None,
        "tensors": [],
    }
    vectors.append((entry, b'{"op":"tide","id":{},"topic":"t"}'))
    return vectors


def _valid(name: str, message: Message, arrays: dict[str, Array], form: Form, data: bytes) -> tuple[dict[str, Any], bytes]:
    frame = "text" if form is Form.TEXT else "binary"
    sender = "client" if isinstance(message, ClientMessage) else "server"
    return {
        "file": f"valid/{name}.{'json' if frame == 'text' else 'bin'}", "frame": frame, "form": FORMS[form], "from": sender,
        "message": _fields(message), "tensors": described(arrays),
    }, data  # fmt: skip


def invalid_vectors() -> list[tuple[dict[str, Any], bytes]]:
    """Give each invalid vector as its entry in the manifest and its bytes."""
    vectors = []
    kinds: list[tuple[str, str, list[Any]]] = [
        ("client", "binary", INVALID_BINARY + streams.INVALID_BINARY + events.INVALID_BINARY),
        ("client", "text", INVALID_TEXT + streams.INVALID_TEXT + events.INVALID_TEXT),
        ("server", "text", INVALID_SERVER + streams.INVALID_SERVER + events.INVALID_SERVER),
        ("server", "binary", INVALID_SERVER_BINARY),
    ]
    rows = [(sender, frame, *row) for sender, frame, table in kinds for row in table]
    for sender, frame, name, content, code, param, id, why, *of_stream in rows:  # noqa: A001 - the name on the wire
        file = f"invalid/{frame}-{name}.{'json' if frame == 'text' else 'bin'}"
        entry = {"file": file, "frame": frame, "from": sender, "code": code, "param": param, "id": id}
        for stream, step in of_stream:
            entry |= {"stream": stream} if step is None else {"stream": stream, "step": step}
        vectors.append((entry | {"why": why}, _json(content)))
    return vectors


def _json(content: object) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()


def build() -> dict[str, bytes]:
    """Give every file of the golden folder by its path, the manifest included."""
    valid, invalid = valid_vectors(), invalid_vectors()
    manifest: dict[str, list[Any]] = {
        "about": ABOUT,
        "valid": [entry for entry, _ in valid],
        "invalid": [entry for entry, _ in invalid],
    }
    lists = ",\n".join(f'"{key}": [\n{_lines(entries)}\n]' for key, entries in manifest.items())
    files = {entry["file"]: data for entry, data in valid + invalid}
    assert len(files) == len(valid) + len(invalid), "two vectors have the same name"
    return files | {"manifest.json": f"{{\n{lists}\n}}\n".encode()}


def _lines(entries: list[Any]) -> str:
    # One entry on each line: a change shows as the lines that it touches.
    return ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)


def main() -> None:
    """Write the files, and remove those that are no vector any more."""
    files = build()
    for path in sorted(FOLDER.glob("*/*")):
        if path.relative_to(FOLDER).as_posix() not in files:
            path.unlink()
    for name, data in files.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
