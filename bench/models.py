"""Makes the three models that the benches serve, with cases whose answers are known; it knows nothing of servers.

Each is a row-wise multi-layer perceptron, float32, with a dynamic batch: input ``x`` [B, n], output ``y`` [B, m].
``python -m bench.models FOLDER`` writes them there, to be served by hand.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .cases import solved

SEED = 20_260
OPSET = 17
IR_VERSION = 8
CASES = 128
"""Different requests per model; their ids fit in one msgpack byte, so that all requests of a model have the same length."""

Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's name and the width of each of its layers, from input to output."""

    name: str
    widths: tuple[int, ...]

    @property
    def columns(self) -> int:
        """Numbers in one input row."""
        return self.widths[0]


TINY = Shape("tiny", (16, 32, 4))
MID = Shape("mid", (784, 256, 256, 10))
BIG = Shape("big", (1024, 1024, 1024, 1024, 256))
SHAPES = {shape.name: shape for shape in (TINY, MID, BIG)}


def _layers(shape: Shape) -> list[tuple[Array, Array]]:
    # He's scale keeps every layer's numbers near one, so that an absolute tolerance means the same for all three.
    rng = np.random.default_rng(SEED)
    return [
        (
            (rng.standard_normal((n, m)) * np.sqrt(2 / n)).astype(np.float32),
            (rng.standard_normal(m) * 0.1).astype(np.float32),
        )
        for n, m in zip(shape.widths, shape.widths[1:], strict=False)
    ]


def build(shape: Shape) -> Any:
    """Return the ONNX model of ``shape``: Gemm and Relu in turn, no Relu at the end."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, weights, value = [], [], "x"
    layers = _layers(shape)
    for i, (w, b) in enumerate(layers):
        last = i == len(layers) - 1
        weights += [numpy_helper.from_array(w, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [value, f"w{i}", f"b{i}"], ["y" if last else f"g{i}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"g{i}"], [f"r{i}"]))
            value = f"r{i}"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", shape.columns])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", shape.widths[-1]])
    graph = helper.make_graph(nodes, shape.name, [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    checker.check_model(model)
    return model


def write_model(shape: Shape, folder: Path) -> Path:
    """Write the model into ``folder`` as NAME.onnx and return its path."""
    import onnx

    path = folder / f"{shape.name}.onnx"
    onnx.save(build(shape), path)
    return path


def inputs(shape: tuple[int, ...]) -> Array:
    """Return a row of such a shape for each case."""
    return np.random.default_rng(SEED + 1).standard_normal((CASES, *shape)).astype(np.float32)


def write_all(models: Path, cases: Path) -> None:
    """Write all three models into ``models`` and their cases into ``cases``; both folders are made."""
    from .raw import session

    models.mkdir(parents=True, exist_ok=True)
    cases.mkdir(parents=True, exist_ok=True)
    for shape in SHAPES.values():
        run = session(write_model(shape, models))
        solved(run, inputs((shape.columns,))).save(cases / f"{shape.name}.npz")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for shape in SHAPES.values():
        print(write_model(shape, folder))
