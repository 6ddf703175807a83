"""Models that are loaded from files, in this process and in another: states are proved, found, kept, and told alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from loading import loaded
from process_helpers import source_of

from tidegate.errors import ModelUnavailable
from tidegate.models.loader import load
from tidegate.models.loading import load_one
from tidegate.models.processes.pool import ProcessPool
from tidegate.models.processes.segment import is_supported
from tidegate.models.repository import BadSource

from .stepping import Stepper
from .stream_models import VOCABULARY, cached, remembering

if TYPE_CHECKING:
    from pathlib import Path

in_processes = pytest.mark.skipif(not is_supported(), reason="needs memfd_create")


def test_a_state_on_axis_one_is_proved_and_kept(tmp_path: Path) -> None:
    """The proof finds the rows of a declared state, and a stream of steps is the loop that a client would write."""
    model = loaded(tmp_path, remembering("before", "after"), '[[state]]\ninput = "before"\noutput = "after"\ninitial = 0.25')
    assert model.batching.verdict == "exact"
    assert [spec.batch_axis for spec in model.inputs] == [0, 1]
    stepper, state = Stepper(model), np.full((2, 1, 4), 0.25, np.float32)
    for x in np.random.default_rng(0).random((5, 1, 4), np.float32):
        y, state = model.backend.run([x, state])
        (made,) = stepper.step({"x": x})
        assert told(made, "y") == y.tobytes()


def test_a_cache_that_grows_is_proved_and_kept(tmp_path: Path) -> None:
    """The proof makes masks as long as cache and tokens together; a stream's cache begins empty and grows."""
    model = loaded(tmp_path, cached())
    assert model.batching.verdict == "exact"
    assert {spec.batch_axis for spec in (*model.inputs, *model.outputs)} == {0}
    stepper, past = Stepper(model), np.zeros((1, 1, 0, 4), np.float32)
    for length, token in enumerate(np.random.default_rng(0).integers(0, VOCABULARY, 6), 1):
        ids, mask = np.array([[token]]), np.ones((1, length), np.int64)
        logits, past = model.backend.run([ids, mask, past])
        (made,) = stepper.step({"input_ids": ids, "attention_mask": mask})
        assert told(made, "logits") == logits.tobytes()
        assert stepper.state["state:past_key_values.0.key"].shape[2] == length


def test_a_declaration_that_does_not_fit_is_a_model_that_fails_to_load(tmp_path: Path) -> None:
    """It is listed with one line, as any model that cannot be served."""
    with pytest.raises(ModelUnavailable, match=r"^model\.toml: \[\[state\]\] names the input 'g'; the model has x, h$"):
        loaded(tmp_path, remembering(), '[[state]]\ninput = "g"\noutput = "hN"')


@in_processes
def test_a_model_in_a_worker_process_streams_the_same(tmp_path: Path) -> None:
    """What the worker found out is enough to settle the streams here, and the description is the same."""
    here, there = (
        source_of(tmp_path, remembering(), f'probe_ms = 50\nexecutor = "{executor}"\n[stream]\nmax_streams = 3')
        for executor in ("thread", "process")
    )
    model = load_one(there, ProcessPool(1))
    assert not isinstance(model, BadSource)
    assert model.describe()["stream"] == load(here).describe()["stream"]
    assert model.stream.max_streams == 3
    _, state = model.stream.begin({})
    assert state["state:h"].shape == (2, 1, 4)


@in_processes
def test_a_declaration_that_does_not_fit_is_told_by_the_worker_process(tmp_path: Path) -> None:
    """The same line comes from a process of its own."""
    source = source_of(tmp_path, remembering(), 'executor = "process"\n[[state]]\ninput = "g"\noutput = "hN"')
    bad = load_one(source, ProcessPool(1))
    assert isinstance(bad, BadSource)
    assert bad.error == "model.toml: [[state]] names the input 'g'; the model has x, h"


def told(made: Any, name: str) -> bytes:
    return bytes(made.outputs[name].tobytes())
