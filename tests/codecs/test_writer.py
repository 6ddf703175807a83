"""What the writer promises beyond what the readers' tests show."""

from __future__ import annotations

import json

import msgpack
import numpy as np
import pytest

from tidegate.codecs import frames
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Infer, Result
from tidegate.codecs.parts import TensorHeader, Timing
from tidegate.codecs.writer import encode
from tidegate.errors import TooLarge

X = {"x": np.ones((1, 2), "<f4")}


def test_text_holds_the_elements_and_no_sizes() -> None:
    """In text a tensor is name, shape, datatype and data."""
    written = json.loads(encode(Infer(id=1, model_name="m"), Form.TEXT, X))
    assert written["inputs"] == [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 1.0]}]


@pytest.mark.parametrize("form", [Form.MSGPACK, Form.JSON])
def test_binary_always_states_nbytes(form: Form) -> None:
    """In a header a tensor is name, shape, datatype and nbytes, and its bytes follow."""
    data = encode(Infer(id=1, model_name="m"), form, X)
    header, start = frames.split(data)
    written = msgpack.unpackb(header) if form is Form.MSGPACK else json.loads(header)
    assert written["inputs"] == [{"name": "x", "shape": [1, 2], "datatype": "FP32", "nbytes": 8}]
    assert data[start:] == X["x"].tobytes()


def test_tensor_headers_of_the_message_are_replaced() -> None:
    """What is written of tensors comes from the arrays, never from headers that a message happens to hold."""
    stale = [TensorHeader(name="stale", shape=(9,), datatype="INT8")]
    for form in Form:
        fresh = encode(Infer(id=1, model_name="m"), form, X)
        assert encode(Infer(id=1, model_name="m", inputs=stale), form, X) == fresh


def test_a_result_without_outputs_still_says_so() -> None:
    """An empty list of tensors is written, since a reader must find one."""
    result = Result(id=1, model_name="m", model_version="1", final=True, timing=Timing(queue_us=0, compute_us=0, batch_size=1))
    assert json.loads(encode(result, Form.TEXT))["outputs"] == []


def test_a_header_that_no_reader_takes_is_not_written() -> None:
    """A header beyond 64 KiB raises where it is made."""
    with pytest.raises(TooLarge):
        encode(Infer(id=1, model_name="m"), Form.MSGPACK, {str(n) * 1000: np.zeros(0) for n in range(70)})
