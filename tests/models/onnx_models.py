"""Small ONNX models with every manner that the proof of batchability must see through; built with ``onnx.helper``.

Each function returns an ``onnx.ModelProto``; ``write(folder, name=model, …)`` saves models as ``folder/name.onnx``.
"""

from __future__ import annotations

from itertools import pairwise as pairs
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Shape = Sequence[int | str | None] | None

FLOAT, INT64, STRING, BFLOAT16 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.BFLOAT16

MARKER = 777.0
"""The value in the first column of a row with which ``fails_on_poisoned_row`` fails."""

_OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]


def value(name: str, kind: int, shape: Shape) -> Any:
    """Declare an input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def build(
    nodes: list[NodeProto], inputs: list[Any], outputs: list[Any], constants: dict[str, Any] | None = None, **options: Any
) -> ModelProto:
    """Put a model together; numpy constants become initializers. ``options`` go to ``make_model``."""
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(nodes, "test", inputs, outputs, initializers)
    return helper.make_model(graph, **{"ir_version": 8, "opset_imports": _OPSETS, **options})


def write(folder: Path, **models: ModelProto) -> Path:
    """Save models as ``NAME.onnx``; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in models.items():
        onnx.save(model, folder / f"{name}.onnx")
    return folder


def weights(*shape: int, seed: int = 0) -> Any:
    """Return small random weights."""
    return (np.random.default_rng(seed).standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)


def _node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> NodeProto:
    return helper.make_node(op_type, inputs.split(), outputs.split(), **attributes)


def row_wise_mlp(features: int = 4, hidden: int = 8, classes: int = 3, batch: str | int = "batch") -> ModelProto:
    """x[batch, features] → y[batch, classes]: what everybody thinks of as a model."""
    return build(
        [
            _node("MatMul", "x w1", "h"),
            _node("Relu", "h", "r"),
            _node("MatMul", "r w2", "l"),
            _node("Softmax", "l", "y", axis=-1),
        ],
        [value("x", FLOAT, [batch, features])],
        [value("y", FLOAT, [batch, classes])],
        {"w1": weights(features, hidden), "w2": weights(hidden, classes, seed=1)},
    )


def fixed_batch_one() -> ModelProto:
    """x[1, 4] → y[1, 3]: declared, and meant, for one row."""
    return row_wise_mlp(batch=1)


def lying_batch(limit: int = 1) -> ModelProto:
    """x[batch, 4] → y[batch, 4]: declared for any number of rows; fails with more than ``limit``.

    Rows are padded to ``limit``, which takes a negative padding, and so too few of them, when there are more.
    """
    return build(
        [
            _node("Shape", "x", "rows", start=0, end=1),
            _node("Sub", "limit rows", "missing"),
            _node("Concat", "zeros missing zero", "pads", axis=0),
            _node("Pad", "x pads", "padded"),
            _node("Reshape", "padded shape", "fixed"),
            _node("Relu", "fixed", "positive"),
            _node("Slice", "positive zero rows zero", "head"),
            _node("Shape", "x", "whole"),
            _node("Reshape", "head whole", "y"),
        ],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 4])],
        {
            "limit": np.array([limit]),
            "zero": np.array([0]),
            "zeros": np.array([0, 0]),
            "shape": np.array([limit, 4]),
        },
    )


def time_on_axis_zero() -> ModelProto:
    """x[batch, 4] → y[batch, 4], the running sum over dimension 0: it says batch and means time."""
    return build(
        [_node("CumSum", "x zero", "y")],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 4])],
        {"zero": np.array(0)},
    )


def mean_over_batch() -> ModelProto:
    """x[batch, 4] → y[batch, 4], each row minus the mean of all rows."""
    return build(
        [_node("ReduceMean", "x", "mean", axes=[0], keepdims=1), _node("Sub", "x mean", "y")],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 4])],
    )


def scaled_by_largest() -> ModelProto:
    """x[batch, 4] → y[batch, 4], divided by the largest of all rows if that is beyond 100: ordinary values never show it."""
    return build(
        [
            _node("ReduceMax", "x", "top", keepdims=0),
            _node("Max", "top hundred", "limit"),
            _node("Div", "x limit", "y"),
        ],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 4])],
        {"hundred": np.array(100, np.float32)},
    )


def recurrent(named: bool = True) -> ModelProto:
    """x[T, B, 3], h[1, B, 5] → y[T, 1, B, 5], last[1, B, 5]: a GRU with time on axis 0 and the batch on axis 1."""
    time_name, batch = ("T", "B") if named else (None, None)
    return build(
        [helper.make_node("GRU", ["x", "w", "r", "", "", "h"], ["y", "last"], hidden_size=5)],
        [value("x", FLOAT, [time_name, batch, 3]), value("h", FLOAT, [1, batch, 5])],
        [value("y", FLOAT, [time_name, 1, batch, 5]), value("last", FLOAT, [1, batch, 5])],
        {"w": weights(1, 15, 3), "r": weights(1, 15, 5, seed=1)},
    )


def state_on_axis_one(named: bool = False) -> ModelProto:
    """x[B, 4], state[2, B, 4] → y[B, 4], new[2, B, 4]; says nothing of its dimensions unless ``named``."""
    batch = "batch" if named else None
    return build(
        [
            _node("ReduceSum", "state zero", "memory", keepdims=0),
            _node("MatMul", "x w", "h"),
            _node("Add", "h memory", "y"),
            _node("Tanh", "state", "kept"),
            _node("Add", "kept y", "new"),
        ],
        [value("x", FLOAT, [batch, 4]), value("state", FLOAT, [2, batch, 4])],
        [value("y", FLOAT, [batch, 4]), value("new", FLOAT, [2, batch, 4])],
        {"w": weights(4, 4), "zero": np.array([0])},
    )


def shared_scalar() -> ModelProto:
    """x[batch, 4], gain[] (float), shift[4] → y[batch, 4]: two inputs that all rows share."""
    return build(
        [_node("Mul", "x gain", "scaled"), _node("Add", "scaled shift", "y")],
        [value("x", FLOAT, ["batch", 4]), value("gain", FLOAT, []), value("shift", FLOAT, [4])],
        [value("y", FLOAT, ["batch", 4])],
    )


def dynamic_quantized() -> ModelProto:
    """x[batch, 4] → y[batch, 3], quantised with a scale taken from all rows."""
    return build(
        [
            _node("DynamicQuantizeLinear", "x", "q scale zero"),
            _node("DequantizeLinear", "q scale zero", "d"),
            _node("MatMul", "d w", "y"),
        ],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 3])],
        {"w": weights(4, 3)},
    )


def dynamic_quantized_inside_if() -> ModelProto:
    """The same, hidden in the branches of an If."""
    inner = helper.make_graph(
        [_node("DynamicQuantizeLinear", "x", "q scale zero"), _node("DequantizeLinear", "q scale zero", "d")],
        "branch",
        [],
        [value("d", FLOAT, ["batch", 4])],
    )
    other = helper.make_graph([_node("Neg", "x", "n")], "other", [], [value("n", FLOAT, ["batch", 4])])
    return build(
        [helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=other)],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 4])],
        {"yes": np.array(True)},
    )


def dynamic_quantized_in_function() -> ModelProto:
    """The same, hidden in a function of the model."""
    body = [_node("DynamicQuantizeLinear", "a", "q scale zero"), _node("DequantizeLinear", "q scale zero", "b")]
    function = helper.make_function("test", "Squeezed", ["a"], ["b"], body, _OPSETS[:1])
    return build(
        [helper.make_node("Squeezed", ["x"], ["y"], domain="test")],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 4])],
        opset_imports=[*_OPSETS, helper.make_opsetid("test", 1)],
        functions=[function],
    )


def random_noise() -> ModelProto:
    """x[batch, 4] → y[batch, 4] with noise that differs from run to run."""
    return build(
        [_node("RandomNormalLike", "x", "noise"), _node("Add", "x noise", "y")],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 4])],
    )


def fails_on_poisoned_row() -> ModelProto:
    """x[batch, 4] → y[batch, 4] = 2 x; the run fails if a row has ``MARKER`` in its first column: an index out of range."""
    return build(
        [
            _node("Slice", "x zero one one", "column"),
            _node("Equal", "column marker", "bad"),
            _node("Cast", "bad", "index", to=INT64),
            _node("Gather", "table index", "factor"),
            _node("Reshape", "factor flat", "factors"),
            _node("Mul", "x factors", "y"),
        ],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", 4])],
        {
            "zero": np.array([0]),
            "one": np.array([1]),
            "marker": np.array(MARKER, np.float32),
            "table": np.array([2.0], np.float32),
            "flat": np.array([-1, 1]),
        },
    )


def slow(ms: float = 10.0, features: int = 512) -> ModelProto:
    """x[batch, features] → y[batch, features]: a chain of products that takes about ``ms`` milliseconds for one row.

    The time is that of a core which reads its weights from the cache at some 100 GB/s: expect half or double.
    """
    links = max(1, round(ms * 1e8 / (4 * features * features)))
    names = ["x", *(f"h{link}" for link in range(links - 1)), "y"]
    nodes = []
    for before, after in pairs(names):
        nodes += [_node("MatMul", f"{before} w", f"{after}_sum"), _node("Tanh", f"{after}_sum", after)]
    return build(
        nodes,
        [value("x", FLOAT, ["batch", features])],
        [value("y", FLOAT, ["batch", features])],
        {"w": weights(features, features)},
    )


def strings() -> ModelProto:
    """text[batch] → same[batch], number[batch]: what came in, and 1.0 for ``tide``, 2.0 for ``gate``, else 0.0."""
    encode = helper.make_node(
        "LabelEncoder",
        ["text"],
        ["number"],
        domain="ai.onnx.ml",
        keys_strings=["tide", "gate"],
        values_floats=[1.0, 2.0],
        default_float=0.0,
    )
    return build(
        [encode, _node("Identity", "text", "same")],
        [value("text", STRING, ["batch"])],
        [value("same", STRING, ["batch"]), value("number", FLOAT, ["batch"])],
        opset_imports=[_OPSETS[0], helper.make_opsetid("ai.onnx.ml", 3)],
    )


def bfloat16() -> ModelProto:
    """x[batch, 4] → y[batch, 4] = x², both BF16."""
    return build(
        [_node("Cast", "x", "f", to=FLOAT), _node("Mul", "f f", "g"), _node("Cast", "g", "y", to=BFLOAT16)],
        [value("x", BFLOAT16, ["batch", 4])],
        [value("y", BFLOAT16, ["batch", 4])],
    )


def wide_output(n: int) -> ModelProto:
    """x[batch, 1] → y[batch, n]: each row becomes ``n`` times as large."""
    return build(
        [_node("MatMul", "x w", "y")],
        [value("x", FLOAT, ["batch", 1])],
        [value("y", FLOAT, ["batch", n])],
        {"w": np.ones((1, n), np.float32)},
    )


def embedding(vocabulary: int = 3) -> ModelProto:
    """ids[batch, length] (below ``vocabulary``), lengths[batch], int64 → y[batch, 6]: a table, then a GRU over each length."""
    return build(
        [
            _node("Gather", "table ids", "e"),
            _node("Transpose", "e", "t", perm=[1, 0, 2]),
            _node("Cast", "lengths", "lengths32", to=TensorProto.INT32),
            helper.make_node("GRU", ["t", "w", "r", "", "lengths32"], ["", "last"], hidden_size=6),
            _node("Squeeze", "last zero", "y"),
        ],
        [value("ids", INT64, ["batch", "length"]), value("lengths", INT64, ["batch"])],
        [value("y", FLOAT, ["batch", 6])],
        {"table": weights(vocabulary, 4), "w": weights(1, 18, 4), "r": weights(1, 18, 6, seed=1), "zero": np.array([0])},
    )


def two_inputs(name: str = "b") -> ModelProto:
    """a[batch, 2], b[batch, 2] → sum[batch, 2], difference[batch, 2]; the second input may have any name."""
    return build(
        [helper.make_node("Add", ["a", name], ["sum"]), helper.make_node("Sub", ["a", name], ["difference"])],
        [value("a", FLOAT, ["batch", 2]), value(name, FLOAT, ["batch", 2])],
        [value("sum", FLOAT, ["batch", 2]), value("difference", FLOAT, ["batch", 2])],
    )


def pairwise() -> ModelProto:
    """x[batch, 4] → y[batch, batch]: every row against every other."""
    return build(
        [_node("Transpose", "x", "t"), _node("MatMul", "x t", "y")],
        [value("x", FLOAT, ["batch", 4])],
        [value("y", FLOAT, ["batch", "batch"])],
    )


def summed() -> ModelProto:
    """x[batch, 4] → y[]: one number for all rows."""
    return build([_node("ReduceSum", "x", "y", keepdims=0)], [value("x", FLOAT, ["batch", 4])], [value("y", FLOAT, [])])


def squeezed() -> ModelProto:
    """x[batch, 4] → y: loses its first dimension when there is a single row."""
    return build([_node("Squeeze", "x", "y")], [value("x", FLOAT, ["batch", 4])], [value("y", FLOAT, None)])


def constant() -> ModelProto:
    """x[batch, 4] → y[batch, 4], always zero: nothing tells rows apart."""
    return build([_node("Sub", "x x", "y")], [value("x", FLOAT, ["batch", 4])], [value("y", FLOAT, ["batch", 4])])


def unshaped() -> ModelProto:
    """Gives y = relu x, without a word about shapes."""
    return build([_node("Relu", "x", "y")], [value("x", FLOAT, None)], [value("y", FLOAT, None)])


def window(length: int = 64) -> ModelProto:
    """audio[None, None] → y[None, 2]: needs at least ``length`` samples a row, and takes their first ``length``."""
    return build(
        [
            _node("Slice", "audio zero length one", "head"),
            _node("Reshape", "head shape", "fixed"),
            _node("MatMul", "fixed w", "y"),
        ],
        [value("audio", FLOAT, [None, None])],
        [value("y", FLOAT, [None, 2])],
        {
            "zero": np.array([0]),
            "one": np.array([1]),
            "length": np.array([length]),
            "shape": np.array([-1, length]),
            "w": weights(length, 2),
        },
    )
