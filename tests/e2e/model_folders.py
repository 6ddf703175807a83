"""Folders of small models for the end-to-end tests, made with ``onnx_models``; nothing here starts a gateway."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_models
from onnx import ModelProto

SLOW_MS = 60.0
WIDE = 250_000  # elements in a row of the wide model's output: 1 MB


def build(folder: Path) -> Path:
    """Make ``mlp`` (quick), ``slow`` (one row at a time), ``wide`` (large answers) and ``text``."""
    add(folder, "mlp", onnx_models.row_wise_mlp())
    add(folder, "slow", onnx_models.slow(SLOW_MS), 'batching = "off"')
    add(folder, "wide", onnx_models.wide_output(WIDE), "max_batch = 4")
    add(folder, "text", onnx_models.strings())
    return folder


def add(folder: Path, name: str, model: ModelProto, config: str = "") -> None:
    """Write a model with its configuration; the proof is kept short, so that gateways start quickly."""
    (folder / name).mkdir(parents=True)
    onnx.save(model, folder / name / "model.onnx")
    (folder / name / "model.toml").write_text(f"probe_ms = 60\n{config}\n")


def broken(folder: Path, name: str) -> None:
    """Write a file that is called a model and is none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.onnx").write_bytes(b"this is no model")
