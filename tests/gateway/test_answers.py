"""A result says the same in every form, and what it says is the request's own rows."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from fakes import model
from hypothesis import given
from hypothesis import strategies as st

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Result
from tidegate.codecs.reader import Received, server_messages
from tidegate.gateway.answers import Answers
from tidegate.models.batch import Run
from tidegate.models.model import Model
from tidegate.models.request import Kind, Request
from tidegate.models.signature import TensorSpec
from tidegate.models.worker import Worker

_READER = server_messages()
TEXTS = np.array([b"a", b"", b"\xff\x00", "größer".encode(), b"x" * 300], object)


def run_of(outputs: dict[str, tuple[Any, int | None]], size: int = 5, name: str = "m") -> Run:
    """A run that gave these arrays, each with its batch axis."""
    base = model()
    specs = tuple(TensorSpec(output, "FP32", (-1,), axis) for output, (_, axis) in outputs.items())
    made = Model(name, "7", base.inputs, specs, base.batching, base.backend, base.config)
    return Run(made, size, [array for array, _ in outputs.values()], started=2.0, compute_s=0.25)


def request(run: Run, rows: int, outputs: tuple[int, ...] | None = None, arrival: float = 1.5) -> Request:
    """A request whose answer is some of the run's rows."""
    return Request(Kind(Worker(run.model), None, rows, outputs=outputs), None, [], Any, None, arrival)  # type: ignore[arg-type]


def written(form: Form, run: Run, start: int, stop: int, answers: Answers | None = None, **asked: Any) -> Received:
    """Write a result and read it as a client does."""
    payload = (answers or Answers()).write(9, form, request(run, stop - start, **asked), run, start, stop)
    return _READER.text(payload) if form is Form.TEXT else _READER.binary(payload)


@pytest.mark.parametrize("form", Form)
def test_what_a_result_says(form: Form) -> None:
    """A result names the request, the model and its version, is final, and tells what it cost."""
    got = written(form, run_of({"y": (np.ones((5, 2), np.float32), 0)}), 1, 3)
    message = got.message
    assert isinstance(message, Result)
    assert (message.id, message.model_name, message.model_version, message.final) == (9, "m", "7", True)
    assert (message.timing.queue_us, message.timing.compute_us, message.timing.batch_size) == (500_000, 250_000, 5)
    assert got.form is form


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    ("array", "axis"),
    [
        (np.arange(10, dtype=np.float32).reshape(5, 2), 0),
        (np.arange(5, dtype=np.int64), 0),
        (np.arange(20, dtype=np.float64).reshape(2, 5, 2), 1),
        (np.asfortranarray(np.arange(10, dtype=np.uint16).reshape(5, 2)), 0),
        (np.arange(30, dtype=np.int8).reshape(5, 6)[:, ::2], 0),
        (np.array([True, False, True, True, False]), 0),
        (np.zeros((5, 0), np.float32), 0),
        (np.float32(3.5).reshape(()), None),
        (np.arange(3, dtype=np.float16), None),
        (TEXTS, 0),
        (np.array([[b"p", b"q"]] * 5, object), 0),
    ],
    ids=lambda value: f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else None,
)
def test_rows_are_the_requests_own(array: Any, axis: int | None, form: Form) -> None:
    """Of an output with a batch axis a request gets its rows, of any other all of it, whatever the memory looks like."""
    got = written(form, run_of({"y": (array, axis)}), 1, 3).tensors["y"]
    expected = array if axis is None else np.take(array, [1, 2], axis)
    assert (got.dtype, got.shape, got.tolist()) == (expected.dtype, expected.shape, expected.tolist())


@pytest.mark.parametrize("form", Form)
def test_only_the_wanted_outputs(form: Form) -> None:
    """A request that named outputs gets those, in its order."""
    run = run_of({name: (np.full((5, 1), number, np.float32), 0) for number, name in enumerate("abc")})
    got = written(form, run, 0, 1, outputs=(2, 0))
    assert {name: float(array[0, 0]) for name, array in got.tensors.items()} == {"c": 2.0, "a": 0.0}
    assert list(got.tensors) == ["c", "a"]


@pytest.mark.parametrize("form", Form)
def test_clocks_that_disagree(form: Form) -> None:
    """A run that seems to have begun before its request came has waited for no time, not for less than none."""
    assert written(form, run_of({"y": (np.ones(5, np.float32), 0)}), 0, 1, arrival=3.0).message.timing.queue_us == 0


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.sampled_from(["f4", "u1", "i2"]), st.integers(1, 5))
def test_all_requests_of_a_run(rows: list[int], dtype: str, width: int) -> None:
    """However a run's rows are shared out, the requests together get each row once, from one writer for several runs."""
    answers = Answers()
    for seed in (1, 2):
        array = np.random.default_rng(seed).integers(0, 100, (sum(rows), width)).astype(dtype)
        run = run_of({"y": (array, 0), "s": (np.array([b"%d" % value for value in array[:, 0]], object), 0)}, sum(rows))
        at = 0
        for count in rows:
            got = written(Form.MSGPACK, run, at, at + count, answers)
            assert np.array_equal(got.tensors["y"], array[at : at + count])
            assert got.tensors["s"].tolist() == [b"%d" % value for value in array[at : at + count, 0]]
            at += count


def test_runs_that_differ_do_not_mix() -> None:
    """What is kept from one run is not used for another of other shapes, outputs, rows or model."""
    answers = Answers()
    two, three = np.ones((5, 2), np.float32), np.full((5, 3), 3, np.float32)
    for _ in range(2):
        for outputs in ({"y": (two, 0)}, {"y": (three, 0)}, {"y": (two, 0), "z": (three, 0)}, {"z": (two, None)}):
            for rows in (1, 4):
                got = written(Form.MSGPACK, run_of(outputs, name="/".join(outputs)), 0, rows, answers)
                assert list(got.tensors) == list(outputs)
                for name, (array, axis) in outputs.items():
                    assert np.array_equal(got.tensors[name], array if axis is None else array[:rows])


def test_a_result_is_no_view_of_the_run() -> None:
    """The bytes of a result stay what they are when the run's memory is used again."""
    array = np.ones((5, 64), np.float32)
    run = run_of({"y": (array, 0)})
    payload = Answers().write(9, Form.MSGPACK, request(run, 2), run, 0, 2)
    array[:] = 0
    assert (_READER.binary(payload).tensors["y"] == 1).all()


def test_what_was_answered_is_let_go() -> None:
    """The memory of a run's outputs is free once its answers are written, without waiting for the collector of cycles."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        arrays = {"rows": np.ones((5, 2), np.float32), "all": np.ones(3, np.float32), "texts": np.array([b"a"] * 5, object)}
        seen = [weakref.ref(array) for array in arrays.values()]
        run = run_of({name: (array, None if name == "all" else 0) for name, array in arrays.items()})
        assert isinstance(Answers().write(9, Form.MSGPACK, request(run, 1), run, 0, 1), bytes)
        del run, arrays
        assert [reference() for reference in seen] == [None, None, None]
    finally:
        if collecting:
            gc.enable()
