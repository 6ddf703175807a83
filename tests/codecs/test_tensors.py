"""What reading and writing tensors as bytes promises."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import numpy as np
import pytest

from tidegate.codecs import frames
from tidegate.codecs.datatypes import BF16_DTYPE, DATATYPES, Array, normalise
from tidegate.codecs.errors import CodecError, Form
from tidegate.codecs.limits import Limits
from tidegate.codecs.messages import Infer
from tidegate.codecs.reader import client_messages
from tidegate.codecs.steps import finish
from tidegate.codecs.tensors import pack_strings
from tidegate.codecs.writer import encode
from tidegate.errors import InvalidInput

READER = client_messages()
SHAPES = [(), (0,), (1,), (3,), (2, 3), (2, 0, 3), (1, 2, 1, 2, 1, 2, 1, 2)]


def _array(name: str, shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    if name == "BYTES":
        array = np.empty(count, object)
        array[:] = [b"\0" * n for n in range(count)]
        return array.reshape(shape)
    dtype = DATATYPES[name].dtype
    return (np.arange(count) % 2).astype(np.uint16 if name == "BF16" else dtype).view(dtype).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DATATYPES)
@pytest.mark.parametrize("form", [Form.MSGPACK, Form.JSON])
def test_every_datatype_and_shape_survives(name: str, shape: tuple[int, ...], form: Form) -> None:
    """An array of any datatype, scalars and empty ones too, is read as it was written, as a read-only array."""
    array = _array(name, shape)
    read = READER.binary(encode(Infer(id=1, model_name="m"), form, {"x": array})).tensors["x"]
    assert (read.dtype, read.shape, read.flags.writeable) == (array.dtype, shape, False)
    assert read.tolist() == array.tolist()


def test_tensors_are_aligned_views_on_the_message() -> None:
    """Nothing is copied on the way in: each tensor lies in the message's own bytes, at a multiple of 8."""
    arrays = {
        "a": np.arange(3, dtype=np.uint8),
        "b": np.arange(3.0),
        "c": np.arange(5, dtype=np.float16),
        "d": np.ones(2, BF16_DTYPE),
    }
    data = encode(Infer(id=1, model_name="m"), Form.MSGPACK, arrays)
    whole = np.frombuffer(data, np.uint8)
    for name, array in READER.binary(data).tensors.items():
        assert np.shares_memory(array, whole)
        assert (array.ctypes.data - whole.ctypes.data) % 8 == 0
        assert array.tolist() == arrays[name].tolist()


def test_order_and_any_name_are_kept() -> None:
    """Names may be anything, and tensors come in the order of the list."""
    names = ["7", "a/b:0", " ", "{}", "\0", "é", "a" * 1024]
    data = encode(Infer(id=1, model_name="m"), Form.JSON, {name: np.array(n, "<f4") for n, name in enumerate(names)})
    assert [(name, float(array)) for name, array in READER.binary(data).tensors.items()] == [
        (n, i) for i, n in enumerate(names)
    ]


def test_strided_arrays_are_written_row_major() -> None:
    """An array that is not contiguous is gathered, not written as it lies."""
    array = np.arange(6).reshape(2, 3).T
    assert (
        READER.binary(encode(Infer(id=1, model_name="m"), Form.MSGPACK, {"x": array})).tensors["x"].tolist() == array.tolist()
    )


def _message(tensors: list[dict[str, Any]], payload: bytes = b"") -> bytes:
    return frames.join(msgpack.packb({"op": "infer", "id": 7, "model_name": "m", "inputs": tensors}), [payload])


def _tensor(shape: list[Any], datatype: str = "FP32", **fields: object) -> dict[str, Any]:
    return {"name": "x", "shape": shape, "datatype": datatype, **fields}


def test_nbytes_may_be_left_out_of_fixed_datatypes() -> None:
    """The size of all but BYTES follows from shape and datatype, so a client need not say it."""
    assert READER.binary(_message([_tensor([2])], struct.pack("<ff", 1, 2))).tensors["x"].tolist() == [1, 2]


ONE_STRING = b"\1\0\0\0a"
REFUSED = [
    ("unknown datatype", [_tensor([1], "FP31")], b"1234", "invalid_input", "inputs[0].datatype"),
    ("numpy's name", [_tensor([1], "<f4")], b"1234", "invalid_input", "inputs[0].datatype"),
    ("datatype no text", [_tensor([1]) | {"datatype": 5}], b"1234", "invalid_input", "inputs[0].datatype"),
    ("nine dimensions", [_tensor([1] * 9)], b"1234", "invalid_input", "inputs[0].shape"),
    ("negative dimension", [_tensor([-1])], b"1234", "invalid_input", "inputs[0].shape[0]"),
    ("dimension no integer", [_tensor([1.0])], b"1234", "invalid_input", "inputs[0].shape[0]"),
    ("dimension a boolean", [_tensor([True])], b"1234", "invalid_input", "inputs[0].shape[0]"),
    ("dimension too large", [_tensor([2**31, 0])], b"", "invalid_input", "inputs[0].shape[0]"),
    ("product that wraps to 0", [_tensor([2**31 - 1] * 4)], b"", "invalid_input", "inputs[0].shape"),
    ("product that wraps to 0, declared", [_tensor([2**30] * 8, nbytes=0)], b"", "invalid_input", "inputs[0].shape"),
    ("more bytes than anybody has", [_tensor([2**26, 2**26])], b"", "invalid_message", "inputs[0]"),
    ("empty beyond strides", [_tensor([0] + [2**31 - 1] * 3)], b"", "invalid_input", "inputs[0].shape"),
    ("shape missing", [{"name": "x", "datatype": "FP32"}], b"", "invalid_input", "inputs[0].shape"),
    ("shape no array", [_tensor([1]) | {"shape": 1}], b"1234", "invalid_input", "inputs[0].shape"),
    ("nbytes too small", [_tensor([2], nbytes=4)], b"12345678", "invalid_input", "inputs[0].nbytes"),
    ("nbytes too large", [_tensor([1], nbytes=8)], b"12345678", "invalid_input", "inputs[0].nbytes"),
    ("nbytes negative", [_tensor([1], nbytes=-4)], b"1234", "invalid_input", "inputs[0].nbytes"),
    ("name twice", [_tensor([1]), _tensor([1])], b"1234\0\0\0\0" * 2, "invalid_input", "inputs[1].name"),
    ("name empty", [_tensor([1]) | {"name": ""}], b"1234", "invalid_input", "inputs[0].name"),
    ("data in a binary message", [_tensor([1], data=[1])], b"1234", "invalid_input", "inputs[0].data"),
    ("bytes missing", [_tensor([3])], b"12345678", "invalid_message", "inputs[0]"),
    ("second tensor missing", [_tensor([1]), _tensor([1]) | {"name": "y"}], b"1234", "invalid_message", "inputs[1]"),
    ("bytes left over", [_tensor([1])], b"1234" + bytes(8), "invalid_message", None),
    ("tensor without header", [], b"1234", "invalid_message", None),
    ("padding that is not zero", [_tensor([1])], b"1234" + b"\0\0\0\1", "invalid_message", "inputs[0]"),
    ("boolean of 2", [_tensor([3], "BOOL")], b"\0\1\2", "invalid_input", "inputs[0]"),
    ("BYTES without nbytes", [_tensor([1], "BYTES")], ONE_STRING, "invalid_input", "inputs[0].nbytes"),
    ("BYTES too short for a length", [_tensor([1], "BYTES", nbytes=3)], b"\0\0\0", "invalid_input", "inputs[0]"),
    ("BYTES element running over", [_tensor([1], "BYTES", nbytes=5)], b"\2\0\0\0a", "invalid_input", "inputs[0]"),
    ("BYTES element of 4 GiB", [_tensor([1], "BYTES", nbytes=5)], b"\xff\xff\xff\xffa", "invalid_input", "inputs[0]"),
    ("BYTES with one element more", [_tensor([0], "BYTES", nbytes=5)], ONE_STRING, "invalid_input", "inputs[0]"),
    ("BYTES with one element less", [_tensor([2], "BYTES", nbytes=5)], ONE_STRING, "invalid_input", "inputs[0]"),
    ("BYTES beyond the message", [_tensor([1], "BYTES", nbytes=99)], ONE_STRING, "invalid_message", "inputs[0]"),
    ("BYTES of too many", [_tensor([65_537], "BYTES", nbytes=4 * 65_537)], bytes(4 * 65_537), "too_large", "inputs[0].shape"),
    ("too many tensors", [_tensor([0]) | {"name": str(n)} for n in range(65)], b"", "too_large", "inputs"),
    ("name too long", [_tensor([0]) | {"name": "é" * 513}], b"", "too_large", "inputs[0].name"),
]  # fmt: skip


@pytest.mark.parametrize(("tensors", "payload", "code", "param"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_tensor_that_lies_is_refused(tensors: list[dict[str, Any]], payload: bytes, code: str, param: str | None) -> None:
    """Each lie about a tensor gets its code and place, with the id of its request."""
    with pytest.raises(CodecError) as caught:
        READER.binary(_message(tensors, payload))
    error = caught.value
    assert (error.code, error.param, error.id, error.form) == (code, param, 7, Form.MSGPACK)


def test_limits_are_those_of_the_reader() -> None:
    """A reader with smaller limits refuses what another accepts, at the very next value."""
    reader = client_messages(Limits(rank=2, dimension=3, tensors=2, bytes_elements=1, name_bytes=2))
    for shape, fine in (([3, 3], True), ([1, 1, 1], False), ([4], False)):
        data = _message([_tensor(shape)], bytes(4 * int(np.prod(shape))))
        if fine:
            assert reader.binary(data).tensors["x"].shape == (3, 3)
        else:
            with pytest.raises(CodecError, match="shape"):
                reader.binary(data)
    for name, array in (("abc", np.float32(1)), ("x", np.array([b"", b""], object))):
        with pytest.raises(CodecError) as caught:
            reader.binary(encode(Infer(id=1, model_name="m"), Form.MSGPACK, {name: normalise(array)}))
        assert caught.value.code == "too_large"


def test_what_has_no_datatype_cannot_be_written() -> None:
    """The writer refuses an array that no reader could take, and names it."""
    for array in (np.array([1j]), np.array([1], ">f4"), np.array(["text"], object)):
        with pytest.raises(InvalidInput) as caught:
            encode(Infer(id=1, model_name="m"), Form.MSGPACK, {"x": array})
        assert caught.value.param == "x"


def test_strings_are_laid_out_with_their_lengths() -> None:
    """Each element of BYTES is its length in four bytes, little-endian, and then its bytes."""
    assert pack_strings(np.array([[b"a", b""]], object)) == b"\1\0\0\0a\0\0\0\0"


def test_many_strings_are_read_in_steps() -> None:
    """BYTES of many elements are read a few thousand at a time, to the same arrays in the same order, with the same errors."""
    reader = client_messages()
    many = np.empty((3, 20_000), object)
    many[:] = [[b"x" * (number % 5) for number in range(20_000)]] * 3
    message = encode(Infer(id=1, model_name="m"), Form.MSGPACK, {"a": many, "b": np.ones(2), "c": many[:1]})
    steps = reader.binary_steps(message)
    assert sum(1 for _ in steps) == 80_000 // 2048 - 1
    received = finish(reader.binary_steps(message))
    assert list(received.tensors) == ["a", "b", "c"]
    assert received.tensors["a"].tolist() == many.tolist()
    wrong = message[:-8] + b"\xff" * 8
    with pytest.raises(CodecError) as error:
        finish(reader.binary_steps(wrong))
    assert (error.value.param, error.value.id) == ("inputs[2]", 1)
    assert reader.binary(message).tensors["c"].tolist() == many[:1].tolist()
