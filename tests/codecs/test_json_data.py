"""What reading and writing tensors as JSON promises."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest

from tidegate.codecs import json_elements
from tidegate.codecs.datatypes import DATATYPES, Array
from tidegate.codecs.errors import CodecError, Form
from tidegate.codecs.messages import Infer
from tidegate.codecs.reader import client_messages
from tidegate.codecs.writer import encode

READER = client_messages()
BIG = 2**53


def _read(datatype: str, shape: list[int], data: str) -> Array:
    tensor = f'{{"name":"x","shape":{shape},"datatype":"{datatype}","data":{data}}}'
    return READER.text(f'{{"op":"infer","id":7,"model_name":"m","inputs":[{tensor}]}}').tensors["x"]


def _written(array: Array) -> list[Any]:
    text = encode(Infer(id=1, model_name="m"), Form.TEXT, {"x": array})
    data: list[Any] = json.loads(text)["inputs"][0]["data"]
    return data


ACCEPTED = [
    ("FP32", [2, 2], "[1,2,3,4]", [[1, 2], [3, 4]]),
    ("FP32", [2, 2], " [ [1, 2], [3.5e0, -4] ] ", [[1, 2], [3.5, -4]]),
    ("FP64", [], "5", 5),
    ("FP64", [], "[5]", 5),
    ("FP64", [1, 1, 1], "[[[5]]]", [[[5]]]),
    ("FP16", [4], '[1,"Infinity","-Infinity",0.1]', [1, math.inf, -math.inf, float(np.float16(0.1))]),
    ("FP32", [1, 2], '[["Infinity",16777217]]', [[math.inf, 16777216]]),
    ("BOOL", [3], "[true,false,true]", [True, False, True]),
    ("INT8", [2], "[-128,127]", [-128, 127]),
    ("UINT8", [2], "[0,255]", [0, 255]),
    ("INT64", [4], f'[1,{1 - BIG},"{BIG}","{-(2**63)}"]', [1, 1 - BIG, BIG, -(2**63)]),
    ("INT64", [1, 2], f'[["{2**63 - 1}","-0"]]', [[2**63 - 1, 0]]),
    ("INT64", [], f'"{BIG}"', BIG),
    ("UINT64", [2], f'["{2**64 - 1}",0]', [2**64 - 1, 0]),
    ("BYTES", [3], '["é","\\u0000",{"b64":"/wA="}]', ["é".encode(), b"\0", b"\xff\0"]),
    ("BYTES", [2, 1], '[["a"],[{"b64":""}]]', [[b"a"], [b""]]),
    ("BYTES", [], '"a"', b"a"),
    ("FP32", [0], "[]", []),
    ("FP32", [3, 0], "[[],[],[]]", [[], [], []]),
    ("FP32", [2, 0, 3], "[[],[]]", [[], []]),
    ("FP32", [2, 0, 3], "[]", [[], []]),
    ("BYTES", [0, 2], "[]", []),
    ("INT64", [0], "[]", []),
]


@pytest.mark.parametrize(("datatype", "shape", "data", "values"), ACCEPTED)
def test_data_is_read_flat_or_nested(datatype: str, shape: list[int], data: str, values: object) -> None:
    """Elements are accepted flat, or nested as the shape says, and give a read-only array of that shape and datatype."""
    array = _read(datatype, shape, data)
    assert (array.dtype, array.shape) == (DATATYPES[datatype].dtype, tuple(shape))
    assert array.tolist() == values
    assert not array.flags.writeable


REFUSED = [
    ("FP32", [2], "[1]", ""),
    ("FP32", [2], "[1,2,3]", ""),
    ("FP32", [2, 2], "[[1,2,3,4]]", ""),
    ("FP32", [2, 2], "[[1,2],[3]]", ""),
    ("FP32", [4], "[[1,2],[3,4]]", ""),
    ("FP32", [2, 3], "[[1,2],[3,4],[5,6]]", ""),
    ("FP32", [1], "1", ""),
    ("FP32", [1], "null", ""),
    ("FP32", [1], "{}", ""),
    ("FP32", [1], '["1"]', "[0]"),
    ("FP32", [1], "[true]", "[0]"),
    ("FP32", [1], "[null]", "[0]"),
    ("FP32", [1], '["nan"]', "[0]"),
    ("FP32", [2], '[1,"inf"]', "[1]"),
    ("FP32", [1], "[1e39]", ""),
    ("FP16", [1], "[65520]", ""),
    ("BF16", [1], "[3.4e38]", ""),
    ("FP64", [1], "[1e999]", "[0]"),
    ("FP64", [], "[[1]]", ""),
    ("INT8", [1], "[128]", "[0]"),
    ("INT8", [2, 2], "[[1,2],[3,-129]]", "[1][1]"),
    ("UINT8", [1], "[-1]", "[0]"),
    ("INT32", [1], "[1.0]", "[0]"),
    ("INT32", [1], "[1e2]", "[0]"),
    ("INT32", [1], "[true]", "[0]"),
    ("INT32", [1], '["1"]', "[0]"),
    ("INT64", [1], f"[{BIG}]", "[0]"),
    ("INT64", [1], f'["{2**63}"]', ""),
    ("INT64", [1], '["1_000"]', ""),
    ("INT64", [1], '["+1"]', ""),
    ("INT64", [1], '[" 1"]', ""),
    ("INT64", [1], '["1,2"]', ""),
    ("INT64", [1], '["\u0661"]', ""),
    ("INT64", [1], '[""]', ""),
    ("INT64", [1], '["0x1"]', ""),
    ("INT64", [1], '["1.0"]', ""),
    ("INT64", [3], '[["1"],["2","3"]]', ""),
    ("INT64", [2, 2], '[["1","2"],["3"]]', ""),
    ("UINT64", [1], "[-1]", ""),
    ("UINT64", [1], '["-1"]', ""),
    ("UINT64", [1], f'["{2**64}"]', ""),
    ("BOOL", [1], "[1]", "[0]"),
    ("BOOL", [1], '["true"]', "[0]"),
    ("BYTES", [1], "[1]", "[0]"),
    ("BYTES", [1], "[[97]]", ""),
    ("BYTES", [1], '[{"b64":"/w"}]', "[0].b64"),
    ("BYTES", [1], '[{"b64":"_w=="}]', "[0].b64"),
    ("BYTES", [1], '[{"base64":""}]', "[0].b64"),
    ("BYTES", [2, 2], '[["a","b"],["c"]]', ""),
    ("FP32", [2, 0], "[[],[],[]]", ""),
    ("FP32", [0], "[1]", ""),
]


@pytest.mark.parametrize(("datatype", "shape", "data", "place"), REFUSED)
def test_data_that_is_not_what_the_header_says_is_refused(datatype: str, shape: list[int], data: str, place: str) -> None:
    """Nothing wrong is taken silently: not a type for another, not a value out of range, not a wrong count or shape."""
    with pytest.raises(CodecError) as caught:
        _read(datatype, shape, data)
    assert (caught.value.code, caught.value.param, caught.value.id) == ("invalid_input", f"inputs[0].data{place}", 7)


def test_nan_is_read_and_written_by_name() -> None:
    """What JSON has no number for travels by name."""
    for datatype in ("FP16", "BF16", "FP32", "FP64"):
        array = _read(datatype, [3], '["NaN","-Infinity",-0.0]')
        assert _written(array) == ["NaN", "-Infinity", 0.0]
        assert math.copysign(1, _written(array)[2]) == -1


def test_bf16_rounds_to_nearest_even() -> None:
    """A number between two of BF16's becomes the nearer one, or the even one of two as near."""
    bits = _read("BF16", [5], "[1.00390625,1.01171875,1.005,-2.5,1e-40]").view(np.uint16)
    assert bits.tolist() == [0x3F80, 0x3F82, 0x3F81, 0xC020, 0x0001]


def test_wide_integers_are_written_as_numbers_where_those_are_exact() -> None:
    """Beyond ±(2^53-1) an integer is a decimal string; within, a number."""
    assert _written(np.array([1, BIG - 1, BIG, -BIG, -(2**63)])) == [1, BIG - 1, str(BIG), str(-BIG), str(-(2**63))]
    assert _written(np.array([0, 2**64 - 1], np.uint64)) == [0, str(2**64 - 1)]


def test_bytes_are_written_as_text_where_they_are_text() -> None:
    """An element of BYTES is a string if it is UTF-8, else base64."""
    array = np.empty(3, object)
    array[:] = ["é".encode(), b"\xff", b""]
    assert _written(array) == ["é", {"b64": "/w=="}, ""]


@pytest.mark.parametrize("datatype", DATATYPES)
def test_an_element_is_described_for_every_datatype(datatype: str) -> None:
    """An error can say for each datatype what its elements should be."""
    assert json_elements.description(DATATYPES[datatype])


def test_text_needs_data_and_ignores_nbytes() -> None:
    """In a text message the elements must be there, and a size in bytes means nothing."""
    with pytest.raises(CodecError, match=r"inputs\[0\]\.data"):
        READER.text('{"op":"infer","id":7,"model_name":"m","inputs":[{"name":"x","shape":[],"datatype":"FP32"}]}')
    tensor = {"name": "x", "shape": [], "datatype": "FP32", "nbytes": 99, "data": [1]}
    message = msgspec.json.encode({"op": "infer", "id": 7, "model_name": "m", "inputs": [tensor]})
    assert READER.text(message).tensors["x"] == 1
