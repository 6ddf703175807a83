"""A step that is one run: what it takes, what it keeps, what it tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import InvalidInput, ModelFailed
from tidegate.models.batch import Run
from tidegate.models.streams.values import own_rows
from tidegate.models.worker import Worker

from .stepping import Stepper, made_up

FLOAT = np.float32
STATE = '[[state]]\ninput = "h"\noutput = "hN"\n'
RATES = '[[constant]]\ninput = "sr"\nvalues = [16000, 8000]\ndefault = 16000\n'
CHUNK = '[chunk]\ninput = "x"\naxis = 1\nlengths = { 16000 = [4, 6], 8000 = [2] }\nby = "sr"\n'
INPUTS = [("x", "FP32", (-1, -1), 0), ("h", "FP32", (2, -1, 3), 1), ("sr", "INT64", (), None)]
OUTPUTS = [("y", "FP32", (-1, 1), 0), ("hN", "FP32", (2, -1, 3), 1), ("z", "FP32", (-1, -1), 0)]


def adding(arrays: list[Any]) -> list[Any]:
    x, h, sr = arrays
    return [x.sum(1, keepdims=True) + h.sum((0, 2))[:, None], h + x.mean(1)[None, :, None], x * sr]


def model(toml: str = STATE + RATES + CHUNK, compute: Any = adding) -> Any:
    return made_up(toml, INPUTS, OUTPUTS, compute)


def chunk(length: int, rows: int | None = 1) -> Any:
    return np.arange(length, dtype=FLOAT) if rows is None else np.arange(rows * length, dtype=FLOAT).reshape(rows, length)


def test_each_step_begins_where_the_last_one_ended() -> None:
    """The state that comes out goes in again; the first step gets the declared beginning."""
    stepper = Stepper(model(STATE + "initial = 0.5\n" + RATES))
    for value in (1, 3):
        stepper.step({"x": np.full((1, 4), value, FLOAT)})
    states = [arrays[1] for arrays in stepper.seen]
    assert [state[0, 0, 0] for state in states] == [0.5, 1.5]
    assert stepper.state["state:h"][0, 0, 0] == 4.5
    assert states[1].shape == (2, 1, 3)


def test_the_usual_outputs_are_those_that_are_no_state() -> None:
    """What the gateway keeps is told only to those who ask for it."""
    stepper = Stepper(model())
    (usual,) = stepper.step({"x": chunk(4)})
    (asked,) = stepper.step({"x": chunk(4)}, outputs=("hN", "y", "hN"))
    assert list(usual.outputs or {}) == ["y", "z"]
    assert list(asked.outputs or {}) == ["hN", "y"]
    assert usual.final


def test_a_model_that_gives_nothing_but_its_state_tells_that() -> None:
    """Else a step would have nothing to tell."""
    silent = made_up(STATE, INPUTS[:2], OUTPUTS[1:2], lambda arrays: [arrays[1] + 1])
    (made,) = Stepper(silent).step({"x": chunk(4)})
    assert list(made.outputs or {}) == ["hN"]


@given(st.integers(2, 5), st.lists(st.integers(1, 3), min_size=1, max_size=3), st.data())
def test_rows_are_taken_apart_as_one_by_one(size: int, rest: list[int], data: st.DataObject) -> None:
    """Each is a copy of its own with the same bytes, wherever its axis lies and however large it is."""
    axis = data.draw(st.sampled_from([None, *range(len(rest) + 1)]))
    wide = data.draw(st.sampled_from([1, 1000]))
    shape = (*rest, wide) if axis is None else (*rest[:axis], size, *rest[axis:], wide)
    output = np.arange(np.prod(shape), dtype=FLOAT).reshape(shape)
    specs = [SimpleNamespace(batch_axis=axis)]
    one, all_ = (Run(SimpleNamespace(outputs=specs), size, [output], 0.0, 0.0) for _ in range(2))  # type: ignore[arg-type]
    all_.apart = {}
    for row in range(size):
        expected, found = own_rows(one, 0, row, row + 1), own_rows(all_, 0, row, row + 1)
        assert (found.shape, found.dtype, found.tobytes()) == (expected.shape, expected.dtype, expected.tobytes())
        assert axis is None or not np.shares_memory(found, output)


def test_a_row_of_a_batch_is_copied_out_of_it() -> None:
    """A stream keeps its own rows and not those of others, along whichever axis they lie."""
    spec, worker = model().stream, Worker(model())
    fixed, state = spec.begin({})
    agenda = spec.agenda(worker, fixed, {"x": chunk(4)}, ("y", "hN"))
    outputs = [np.arange(3, dtype=FLOAT)[:, None], np.arange(18, dtype=FLOAT).reshape(2, 3, 3), np.ones((3, 4), FLOAT)]
    made = agenda.ran(state, Run(worker.model, 3, outputs, 0.0, 0.0), 1, 2)
    assert made.outputs is not None
    assert made.outputs["y"].tolist() == [[1.0]]
    assert made.state["state:h"].tolist() == [[[3.0, 4.0, 5.0]], [[12.0, 13.0, 14.0]]]
    for array in (*made.outputs.values(), *made.state.values()):
        assert not any(np.shares_memory(array, output) for output in outputs)


def test_sampling_rates_never_share_a_batch() -> None:
    """The constants are part of what has to be equal in a batch, and so are shapes."""
    spec, worker = model().stream, Worker(model())
    kinds = []
    for rate, length in ((16000, 4), (16000, 4), (8000, 2), (16000, 6)):
        fixed, state = spec.begin({"sr": np.array(rate)})
        kinds.append(spec.agenda(worker, fixed, {"x": chunk(length)}, priority=-2).arrays(state)[1])
    assert kinds[0].key == kinds[1].key
    assert len({kind.key for kind in kinds}) == 3
    assert {(kind.rows, kind.priority) for kind in kinds} == {(1, -2)}


def test_a_missing_batch_axis_is_added() -> None:
    """A chunk may come without the axis on which the model has its rows; what comes out has it."""
    stepper = Stepper(model())
    (with_axis,), (without,) = stepper.step({"x": chunk(4)}, ("z",)), stepper.step({"x": chunk(4, None)}, ("z",))
    assert with_axis.outputs is not None
    assert without.outputs is not None
    assert without.outputs["z"].shape == (1, 4)
    assert np.array_equal(with_axis.outputs["z"], without.outputs["z"])


@pytest.mark.parametrize(
    ("inputs", "param", "expected", "told"),
    [
        ({}, "inputs", "inputs ['x']", "missing ['x']"),
        ({"x": chunk(4), "u": chunk(4)}, "inputs[1].name", "inputs ['x']", "'u' is no input of this model"),
        ({"h": chunk(4), "x": chunk(4)}, "inputs[0].name", "inputs ['x']", "'h' is kept by the gateway"),
        ({"sr": np.array(8000)}, "inputs[0].name", "inputs ['x']", "'sr' is a constant, given when the stream is opened"),
        ({"x": chunk(5)}, "inputs[0].shape", "4 or 6 along axis 1 for sr = 16000", "has 5 elements along axis 1"),
        ({"x": chunk(2, None)}, "inputs[0].shape", "4 or 6 along axis 1 for sr = 16000", "has 2 elements along axis 1"),
        ({"x": chunk(4, 2)}, "inputs[0].shape", "[1, any]", "has shape [2, 4]"),
        ({"x": np.ones((1, 4, 1), FLOAT)}, "inputs[0].shape", "[1, any]", "has shape [1, 4, 1]"),
        ({"x": np.array(1, FLOAT)}, "inputs[0].shape", "[1, any]", "has shape []"),
        ({"x": chunk(4).astype(np.int16)}, "inputs[0].datatype", "FP32", "'x' is INT16"),
    ],
)
def test_what_a_step_must_not_bring_is_refused_when_it_comes(inputs: Any, param: str, expected: str, told: str) -> None:
    """A wrong length is an error and not garbage; it says what came and what was expected."""
    spec = model().stream
    fixed, _ = spec.begin({})
    with pytest.raises(InvalidInput) as caught:
        spec.agenda(Worker(model()), fixed, inputs)
    assert (caught.value.param, caught.value.expected) == (param, expected)
    assert told in str(caught.value)


def test_outputs_that_do_not_exist_are_refused() -> None:
    """The place of the name and all that there are stand in the error."""
    spec = model().stream
    spec.check_outputs(("y", "hN"))
    with pytest.raises(InvalidInput) as caught:
        spec.check_outputs(("y", "w"))
    assert (caught.value.param, caught.value.expected) == ("outputs[1].name", "some of ['y', 'hN', 'z']")


def test_int16_is_scaled_where_that_is_declared() -> None:
    """What a telephone sends becomes what the model takes, from -1 to 1."""
    stepper = Stepper(model(RATES + STATE + CHUNK + "scale_int16 = true"))
    assert (stepper.model.stream.int16, model().stream.int16) == ("x", None)
    stepper.step({"x": np.array([[-32768, 0, 16384, 32767]], np.int16)})
    seen = stepper.seen[0][0]
    assert seen.dtype == FLOAT
    assert seen.tolist() == [[-1.0, 0.0, 0.5, 32767 / 32768]]


def test_a_state_that_cannot_go_in_again_fails_the_step() -> None:
    """A model whose state comes out in another shape is told so at once, not one step later."""
    spoilt = model(compute=lambda arrays: [arrays[0], arrays[1][:1], arrays[0]])
    with pytest.raises(ModelFailed, match=r"'hN' has shape \[1, 1, 3\], and the state \[2, 1, 3\]"):
        Stepper(spoilt).step({"x": chunk(4)})


def test_any_model_may_be_streamed() -> None:
    """Without a word about streams a step is an inference; a model that is not batched takes what it always takes."""
    plain = made_up("", [("x", "FP32", (-1, 3), None)], [("y", "FP32", (-1, 3), None)], batched=False)
    (made,) = Stepper(plain).step({"x": np.ones((5, 3), FLOAT)})
    assert made.outputs is not None
    assert made.outputs["y"].shape == (5, 3)
    assert made.state == {}


def test_bytes_that_wait_are_counted() -> None:
    """What a step holds is what it brings; of strings their length counts."""
    spec = made_up("", [("t", "BYTES", (-1,), 0)], [("y", "BYTES", (-1,), 0)]).stream
    fixed, _ = spec.begin({})
    agenda = spec.agenda(Worker(model()), fixed, {"t": np.array([b"x" * 1000], object)})
    assert agenda.nbytes >= 1000
