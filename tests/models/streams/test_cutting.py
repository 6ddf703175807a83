"""However a signal is cut, the model gets the same: what is carried, and what is cut into chunks anew."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from .stepping import Stepper, made_up

KEEP, LENGTH = 3, 5
CARRY = f'[[carry]]\ninput = "x"\naxis = 1\nkeep = {KEEP}\n'
CHUNK = f'[chunk]\ninput = "x"\naxis = 1\nlengths = [{LENGTH}]\nrebuffer = true\nscale_int16 = true\n'
COUNT = '[[state]]\ninput = "n"\noutput = "nN"\n'
SIGNAL = [("x", "FP32", (-1, -1), 0), ("n", "FP32", (-1, 1), 0)]
BANDS = [("x", "FP32", (-1, 2, -1), 0), ("n", "FP32", (-1, 1), 0)]
OUTPUTS = [("y", "FP32", (-1, -1), 0), ("nN", "FP32", (-1, 1), 0)]

pieces = st.lists(st.integers(0, 3 * LENGTH), max_size=12)


def counting(arrays: list[Any]) -> list[Any]:
    return [arrays[0], arrays[1] + 1]


def cut(signal: Any, lengths: list[int]) -> list[Any]:
    return np.split(signal, np.cumsum(lengths)[:-1], axis=-1) if lengths else []


def signal_of(lengths: list[int], *lead: int) -> Any:
    return np.random.default_rng(0).random((*lead, sum(lengths)), np.float32) + 1


@given(pieces)
def test_what_is_carried_is_what_came_before(lengths: list[int]) -> None:
    """Before each chunk stand the last elements of all that came before it, zeros at first, also if chunks are shorter."""
    signal = signal_of(lengths, 1)
    whole = np.concatenate([np.zeros((1, KEEP), np.float32), signal], 1)
    stepper = Stepper(made_up(CARRY + COUNT, SIGNAL, OUTPUTS, counting))
    at = 0
    for chunk in cut(signal, lengths):
        stepper.step({"x": chunk})
        assert np.array_equal(stepper.seen[-1][0], whole[:, at : at + KEEP + chunk.shape[1]])
        at += chunk.shape[1]


@given(pieces)
def test_what_is_carried_along_an_inner_axis(lengths: list[int]) -> None:
    """The axis may lie behind others that are no single row: several bands of a spectrum, each continued."""
    signal = signal_of(lengths, 1, 2)
    whole = np.concatenate([np.zeros((1, 2, KEEP), np.float32), signal], 2)
    stepper = Stepper(made_up(CARRY.replace("axis = 1", "axis = 2") + COUNT, BANDS, OUTPUTS, counting))
    at = 0
    for chunk in cut(signal, lengths):
        stepper.step({"x": chunk})
        assert np.array_equal(stepper.seen[-1][0], whole[:, :, at : at + KEEP + chunk.shape[2]])
        at += chunk.shape[2]


@given(pieces, st.booleans(), st.booleans())
def test_any_cutting_gives_the_same_runs_as_one_piece(lengths: list[int], carried: bool, int16: bool) -> None:
    """With ``rebuffer`` the inputs and states of all runs are those of the signal in one piece; the rest waits."""
    signal = signal_of(lengths, 1)
    if int16:
        signal = (signal * 10_000).astype(np.int16)
    model = made_up(COUNT + (CARRY if carried else "") + CHUNK, SIGNAL, OUTPUTS, counting)
    whole, parts = Stepper(model), Stepper(model)
    whole.step({"x": signal})
    for chunk in cut(signal, lengths):
        made = parts.step({"x": chunk})
        assert [one.final for one in made] == [False] * (len(made) - 1) + [True]
    assert len(whole.seen) == len(parts.seen) == signal.shape[1] // LENGTH
    for one, other in zip(whole.seen, parts.seen, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        assert one[0].shape[1] == LENGTH + (KEEP if carried else 0)
    assert parts.state["rest:x"].shape == (1, signal.shape[1] % LENGTH)
    assert all(np.array_equal(whole.state[key], parts.state[key]) for key in whole.state)


@given(st.integers(0, LENGTH), st.integers(LENGTH, 6 * LENGTH), st.integers(0, 6))
def test_a_step_that_is_stopped_drops_what_it_has_not_run(before: int, length: int, after: int) -> None:
    """Told to stop, a step ends with the run that is under way; the next one begins with what it brings itself."""
    stepper = Stepper(made_up(COUNT + CHUNK, SIGNAL, OUTPUTS, counting))
    stepper.step({"x": signal_of([before], 1)})
    ran = len(stepper.seen)
    made = stepper.step({"x": signal_of([length], 1)}, stop_after=after)
    runs, full = len(stepper.seen) - ran, (before % LENGTH + length) // LENGTH
    assert runs == len(made) == min(after + 1, full)
    assert made[-1].final
    if runs < full:
        assert made[-1].reason == "cancelled"
        assert stepper.state["rest:x"].shape == (1, 0)


def test_a_step_without_a_full_chunk_tells_that_nothing_came_of_it() -> None:
    """It ends at once, without a run, and what it brought is kept in memory of its own."""
    stepper = Stepper(made_up(COUNT + CHUNK, SIGNAL, OUTPUTS, counting))
    brought = signal_of([LENGTH - 1], 1)
    (made,) = stepper.step({"x": brought})
    assert (made.outputs, made.final, stepper.seen) == ({}, True, [])
    assert not np.shares_memory(made.state["rest:x"], brought)
    assert made.state["state:n"].item() == 0


def test_what_is_left_keeps_nothing_else_in_memory() -> None:
    """Of a long step a stream keeps the end, not all of it."""
    stepper = Stepper(made_up(COUNT + CARRY + CHUNK, SIGNAL, OUTPUTS, counting))
    brought = signal_of([1000 * LENGTH + 1], 1)
    stepper.step({"x": brought})
    assert {key: array.shape for key, array in stepper.state.items()} == {
        "state:n": (1, 1), "carry:x": (1, KEEP), "rest:x": (1, 1)
    }  # fmt: skip
    assert not any(np.shares_memory(array, brought) for array in stepper.state.values())
    assert all(
        array.base is None or array.base.nbytes < 1000 for array in stepper.state.values() if isinstance(array.base, np.ndarray)
    )
