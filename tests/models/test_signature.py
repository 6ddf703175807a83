"""What a model says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from loading import loaded
from onnx_models import shared_scalar

from tidegate.models.signature import Batching

if TYPE_CHECKING:
    from pathlib import Path


def test_model_describes_itself_as_json(tmp_path: Path) -> None:
    """A model's description can be sent as JSON and has every field that the protocol names."""
    described = msgspec.json.decode(msgspec.json.encode(loaded(tmp_path, shared_scalar(), "pure = false").describe()))
    assert described["name"] == "m"
    assert described["version"] == "1"
    assert described["state"] == "ready"
    assert described["pure"] is False
    assert len(described["sha256"]) == 64
    assert described["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [-1, 4], "batch_axis": 0}
    assert described["inputs"][1] == {"name": "gain", "datatype": "FP32", "shape": [], "batch_axis": None}
    assert described["batching"]["verdict"] == "exact"
    assert described["batching"]["max_batch"] == described["batching"]["sizes"][-1] == 128


def test_max_batch_is_the_largest_proved_size() -> None:
    """The largest batch that a planner may run is the largest that was proved."""
    assert Batching("exact", "", (1, 2, 8)).max_batch == 8
    assert Batching("none", "").max_batch == 1
