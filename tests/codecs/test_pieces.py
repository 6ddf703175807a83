"""A message in pieces is the message: the same bytes, whatever is in it and wherever it is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.codecs.datatypes import BF16_DTYPE
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Infer, Result
from tidegate.codecs.parts import Timing
from tidegate.codecs.writer import encode, pieces
from tidegate.errors import InvalidInput, TooLarge

RESULT = Result(id=7, model_name="m", model_version="1", final=True, timing=Timing(queue_us=1, compute_us=2, batch_size=3))
KIB = 1024
LONG = [b"", b"a", b"\xff", "größer".encode() * 9000, b"x" * 49_152, b"\x00" * 70_000, b"\xff" * 100_001, b"y" * 300]


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, Any]:
    """Tensors of any datatype, some of them large, some lying strangely in memory."""
    found: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from("abcd\xff"), max_size=3, unique=True)):
        size = draw(st.sampled_from([0, 1, 3, 8191, 8192, 8193, 20_000]))
        code = draw(st.sampled_from(["?", "u1", "<i2", "<i8", "<f2", "<f4", "<f8", "bf16", "bytes"]))
        if code == "bytes":
            array = np.empty(size, object)
            array[:] = [draw(st.sampled_from(LONG)) if number < 6 else b"%d" % number for number in range(size)]
        elif code == "bf16":
            array = np.arange(size, dtype=np.uint16).view(BF16_DTYPE)
        else:
            array = np.random.default_rng(size).standard_normal(size).astype(code)
        if size == 20_000 and draw(st.booleans()):
            array = draw(st.sampled_from([array.reshape(100, 200).T, array.reshape(4, 5, 1000), array[::2]]))
        found[name] = array
    return found


@settings(max_examples=60, deadline=None)
@given(tensors(), st.sampled_from(list(Form)))
def test_pieces_make_the_message(arrays: dict[str, Any], form: Form) -> None:
    """Joined, the pieces are what ``encode`` gives, and none is empty but in text."""
    made = pieces(RESULT, form, arrays)
    assert b"".join(made) == encode(RESULT, form, arrays)
    assert form is Form.TEXT or all(map(len, made))


@pytest.mark.parametrize("form", [Form.MSGPACK, Form.JSON])
def test_tensors_are_not_copied(form: Form) -> None:
    """A tensor that lies in memory as it is sent, and a long string, are pieces themselves."""
    array, long = np.ones((3, 40_000), np.float32), b"z" * 100_000
    made = pieces(RESULT, form, {"x": array, "s": np.array([b"a", long, b"b"], object)})
    views = [piece for piece in made if isinstance(piece, memoryview)]
    assert [view.obj.ctypes.data for view in views] == [array.ctypes.data]  # type: ignore[attr-defined]
    assert sum(piece is long for piece in made) == 1


def test_no_piece_takes_long() -> None:
    """Of a long text, and of many strings, no piece is larger than what is written in a millisecond or so."""
    strings = np.array([b"x" * 100] * 50_000 + [b"\xff" * 1_000_000, b"y" * 1_000_000], object)
    numbers = np.random.default_rng(1).standard_normal((10, 30_000)).astype(np.float32)
    for form, arrays in ((Form.TEXT, {"x": numbers, "s": strings}), (Form.MSGPACK, {"s": strings[:-2]})):
        assert max(map(len, pieces(RESULT, form, arrays))) < 400 * KIB


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("array", [np.zeros(2, complex), np.array([b"a", 7], object)], ids=["complex", "number"])
def test_errors_name_the_tensor(form: Form, array: Any) -> None:
    """What cannot be written is refused alike, whole or in pieces."""
    for write in (encode, pieces):
        with pytest.raises(InvalidInput) as caught:
            write(Infer(id=1, model_name="m"), form, {"good": np.ones(1), "bad": array})
        assert caught.value.param == "bad"


def test_a_long_header_is_refused() -> None:
    """A header that no reader takes is not written in pieces either."""
    with pytest.raises(TooLarge):
        pieces(RESULT, Form.MSGPACK, {str(number) * 1000: np.zeros(1) for number in range(70)})
