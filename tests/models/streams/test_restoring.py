"""A state that came from elsewhere is taken only if a stream of the model could have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidegate.errors import InvalidInput

from .stepping import Stepper, made_up

TOML = """
[[state]]
input = "h"
output = "hN"
[[state]]
input = "cache"
output = "cacheN"
grows = 1
[[carry]]
input = "x"
axis = 1
keep = 2
[[constant]]
input = "sr"
[chunk]
input = "x"
axis = 1
lengths = [4]
rebuffer = true
"""
INPUTS = [
    ("x", "FP32", (-1, -1), 0),
    ("h", "FP32", (2, -1, 3), 1),
    ("cache", "FP32", (-1, -1, 2), 0),
    ("sr", "INT64", (), None),
]
OUTPUTS = [("y", "FP32", (-1, -1), 0), ("hN", "FP32", (2, -1, 3), 1), ("cacheN", "FP32", (-1, -1, 2), 0)]
RATE = {"sr": np.array(16000)}


def growing(arrays: list[Any]) -> list[Any]:
    x, h, cache, _ = arrays
    return [x, h + 1, np.concatenate([cache, x[:, -1:, None].repeat(2, 2)], 1)]


def stepper() -> Stepper:
    stepper = Stepper(made_up(TOML, INPUTS, OUTPUTS, growing), RATE)
    stepper.step({"x": np.arange(10, dtype=np.float32)})
    return stepper


def test_a_stream_goes_on_from_its_own_state() -> None:
    """What a stream leaves is taken by another, which then gives what the first would have given."""
    one, other = stepper(), stepper()
    other.fixed, other.state = one.model.stream.restore(one.model.stream.constants_of(one.fixed), one.state)
    chunk = np.arange(2, dtype=np.float32)
    (here,), (there,) = one.step({"x": chunk}), other.step({"x": chunk})
    assert here.outputs is not None
    assert there.outputs is not None
    assert np.array_equal(here.outputs["y"], there.outputs["y"])
    assert one.state["state:cache"].shape == (1, 3, 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"state:h": None}, "no 'state:h'"),
        ({"state:g": np.zeros(1)}, "has 'state:g'"),
        ({"loop:length": np.zeros(1, np.int64)}, "has 'loop:length'"),
        ({"state:h": np.zeros((2, 2, 3), np.float32)}, "'state:h' is float32 of shape [2, 2, 3]"),
        ({"state:h": np.zeros((2, 1, 3))}, "'state:h' is float64"),
        ({"state:cache": np.zeros((2, 5, 2), np.float32)}, "'state:cache' is float32 of shape [2, 5, 2]"),
        ({"state:cache": np.zeros((1, 5), np.float32)}, "'state:cache' is float32 of shape [1, 5]"),
        ({"carry:x": np.zeros((1, 3), np.float32)}, "'carry:x' is float32 of shape [1, 3]"),
        ({"rest:x": np.zeros((1, 4), np.float32)}, "'rest:x' is float32 of shape [1, 4]"),
        ({"rest:x": np.zeros((2, 1), np.float32)}, "'rest:x' is float32 of shape [2, 1]"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(change: dict[str, Any], told: str) -> None:
    """Somebody may have written it by hand: what the model could not take never reaches it."""
    mine = stepper()
    state = {key: array for key, array in {**mine.state, **change}.items() if array is not None}
    with pytest.raises(InvalidInput) as caught:
        mine.model.stream.restore(RATE, state)
    assert caught.value.param == "snapshot"
    assert told in str(caught.value)


def test_its_constants_are_checked_as_those_of_an_open() -> None:
    """A snapshot brings the constants along, and they are not trusted either."""
    mine = stepper()
    with pytest.raises(InvalidInput):
        mine.model.stream.restore({}, mine.state)
