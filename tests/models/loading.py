"""Loads models that a test builds, through the same door as the gateway's: a folder, a scan, a load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from tidegate.models.loader import load
from tidegate.models.repository import scan

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

    from tidegate.models.model import Model


def loaded(folder: Path, model: ModelProto, toml: str = "", name: str = "m") -> Model:
    """Save a model with its ``model.toml`` in a folder of models and load it."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    onnx.save(model, place / "model.onnx")
    (place / "model.toml").write_text(toml, encoding="utf-8")
    found = scan(folder)
    assert not found.bad, found.bad
    return load(next(source for source in found.sources if source.name == name))
