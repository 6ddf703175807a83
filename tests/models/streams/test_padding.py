"""The proof that caches of different lengths may share a batch, and what is served where it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from loading import loaded
from loop_models import CACHED_LOOP, RECURRENT_LOOP, Table, load_transformer, recurrent

from tidegate.errors import ModelFailed
from tidegate.models.streams import padding
from tidegate.models.streams.padding import prove_padding

if TYPE_CHECKING:
    from pathlib import Path

QUICK = "probe_ms = 100\nmax_batch = 4\n"


@pytest.mark.parametrize(
    ("more", "loop", "reason"),
    [
        ("", CACHED_LOOP, None),
        ("", CACHED_LOOP.replace("context = 64", "context = 10"), "a context of 10 is too short to try it"),
        ("", CACHED_LOOP.replace("context = 64", "context = 11"), None),
        ('batching = "off"\n', CACHED_LOOP, "it runs one request at a time"),
    ],
)
def test_the_proof_says_why(tmp_path: Path, more: str, loop: str, reason: str | None) -> None:
    """A model is padded if that was tried and found right; else its verdict says why it is not."""
    assert load_transformer(tmp_path, QUICK + more + loop).batching.unpadded == reason


def test_a_model_without_a_cache_has_nothing_to_pad(tmp_path: Path) -> None:
    """A recurrent model shares batches whatever its streams have read."""
    model = loaded(tmp_path, recurrent(), QUICK + RECURRENT_LOOP)
    assert model.batching.unpadded == "it has no cache that grows"
    assert "padded" not in model.stream.describe()["loop"]


def test_it_generates_the_same_without_batches(tmp_path: Path) -> None:
    """A model that runs one request at a time generates what it does in batches."""
    told = []
    for batching in ("auto", "off"):
        table = Table(load_transformer(tmp_path / batching, f'batching = "{batching}"\n' + QUICK + CACHED_LOOP))
        players = [table.player().step([1, 5, 2], max_steps=6, seed=seed) for seed in (1, 2)]
        for player in players:
            table.play(player)
        told.append([player.tokens for player in players])
        assert all(player.state["state:past_key_values.1.key"].shape[0] == 1 for player in players)
    assert told[0] == told[1]


class _Broken:
    """A backend that stops working."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, _arrays: Any, _control: Any = None) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelFailed("no room"), "it fails with padding: no room"),
        (RuntimeError("odd"), "the proof failed unexpectedly: RuntimeError: odd"),
    ],
)
def test_a_proof_that_fails_costs_nothing_else(tmp_path: Path, error: Exception, reason: str) -> None:
    """Whatever goes wrong in the proof becomes its reason."""
    model = load_transformer(tmp_path, QUICK + CACHED_LOOP)
    object.__setattr__(model, "backend", _Broken(error))
    assert prove_padding(model) == reason


def test_the_proof_is_bounded_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that takes too long is told to stop, and is not padded."""
    model = load_transformer(tmp_path, QUICK + CACHED_LOOP)
    backend = model.backend

    class Endless:
        def run(self, arrays: Any, control: Any) -> Any:
            while not control.stopped:
                backend.run(arrays)
            return backend.run(arrays, control)

    monkeypatch.setattr(padding, "_LIMIT_S", 0.05)
    object.__setattr__(model, "backend", Endless())
    reason = prove_padding(model)
    assert reason is not None
    assert reason.startswith("it fails with padding")


def test_wild_padding_would_be_noticed() -> None:
    """What the proof compares is as exact as it says: to a ten-thousandth, shapes included."""
    assert padding._worst([np.zeros(3)], [np.zeros(3)]) == 0
    assert padding._worst([np.zeros(3)], [np.full(3, 1e-3)]) > 1e-4
    assert padding._worst([np.zeros(3)], [np.zeros(2)]) == float("inf")
