"""What is given when a stream is opened: taken as the model takes it, or refused with what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidegate.errors import InvalidInput

from .stepping import Stepper, made_up

INPUTS = [
    ("x", "FP32", (-1, 4), 0),
    ("sr", "INT64", (), None),
    ("gain", "FP32", (1,), None),
    ("voice", "FP32", (-1, 3), 0),
]
TOML = """
[[constant]]
input = "sr"
values = [16000, 8000]
default = 16000
[[constant]]
input = "gain"
[[constant]]
input = "voice"
"""
GAIN, VOICE = np.array([2.0], np.float32), np.array([[1.0, 2.0, 3.0]], np.float32)


def model() -> Any:
    return made_up(TOML, INPUTS, [("y", "FP32", (-1, 4), 0)])


def given(**constants: Any) -> dict[str, Any]:
    return {"gain": GAIN, "voice": VOICE, **constants}


@pytest.mark.parametrize("rate", [np.array(8000), np.array([8000]), np.array([[8000]])])
def test_a_single_number_may_have_any_rank(rate: Any) -> None:
    """A scalar, or one number in brackets: the model gets the shape that it takes."""
    fixed, _ = model().stream.begin(given(sr=rate, gain=np.array(2.0, np.float32)))
    assert (fixed.constants["sr"].shape, fixed.constants["sr"].item()) == ((), 8000)
    assert fixed.constants["gain"].tolist() == [2.0]


def test_a_constant_of_one_row_may_leave_the_row_out() -> None:
    """What is given once may be large, such as a voice; its batch axis of size 1 is added."""
    fixed, _ = model().stream.begin(given(voice=VOICE[0]))
    assert fixed.constants["voice"].tolist() == VOICE.tolist()


def test_defaults_and_what_is_given_go_into_every_run() -> None:
    """A step brings what is left; the constants stand in their places."""
    stepper = Stepper(model(), given())
    stepper.step({"x": np.ones((1, 4), np.float32)})
    assert [array.tolist() for array in stepper.seen[0]] == [[[1.0] * 4], 16000, [2.0], [[1.0, 2.0, 3.0]]]


def test_streams_that_were_opened_alike_share_what_is_settled() -> None:
    """A hundred thousand streams do not keep a hundred thousand copies."""
    spec = model().stream
    (one, first), (two, second), (other, _) = (spec.begin(given(sr=np.array(rate))) for rate in (8000, 8000, 16000))
    assert one is two
    assert first is second
    assert one is not other


def test_a_constant_is_copied() -> None:
    """What a client sent is not kept in memory for one number of it, nor changed behind a stream's back."""
    voice = VOICE.copy()
    fixed, _ = model().stream.begin(given(voice=voice))
    voice[:] = 0
    assert fixed.constants["voice"].tolist() == VOICE.tolist()


@pytest.mark.parametrize(
    ("constants", "param", "expected"),
    [
        ({"gain": GAIN}, "constants", "constants ['gain', 'voice']"),
        (given(x=GAIN), "constants[2].name", "constants ['sr', 'gain', 'voice']"),
        (given(sr=np.array(44100)), "constants[2].data", "one of 16000, 8000"),
        (given(sr=np.array([8000, 8000])), "constants[2].shape", "[]"),
        (given(sr=np.array(8000, np.int32)), "constants[2].datatype", "INT64"),
        (given(gain=np.array([1, 2], np.float32)), "constants[0].shape", "[1]"),
        (given(voice=np.ones((2, 3), np.float32)), "constants[1].shape", "[1, 3]"),
        (given(voice=np.ones(4, np.float32)), "constants[1].shape", "[1, 3]"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(constants: Any, param: str, expected: str) -> None:
    """The place, what came and what would have been right stand in the error."""
    with pytest.raises(InvalidInput) as caught:
        model().stream.begin(constants)
    assert (caught.value.param, caught.value.expected) == (param, expected)
