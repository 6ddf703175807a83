"""Arrays in two parts, and how a batch is put together of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from fakes import model
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidegate.models.appended import Appended, can_be_laid, laid_end_to_end, whole
from tidegate.models.batch import Batch
from tidegate.models.client import Client
from tidegate.models.request import Kind, Request
from tidegate.models.worker import Worker

DTYPES = st.sampled_from(["<f4", "<i8", "<f2", "|u1", "|b1"])


@given(DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, st.tuples(st.integers(1, 5), st.integers(1, 3)))), st.integers(1, 4))
def test_two_parts_are_what_concatenating_them_gives(second: Any, length: int) -> None:
    """Bytes and shape, behind any number of axes with one element."""
    first = np.ones((length, second.shape[1]), second.dtype)
    for axis in (0, 1, 2):
        lead = (1,) * axis
        array = Appended(first.reshape(*lead, *first.shape), second.reshape(*lead, *second.shape), axis)
        expected = np.concatenate((array.first, array.second), axis)
        assert can_be_laid(array)
        assert array.shape == expected.shape
        assert whole(array).dtype == expected.dtype
        assert whole(array).tobytes() == expected.tobytes()


def test_what_is_one_array_stays_it() -> None:
    """It is not copied."""
    array = np.ones(3)
    assert whole(array) is array


def test_text_and_nothing_cannot_be_laid() -> None:
    """What is text holds pointers, and of nothing no bytes can be read."""
    assert not can_be_laid(np.array([b"a"], object))
    assert not can_be_laid(np.empty((1, 0), np.float32))
    assert can_be_laid(np.ones(1, bool))
    assert laid_end_to_end([np.ones(2, np.int64), np.zeros(1, np.int64)]).tolist() == [1, 1, 0]


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_a_batch_of_rows_in_parts_and_whole_ones(in_parts: list[bool]) -> None:
    """The order of rows is that of the pieces, whichever of them are in parts."""
    worker, client, sink = Worker(model("double")), Client(), None
    rows = np.arange(4 * len(in_parts), dtype=np.float32).reshape(-1, 4)
    kind = Kind(worker, None)
    pieces = [
        (Request(kind, None, [Appended(row[:, :1], row[:, 1:], 1) if split else row], sink, client, 0.0), 0, 1)  # type: ignore[arg-type]
        for row, split in zip(rows[:, None], in_parts, strict=True)
    ]
    batch = Batch(worker, pieces)
    batch.execute()
    assert batch.run is not None
    assert batch.run.outputs[0].tolist() == (2 * rows).tolist()
