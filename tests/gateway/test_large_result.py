"""Which results are too large for the event loop, which of those need a thread, and what their views keep in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidegate.codecs.datatypes import BF16_DTYPE
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Result
from tidegate.codecs.parts import Timing
from tidegate.codecs.writer import encode
from tidegate.gateway.large_result import LargeResult, is_large

RESULT = Result(id=7, model_name="m", model_version="1", final=True, timing=Timing(queue_us=1, compute_us=2, batch_size=3))
BINARY = (Form.MSGPACK, Form.JSON)
BATCH = np.arange(80_000, dtype=np.float32).reshape(4, 20_000)


def strings(*elements: bytes, times: int = 1) -> Any:
    array = np.empty(len(elements) * times, object)
    array[:] = elements * times
    return array


@pytest.mark.parametrize(
    ("arrays", "forms"),
    [
        ([np.zeros(4096, np.float32)], ()),
        ([np.zeros(4097, np.float32)], (Form.TEXT,)),
        ([np.zeros(2000, np.float32)] * 3, (Form.TEXT,)),
        ([np.zeros(16_383, np.float32)], (Form.TEXT,)),
        ([np.zeros(16_384, np.float32)], tuple(Form)),
        ([strings(b"a", times=2048)], ()),
        ([strings(b"a", times=2049)], tuple(Form)),
        ([strings(b"x" * 65_531)], ()),
        ([strings(b"x" * 65_532)], tuple(Form)),
        ([strings(b"x" * 1000, times=100)], tuple(Form)),
        ([], ()),
    ],
)
def test_what_is_large(arrays: list[Any], forms: tuple[Form, ...]) -> None:
    """Many bytes are too much for any form, many strings too, many numbers only for text."""
    assert tuple(form for form in Form if is_large(arrays, form)) == forms


@pytest.mark.parametrize(
    ("array", "in_place", "surplus"),
    [
        (BATCH, True, 0),
        (BATCH[1:], True, BATCH.nbytes // 4),
        (BATCH[:2], True, BATCH.nbytes // 2),
        (BATCH[:1], False, 0),
        (BATCH[:, ::2], False, 0),
        (BATCH.T, False, 0),
        (np.zeros(40_000, np.uint16).view(BF16_DTYPE), True, 0),
        (np.zeros((9, 40_000), np.uint16).view(BF16_DTYPE)[3], False, 0),
        (strings(b"x" * 100_000), False, 0),
        (strings(b"x", times=5000), False, 0),
        (BATCH[0, :10], False, 0),
    ],
)
@pytest.mark.parametrize("form", BINARY)
def test_views_and_copies(array: Any, in_place: bool, surplus: int, form: Form) -> None:
    """What lies in one piece and keeps at most twice its bytes goes as a view; for anything else there is the thread."""
    result = LargeResult(RESULT, form, {"y": array})
    made, kept = result.pieces()
    assert (not result.slow, kept) == (in_place, surplus)
    assert b"".join(made) == encode(RESULT, form, {"y": array})
    owners = [piece.obj for piece in made if isinstance(piece, memoryview)]
    assert any(np.shares_memory(owner, array) for owner in owners if not array.dtype.hasobject) == in_place


def test_outputs_in_one_piece_of_memory() -> None:
    """Tensors that share their memory keep it together: all of it wanted, nothing is copied; little of it, all is."""
    whole = np.arange(160_000, dtype=np.uint8)
    outputs = {"a": whole[:70_000], "b": whole[70_000:140_000]}
    result = LargeResult(RESULT, Form.MSGPACK, outputs)
    made, kept = result.pieces()
    assert (result.slow, kept) == (False, 20_000)
    assert b"".join(made) == encode(RESULT, Form.MSGPACK, outputs)
    assert LargeResult(RESULT, Form.MSGPACK, {"a": whole[:70_000]}).slow


def test_small_tensors_beside_a_large_one() -> None:
    """A small row goes with a large tensor without a thread, copied, and does not keep its batch."""
    arrays = {"large": BATCH, "row": np.ones((1000, 10), np.float32)[3:4], "name": strings(b"a", b"b")}
    result = LargeResult(RESULT, Form.MSGPACK, arrays)
    made, kept = result.pieces()
    assert (result.slow, kept) == (False, 0)
    assert b"".join(made) == encode(RESULT, Form.MSGPACK, arrays)


@pytest.mark.parametrize("array", [BATCH, strings(b"word", times=3000), strings(b"x" * 500_000)])
@pytest.mark.parametrize("form", Form)
def test_the_size_is_about_right(array: Any, form: Form) -> None:
    """What a result will take is told before it is written, within a factor of two or so."""
    expected = len(encode(RESULT, form, {"y": array}))
    assert 0.5 * expected < LargeResult(RESULT, form, {"y": array}).nbytes < 2.2 * expected


def test_texts_are_never_in_place() -> None:
    """A text that is too long is always written by the thread."""
    result = LargeResult(RESULT, Form.TEXT, {"y": BATCH[0]})
    assert result.slow
    assert b"".join(result.pieces()[0]) == encode(RESULT, Form.TEXT, {"y": BATCH[0]})
