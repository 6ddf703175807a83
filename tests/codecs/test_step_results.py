"""What the quick way to write a stream's results promises: nothing that the writer would not have said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.codecs.datatypes import BF16_DTYPE, Array
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Result
from tidegate.codecs.parts import Timing
from tidegate.codecs.reader import server_messages
from tidegate.codecs.step_results import StepResults
from tidegate.codecs.writer import encode
from tidegate.errors import InvalidInput, TooLarge
from tidegate.results import SharedOutputs

SDK = server_messages()
OUTPUTS: list[dict[str, Array]] = [
    {"output": np.array([[0.25]], "<f4")},
    {"token": np.array([[7]], "<i8")},
    {},
    {"aligned": np.arange(4.0)},
    {"a": np.arange(3, dtype=np.uint8), "b": np.array(True), "c": np.empty((0, 2), "<f2"), "d": np.arange(2)},
    {"turned": np.arange(6, dtype="<f4").reshape(2, 3).T, "bf16": np.ones(3, "<u2").view(BF16_DTYPE)},
    {"s": np.array([b"abc", b""], object)},
    {str(n): np.full((1,), n, "<i4") for n in range(40)},
]


def _result(**fields: Any) -> Result:
    timing = Timing(queue_us=2**33, compute_us=312, batch_size=8)
    said: dict[str, Any] = {"stream": 7, "step": 3, "seq": 4, "final": True, "timing": timing}
    return Result(**said | fields)


def _same(written: bytes, result: Result, outputs: dict[str, Array]) -> None:
    got, wanted = SDK.binary(written), SDK.binary(encode(result, Form.MSGPACK, outputs))
    assert (got.message, got.form) == (wanted.message, wanted.form)
    assert list(got.tensors) == list(wanted.tensors)
    for left, right in zip(got.tensors.values(), wanted.tensors.values(), strict=True):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert left.tolist() == right.tolist()


@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: ",".join(outputs)[:12])
def test_a_result_means_what_the_writer_writes(outputs: dict[str, Array]) -> None:
    """The first of a kind, and all after it, read back as the writer's do, with their own numbers and elements."""
    results = StepResults()
    for number in range(1, 4):
        arrays = {
            name: array if array.dtype.hasobject or array.dtype.names else array + array.dtype.type(number)
            for name, array in outputs.items()
        }
        result = _result(step=number, seq=2**53 - number, final=number == 3)
        _same(results.encode(result, arrays), result, arrays)


@given(
    st.integers(0, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16),
    st.integers(1, 2**53 - 1),
    st.integers(1, 2**53 - 1),
    st.booleans(),
    st.none() | st.text(max_size=40),
    st.none() | st.sampled_from(["stop", "length", "cancelled"]),
    st.tuples(st.integers(0, 2**60), st.integers(0, 2**60), st.integers(0, 2**40)),
)
def test_whatever_a_result_says_is_written(
    stream: int | str, step: int, seq: int, final: bool, text: str | None, reason: str | None, cost: tuple[int, int, int]
) -> None:
    """Every field reads back as the writer's does, in a kind that was met before."""
    timing = Timing(queue_us=cost[0], compute_us=cost[1], batch_size=cost[2])
    result = _result(stream=stream, step=step, seq=seq, final=final, text=text, reason=reason, timing=timing)
    _same(KNOWN.encode(result, OUTPUTS[4]), result, OUTPUTS[4])


KNOWN = StepResults()
KNOWN.encode(_result(), OUTPUTS[4])


def test_kinds_differ_by_name_datatype_and_shape() -> None:
    """What is remembered of one kind is not used for another with as many bytes."""
    results = StepResults()
    kinds: list[dict[str, Array]] = [
        {"x": np.arange(4, dtype="<i4")},
        {"y": np.arange(4, dtype="<i4")},
        {"x": np.arange(4, dtype="<u4")},
        {"x": np.arange(4, dtype="<i4").reshape(2, 2)},
        {"x": np.arange(2, dtype="<i4"), "y": np.arange(2, dtype="<i4")},
        {"y": np.arange(2, dtype="<i4"), "x": np.arange(2, dtype="<i4")},
    ]
    for outputs in kinds * 2:
        _same(results.encode(_result(), outputs), _result(), outputs)


def test_kinds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many kinds there are, not more than so many are remembered."""
    monkeypatch.setattr("tidegate.codecs.step_results._KINDS", 4)
    results = StepResults()
    for size in range(20):
        outputs: dict[str, Array] = {"x": np.zeros(size)}
        _same(results.encode(_result(), outputs), _result(), outputs)
        assert len(results._kinds) <= 4


def test_what_cannot_be_written_is_refused_as_ever() -> None:
    """A datatype that the protocol has not, and a header that no reader takes, raise what the writer raises, each time."""
    results = StepResults()
    wrong: dict[str, Array] = {"x": np.zeros(1, "<c16")}
    large: dict[str, Array] = {"x": np.zeros(1)}
    for _ in range(3):
        with pytest.raises(InvalidInput):
            results.encode(_result(), wrong)
        results.encode(_result(), large)
        with pytest.raises(TooLarge):
            results.encode(_result(text="x" * 70_000), large)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**40) | st.text("ab", min_size=1, max_size=9),
            st.integers(1, 2**53 - 1),
            st.none() | st.sampled_from(["", "a", "bc", "\n", "é"]),
            st.none() | st.sampled_from(["stop", "length"]),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_what_is_shared_is_written_like_anything_else(told: list[tuple[Any, ...]]) -> None:
    """Outputs that many are told read back as the writer's do, for whatever stream, number, text and cost."""
    shared, results = [SharedOutputs({"token": np.array([token])}) for token in range(2)], StepResults()
    for at, (stream, seq, text, reason, queue_us) in enumerate(told):
        timing = Timing(queue_us=queue_us, compute_us=queue_us + 1, batch_size=2)
        result = _result(stream=stream, seq=seq, text=text, reason=reason, final=bool(seq % 2), timing=timing)
        _same(results.encode(result, shared[at % 2]), result, shared[at % 2])
        assert len(shared[at % 2].written) <= 16
