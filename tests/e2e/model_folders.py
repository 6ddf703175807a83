"""Folders of small models for the end-to-end tests; nothing here starts a gateway.

``quick``: ``mlp`` x[N, 4] → y[N, 3], ``wide`` x[N, 1] → y[N, WIDE] with large answers, ``text`` with strings.
``slow``: ``mlp``, and ``slow`` x[1, FEATURES], turns[] → y, which takes as long as one wishes, one request at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_models
from onnx import ModelProto, TensorProto, helper

if TYPE_CHECKING:
    from pathlib import Path

WIDE = 250_000
FEATURES = 256
TURNS_PER_MS = 250
"""Turns of the slow model in a millisecond, roughly: expect half or double."""


def quick(folder: Path) -> Path:
    """Make the models that take no time."""
    add(folder, "mlp", onnx_models.row_wise_mlp())
    add(folder, "wide", onnx_models.wide_output(WIDE), "max_batch = 4")
    add(folder, "text", onnx_models.strings())
    return folder


def slow(folder: Path) -> Path:
    """Make a quick model and one that takes its time."""
    add(folder, "mlp", onnx_models.row_wise_mlp())
    add_slow(folder, "slow")
    return folder


def add(folder: Path, name: str, model: ModelProto, config: str = "") -> None:
    """Write a model with its configuration; the proof is kept short, so that gateways start quickly."""
    (folder / name).mkdir(parents=True)
    onnx.save(model, folder / name / "model.onnx")
    (folder / name / "model.toml").write_text(f"probe_ms = 60\n{config}\n")


def add_slow(folder: Path, name: str) -> None:
    """Write the model of ``looping``. It is probed with some 50 ms, so that nobody takes it for a quick one."""
    add(folder, name, looping(), f'batching = "off"\n[inputs.turns]\nvalues = [{50 * TURNS_PER_MS}]')


def broken(folder: Path, name: str) -> None:
    """Write a file that is called a model and is none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.onnx").write_bytes(b"this is no model")


def looping() -> ModelProto:
    """x[1, FEATURES], turns[] → y[1, FEATURES] by a loop: as slow to run as one wishes, yet quick to load."""
    turn = [
        helper.make_node("MatMul", ["before", "w"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["after"]),
        helper.make_node("Identity", ["go"], ["on"]),
    ]
    shape = [1, FEATURES]
    values = {name: onnx_models.value(name, TensorProto.FLOAT, shape) for name in ("before", "after", "x", "y")}
    number, go, on = [
        helper.make_tensor_value_info(name, kind, [])
        for name, kind in (("number", TensorProto.INT64), ("go", TensorProto.BOOL), ("on", TensorProto.BOOL))
    ]
    body = helper.make_graph(turn, "turn", [number, go, values["before"]], [on, values["after"]])
    loop = helper.make_node("Loop", ["turns", "yes", "x"], ["y"], body=body)
    constants = {"yes": np.array(True), "w": onnx_models.weights(FEATURES, FEATURES)}
    return onnx_models.build([loop], [values["x"], onnx_models.value("turns", TensorProto.INT64, [])], [values["y"]], constants)
