"""States that nobody declared are found by their names: those and no others, and never in silence."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx_models import row_wise_mlp
from process_helpers import source_of

from tidegate.models.loading import load_one
from tidegate.models.processes.pool import ProcessPool

from .stepping import Stepper, made_up
from .stream_models import remembering

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.models.model import Model

X, Y = ("x", "FP32", (-1, 4), 0), ("y", "FP32", (-1, 4), 0)


def found(model: Model) -> dict[str, str]:
    return {state["input"]: state["output"] for state in model.describe()["stream"]["states"]}


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("h", "hN"),
        ("h", "hn"),
        ("h", "h_out"),
        ("h", "h_next"),
        ("state", "stateN"),
        ("state", "new_state"),
        ("state", "next_state"),
        ("conv_cache_in", "conv_cache_out"),
    ],
)
def test_a_pair_is_found_by_its_names(name: str, output: str) -> None:
    """What exporters usually call a state is taken for one, and the description says that it was found."""
    model = made_up("", [X, (name, "FP32", (2, -1, 8), 1)], [Y, (output, "FP32", (2, -1, 8), 1)])
    assert model.describe()["stream"]["states"] == [{"input": name, "output": output, "found": True}]
    stepper = Stepper(model)
    assert stepper.state[f"state:{name}"].shape == (2, 1, 8)
    (made,) = stepper.step({"x": np.ones((1, 4), np.float32)})
    assert list(made.outputs or {}) == ["y"]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([X, ("h", "FP32", (-1, 8), 0)], [Y, ("hN", "FP32", (-1, 9), 0)]),
        ([X, ("h", "FP32", (-1, 8), 0)], [Y, ("hN", "FP64", (-1, 8), 0)]),
        ([X, ("h", "FP32", (2, -1, 2), 1)], [Y, ("hN", "FP32", (-1, 2, 2), 0)]),
        ([X, ("h", "FP32", (-1, 8), 0)], [Y, ("hN", "FP32", (-1, 8), 0), ("h_out", "FP32", (-1, 8), 0)]),
        ([X, ("h", "FP32", (-1, -1), 0)], [Y, ("hN", "FP32", (-1, -1), 0)]),
        ([X, ("g", "FP32", (-1, 8), 0)], [Y, ("hN", "FP32", (-1, 8), 0)]),
        ([("audio_in", "FP32", (-1, 512), 0)], [("audio_out", "FP32", (-1, 512), 0)]),
    ],
    ids=["shape", "datatype", "axis", "two candidates", "unknown size", "another name", "nothing would be left"],
)
def test_what_is_not_clear_is_not_taken_for_a_state(inputs: Any, outputs: Any) -> None:
    """A name alone is not enough: datatype, shape and rows have to agree, in one way only, and something has to be brought."""
    assert found(made_up("", inputs, outputs)) == {}


def test_caches_grow_along_the_axis_that_is_free() -> None:
    """Of a cache the dimension that is neither fixed nor that of the rows is the one that grows, from nothing."""
    shape = (-1, 2, -1, 8)
    names = [f"{layer}.{what}" for layer in (0, 1) for what in ("key", "value")]
    model = made_up(
        "",
        [("input_ids", "INT64", (-1, -1), 0), *((f"past_key_values.{name}", "FP32", shape, 0) for name in names)],
        [("logits", "FP32", (-1, -1, 9), 0), *((f"present.{name}", "FP32", shape, 0) for name in names)],
    )
    assert found(model) == {f"past_key_values.{name}": f"present.{name}" for name in names}
    _, state = model.stream.begin({})
    assert {array.shape for array in state.values()} == {(1, 2, 0, 8)}


def test_finding_can_be_turned_off_and_gives_way_to_what_is_declared() -> None:
    """What is declared is not guessed at, the rest still is; ``find_states = false`` guesses nothing."""
    inputs = [X, ("a", "FP32", (-1, 8), 0), ("b", "FP32", (-1, 8), 0)]
    outputs = [Y, ("aN", "FP32", (-1, 8), 0), ("bN", "FP32", (-1, 8), 0)]
    crossed = '[[state]]\ninput = "a"\noutput = "bN"\n'
    assert found(made_up("", inputs, outputs)) == {"a": "aN", "b": "bN"}
    assert found(made_up(crossed, inputs, outputs)) == {"a": "bN"}
    assert found(made_up(crossed.replace("bN", "aN"), inputs, outputs)) == {"a": "aN", "b": "bN"}
    assert found(made_up("[stream]\nfind_states = false", inputs, outputs)) == {}
    assert found(made_up('[[constant]]\ninput = "a"', inputs, outputs)) == {"b": "bN"}


def test_what_was_found_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Loading a model says which tensors it took for states; a model without says nothing."""
    pool = ProcessPool(1)
    with caplog.at_level(logging.INFO, "tidegate.models"):
        load_one(source_of(tmp_path, remembering(), "", "gru"), pool)
        load_one(source_of(tmp_path, row_wise_mlp(), "", "mlp"), pool)
    assert [record.getMessage() for record in caplog.records] == [
        "gru: by their names these are its states in a stream: hN -> h"
    ]
