"""Large text messages, read in steps: what they mean does not depend on how they are read, and no step does much."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.codecs import json_pieces, large_text
from tidegate.codecs.datatypes import DATATYPES
from tidegate.codecs.errors import CodecError, Fault
from tidegate.codecs.json_data import decode
from tidegate.codecs.json_pieces import PIECE_BYTES, WrongNesting, pieces
from tidegate.codecs.messages import CLIENT_OPS, TENSOR_FIELDS
from tidegate.codecs.reader import Received, client_messages
from tidegate.codecs.steps import finish

READER = client_messages()
MIB = 1024 * 1024


def outcome(text: bytes, *, steps: bool) -> tuple[Any, ...]:
    """Read a message either way; give what can be compared."""
    try:
        received = finish(READER.text_steps(text)) if steps else READER.text(text)
    except CodecError as error:
        return (error.code, error.param, error.subject, error.form)
    message = received.message
    tensors = {name: (array.dtype, array.shape, array.tolist()) for name, array in received.tensors.items()}
    headers = TENSOR_FIELDS.get(type(message))
    return (msgspec.structs.replace(message, **{headers: ()}) if headers else message, tensors)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["x", "y", "", 7]),
        "shape": st.sampled_from([[2], [1, 2], [0], [], [2, 1], [-1], "2", [2] * 9]),
        "datatype": st.sampled_from(["FP32", "INT64", "BYTES", "BOOL", "FP31"]),
        "data": st.sampled_from([[1, 2], [[1, 2]], [], ["a", {"b64": "YQ=="}], [True, False], None, 7, ["1", 2], "no"]),
        "nbytes": st.sampled_from([8, -1, None]),
        "more": JSON,
    },
)
MESSAGES = st.fixed_dictionaries(
    {"op": st.sampled_from(["infer", "infer", "step", "open", "open", *CLIENT_OPS, "no", 7])},
    optional={
        "id": st.sampled_from([7, "seven", -1, "", None, "x" * 65]),
        "model_name": st.sampled_from(["m", "", 7]),
        "inputs": st.one_of(st.lists(st.one_of(TENSORS, TENSORS, JSON), max_size=3), JSON),
        "constants": st.one_of(st.lists(st.one_of(TENSORS, TENSORS, JSON), max_size=3), JSON),
        "stream": st.sampled_from([7, "seven", "", None, "x" * 65]),
        "step": st.sampled_from([1, 0, "1", None]),
        "streams": st.sampled_from([[{"stream": 7, "last_seq": 0}], [{"stream": 7}], [], 7]),
        "token": st.sampled_from(["t", 7]),
        "to": st.sampled_from(["t", ""]),
        "until": st.sampled_from([0, -1, None]),
        "from_snapshot": st.booleans(),
        "outputs": st.sampled_from([[{"name": "y"}], [], [7], None]),
        "timeout_ms": st.sampled_from([1, 0, "1"]),
        "priority": st.sampled_from([0, 1]),
        "parameters": st.sampled_from([{"a": 1}, {"a": {}}, {str(i): i for i in range(65)}, None]),
        "unknown": JSON,
    },
)


def ordered(value: Any, names: tuple[str, ...]) -> Any:
    """Put the fields of a message, and of its inputs, in the order of ``names``, unknown ones last."""
    if not isinstance(value, dict):
        return value
    fields = {name: value[name] for name in (*names, *value) if name in value}
    for name in ("inputs", "constants") if names is large_text._FIELDS else ():
        if isinstance(fields.get(name), list):
            fields[name] = [ordered(tensor, large_text._TENSOR_FIELDS) for tensor in fields[name]]
    return fields


@given(MESSAGES)
def test_messages_mean_the_same_in_steps(message: dict[str, Any]) -> None:
    """Any message, good or wrong, has the same meaning, or the same error at the same place, in steps and at once."""
    # In one order of fields, since of several faults the first is told.
    text = json.dumps(ordered(message, large_text._FIELDS)).encode()
    assert outcome(text, steps=True) == outcome(text, steps=False)


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_garbage_is_refused_the_same_way(text: bytes) -> None:
    """What is no message is refused as such, in steps too."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return  # refused before, and otherwise
    assert outcome(text, steps=True) == outcome(text, steps=False)


def test_the_last_of_two_fields_counts() -> None:
    """Of a key that comes twice the last value counts, at all levels."""
    tensor = b'{"name":"a","data":[1],"name":"x","shape":[2],"shape":[1],"datatype":"INT8","data":[5]}'
    text = b'{"op":"ping","id":1,"op":"infer","inputs":7,"model_name":"m","id":2,"inputs":[%s]}' % tensor
    received = finish(READER.text_steps(text))
    assert (received.message.id, received.tensors["x"].tolist()) == (2, [5])


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("parameters", {str(number): number for number in range(60_000)}, None),
        ("outputs", [{"name": "y"}] * 30_000, None),
        ("inputs", [{"name": "x"}] * 30_000, "inputs"),
        ("inputs", [{"name": "x", "shape": [1] * 40_000, "datatype": "FP32", "data": [1]}], None),
        ("model_name", "x" * 100_000, None),
        ("inputs", "x" * 100_000, None),
    ],
)
def test_what_is_not_data_is_small(field: str, value: Any, param: str | None) -> None:
    """A message that is large without its data is refused, with its id, before any of it is built."""
    text = json.dumps({"op": "infer", "id": 7, "model_name": "m", "inputs": []} | {field: value}).encode()
    assert outcome(text, steps=True)[:3] == ("too_large", param, (7, None, None))


@pytest.mark.parametrize(
    ("message", "param", "subject"),
    [
        ({"op": "step", "inputs": [{"name": "x"}] * 30_000}, "inputs", (None, 7, 3)),
        ({"op": "open", "id": 1, "constants": [{"name": "x"}] * 30_000}, "constants", (1, None, None)),
        ({"op": "close", "stream": "s" * 1000, "id": 1, "token": 0} | {"streams": []}, "stream", (None, None, None)),
        ({"op": "resume", "token": "t", "streams": [{"stream": 1, "last_seq": 1}] * 9000}, None, (None, None, None)),
        ({"op": "cancel", "id": "i" * 100_000}, None, (None, 7, None)),
    ],
)
def test_what_is_not_data_is_small_in_streams_too(message: dict[str, Any], param: str | None, subject: Any) -> None:
    """The same holds for the messages of streams, which are refused with what they may name."""
    text = json.dumps({"stream": 7, "step": 3} | message).encode()
    code, place, named, _ = outcome(text, steps=True)
    assert (code in ("too_large", "invalid_message"), place, named) == (True, param, subject)


@pytest.mark.parametrize(("op", "field"), [("step", "inputs"), ("open", "constants")])
def test_tensors_of_streams_are_put_aside(op: str, field: str) -> None:
    """The data of a step and of the constants of a stream is decoded apart, and lists of other ops are not looked at."""
    tensor = {"name": "x", "shape": [200_000], "datatype": "FP32", "data": [0.5] * 200_000}
    other = "constants" if field == "inputs" else "inputs"
    fields = {"op": op, "id": 1, "stream": 7, "step": 3, "model_name": "m", field: [tensor], other: [{}] * 100}
    text = json.dumps(fields, separators=(",", ":")).encode()
    assert sum(1 for _ in READER.text_steps(text)) > len(text) // PIECE_BYTES
    received = finish(READER.text_steps(text))
    assert (received.message.stream, received.tensors["x"].shape) == (7, (200_000,))


def test_what_is_unknown_may_be_large() -> None:
    """Unknown fields are ignored, whatever they hold and however much."""
    text = json.dumps({"op": "ping", "id": 7, "x": [[{"a": 1}]] * 30_000}).encode()
    assert finish(READER.text_steps(text)).message.id == 7


def test_a_text_beyond_its_limit_has_its_name() -> None:
    """A text message that is too large is refused with what it names, as long as looking for that is cheap."""
    for size, named in ((MIB, (None, 7, 3)), (2 * MIB, (None, None, None))):
        text = b'{"op":"step","id":7,"stream":7,"step":3}' + b" " * size
        assert outcome(text, steps=True) == outcome(text, steps=False)
        assert outcome(text, steps=True)[:3] == ("too_large", None, named)


# Long lists in pieces.


def at_once(values: Any, datatype: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Decode without pieces."""
    with monkeypatch.context() as patch:
        patch.setattr(json_pieces, "PIECE_BYTES", 1 << 40)
        return by_pieces(values, datatype, shape)


def by_pieces(values: Any, datatype: str, shape: tuple[int, ...]) -> Any:
    """Decode; give the array, or code and place of the fault."""
    raw = msgspec.Raw(values if isinstance(values, bytes) else json.dumps(values).encode())
    try:
        return finish(decode(raw, DATATYPES[datatype], shape, int(np.prod(shape))))
    except Fault as fault:
        return fault.code, fault.param


def long(datatype: str, count: int) -> list[Any]:
    """So many elements of a datatype, of all the ways to write them."""
    kinds: dict[str, list[Any]] = {
        "BYTES": ["", "a,b", '"', "\\", '\\",[]{}', "é😀", {"b64": "/w=="}, {"b64": "", "x": ["]", {"y": "}"}]}],
        "BOOL": [True, False],
        "INT64": [0, -7, "9223372036854775807", 2**53 - 1],
        "UINT8": [0, 255, 7],
    }
    values = kinds.get(datatype, [0.5, -1, 1e-7, "NaN", "Infinity", "-Infinity", 3e38 if datatype == "FP64" else 100.25])
    return [values[number * number % len(values)] for number in range(count)]


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16", "BF16", "INT64", "UINT8", "BOOL", "BYTES"])
@pytest.mark.parametrize("shape", [(30_000,), (1, 30_000), (30_000, 1), (300, 1, 100), (2, 15_000)])
def test_pieces_make_the_whole(datatype: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists beyond the size of a piece, flat or nested, give the array that they give at once, bit for bit."""
    flat = long(datatype, 30_000)
    array = np.empty(30_000, object)
    array[:] = flat
    for values in (flat, array.reshape(shape).tolist()):
        assert len(json.dumps(values)) > 2 * PIECE_BYTES
        whole, got = at_once(values, datatype, shape, monkeypatch), by_pieces(values, datatype, shape)
        assert (got.dtype, got.shape, got.flags.writeable) == (whole.dtype, whole.shape, False)
        assert got.tolist() == whole.tolist() or got.tobytes() == whole.tobytes()


def nested(count: int) -> list[list[int]]:
    return [[1] * 3] * count


@pytest.mark.parametrize(
    ("values", "shape", "place"),
    [
        ([1] * 29_999, (30_000,), ""),
        ([1] * 30_001, (30_000,), ""),
        ([1] * 25_000 + [0.5] + [1] * 4_999, (30_000,), "[25000]"),
        ([*nested(9_000), [1, "x", 1], *nested(999)], (10_000, 3), "[9000][1]"),
        ([*nested(9_998), [1, 1], [1] * 4], (10_000, 3), ""),
        ([*nested(9_999), [1, [1], 1]], (10_000, 3), "[9999][1]"),
        ([1] * 29_999 + [[1]], (30_000,), "[29999]"),
        ([nested(10_000)], (10_000, 3), ""),
        ([[]] * 30_000, (30_000, 0, 5), None),
        ([[]] * 30_001, (30_000, 0), ""),
        ([[]] * 29_999 + [[1]], (30_000, 0), ""),
    ],
)
def test_faults_of_long_lists(values: Any, shape: tuple[int, ...], place: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with a long list is refused; where an element is wrong, its place is told as without pieces."""
    got = by_pieces(values, "INT32", shape)
    whole = at_once(values, "INT32", shape, monkeypatch)
    if place is None:
        assert got.shape == whole.shape == shape
    else:
        assert got[0] == whole[0] == "invalid_input"
        if place:
            assert got[1] in (place, "")
            assert whole[1] == place


ELEMENTS = st.sampled_from(
    ['""', '"a,b"', '"]["', '"\\\\"', '"\\""', '"\\\\\\""', '{"b64":"}"}', '{"a":[{"b":","}]}', "7", " 8 "]
)


@given(st.lists(ELEMENTS, min_size=1, max_size=30), st.integers(1, 9), st.data())
def test_any_cutting_keeps_strings_whole(elements: list[str], size: int, data: st.DataObject) -> None:
    """Wherever a list is cut, its pieces are lists whose elements together are the list's, nested or flat."""
    columns = data.draw(st.sampled_from([count for count in range(1, 31) if len(elements) % count == 0]))
    rows = [elements[at : at + columns] for at in range(0, len(elements), columns)]
    text = "[ " + ",".join("[" + " , ".join(row) + "]" for row in rows) + "]"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_pieces, "PIECE_BYTES", size)
        got = [item for piece in pieces(text.encode(), (len(rows), columns), any_text=True) for item in json.loads(piece)]
        assert got == [json.loads(element) for element in elements]
        with pytest.raises(WrongNesting):
            list(pieces(text.encode(), (len(rows) + 1, columns), any_text=True))


@given(st.lists(st.sampled_from(list('[],"\\{} 1a')), max_size=40), st.integers(1, 5), st.booleans())
def test_cutting_never_fails_otherwise(chars: list[str], size: int, any_text: bool) -> None:
    """Even of a text that is no JSON, pieces come or it is refused; nothing else is raised."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_pieces, "PIECE_BYTES", size)
        with suppress(WrongNesting):
            list(pieces("".join(chars).encode(), (2, 2), any_text=any_text))


@pytest.mark.parametrize(
    "data",
    [[1] * 300_000, [[1.5] * 100] * 2000, ["ab"] * 60_000, ["x" * 100] * 9000, [{"b64": "YQ=="}] * 50_000],
)
def test_no_step_decodes_more_than_a_piece(data: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A message of a megabyte is decoded in many steps, none of which is given much more than a piece of its data."""
    sizes: list[int] = []
    real = json_pieces.pieces

    def watched(*args: Any, **options: Any) -> Any:
        for piece in real(*args, **options):
            sizes.append(len(piece))
            yield piece

    monkeypatch.setattr(json_pieces, "pieces", watched)
    array = np.empty(np.shape(data), object)
    datatype = "BYTES" if isinstance(data[0], str | dict) else "FP32"
    tensor = {"name": "x", "shape": list(array.shape), "datatype": datatype, "data": data}
    text = json.dumps({"op": "infer", "id": 1, "model_name": "m", "inputs": [tensor]}, separators=(",", ":")).encode()
    count = sum(1 for _ in READER.text_steps(text))
    assert isinstance(finish(READER.text_steps(text)), Received)
    assert max(sizes) <= PIECE_BYTES + 200
    assert count >= len(text) // PIECE_BYTES


def test_taking_apart_builds_nothing() -> None:
    """What is put aside is the text itself, and what is left has no data."""
    text = json.dumps(
        {"op": "infer", "id": 1, "inputs": [{"name": "x", "data": [1, 2]}, {"data": [3], "shape": [1]}, 7]}
    ).encode()
    rest, data = finish(large_text.take_apart(text, READER.limits))
    assert json.loads(rest) == {"op": "infer", "id": 1, "inputs": [{"name": "x"}, {"shape": [1]}, 7]}
    assert [bytes(raw) for raw in data] == [b"[1, 2]", b"[3]", b""]
