"""A folder of small models with state for the end-to-end tests of streams; nothing here starts a gateway.

``sum``: x[N, 1], h[N, 1] → y = hN = h + x, fails on ``MARKER``. ``brief``: the same, idle for ``IDLE_S`` at most. ``double``:
hN = h + 2x. ``heavy``: as ``sum``, in a worker process, and a run takes some milliseconds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_models
from model_folders import add
from onnx import ModelProto, TensorProto, helper
from onnx_models import MARKER

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import NodeProto

IDLE_S = 0.6
_WIDTH, _LAYERS = 512, 40


def write(folder: Path) -> Path:
    """Make the models that take no time."""
    add(folder, "sum", adding())
    add(folder, "brief", adding(), f"[stream]\nidle_timeout_s = {IDLE_S}")
    add(folder, "double", adding(2.0))
    return folder


def write_heavy(folder: Path) -> Path:
    """Make the one that runs elsewhere."""
    add(folder, "heavy", adding(more=_toil()), 'executor = "process"')
    return folder


def adding(factor: float = 1.0, more: tuple[list[NodeProto], dict[str, Any]] | None = None) -> ModelProto:
    """x[N, 1], h[N, 1] → y = hN = h + factor · x, and fails if a row of x is ``MARKER``: an index out of range."""
    toil, weights = more or ([helper.make_node("Identity", ["sum"], ["hN"])], {})
    nodes = [
        helper.make_node("Equal", ["x", "marker"], ["bad"]),
        helper.make_node("Cast", ["bad"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["factor"]),
        helper.make_node("Mul", ["x", "factor"], ["scaled"]),
        helper.make_node("Add", ["h", "scaled"], ["sum"]),
        *toil,
        helper.make_node("Identity", ["hN"], ["y"]),
    ]
    x, h, y, state = (onnx_models.value(name, TensorProto.FLOAT, ["batch", 1]) for name in ("x", "h", "y", "hN"))
    constants = {"marker": np.array(MARKER, np.float32), "table": np.array([factor], np.float32)}
    return onnx_models.build(nodes, [x, h], [y, state], constants | weights)


def _toil() -> tuple[list[NodeProto], dict[str, Any]]:
    """Give nodes from ``sum`` to ``hN`` that add nothing to it, slowly."""
    names = [f"toil{layer}" for layer in range(_LAYERS + 1)]
    nodes = [helper.make_node("MatMul", ["x", "wide"], [names[0]])]
    for before, after in pairwise(names):
        nodes += [
            helper.make_node("MatMul", [before, "square"], [f"{after}_sum"]),
            helper.make_node("Tanh", [f"{after}_sum"], [after]),
        ]
    nodes += [
        helper.make_node("MatMul", [names[-1], "nothing"], ["zero"]),
        helper.make_node("Add", ["sum", "zero"], ["hN"]),
    ]
    square = onnx_models.weights(_WIDTH, _WIDTH)
    return nodes, {"wide": onnx_models.weights(1, _WIDTH), "square": square, "nothing": np.zeros((_WIDTH, 1), np.float32)}
