"""Small ONNX models that have a state: one of fixed size, and a cache that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper
from onnx_models import FLOAT, INT64, build, value, weights

if TYPE_CHECKING:
    from onnx import ModelProto

VOCABULARY, WIDTH = 11, 4


def remembering(kept: str = "h", told: str = "hN") -> ModelProto:
    """x[batch, 4], kept[2, batch, 4] → y[batch, 4], told[2, batch, 4]: a little recurrent net, its state's rows on axis 1."""
    return build(
        [
            helper.make_node("MatMul", ["x", "w"], ["seen"]),
            helper.make_node("MatMul", [kept, "r"], ["remembered"]),
            helper.make_node("Add", ["seen", "remembered"], ["sum"]),
            helper.make_node("Tanh", ["sum"], [told]),
            helper.make_node("ReduceSum", [told, "first"], ["y"], keepdims=0),
        ],
        [value("x", FLOAT, ["batch", 4]), value(kept, FLOAT, [2, "batch", 4])],
        [value("y", FLOAT, ["batch", 4]), value(told, FLOAT, [2, "batch", 4])],
        {"w": weights(4, 4), "r": weights(4, 4, seed=1), "first": np.array([0])},
    )


def cached() -> ModelProto:
    """input_ids, attention_mask, past_key_values.0.key → logits, present.0.key: attention over what came before.

    ``input_ids`` is [batch, sequence], the mask [batch, past + sequence], the cache [batch, 1, past, 4], logits
    [batch, sequence, 11]. Each token looks at all others, those behind it too: steps of one token make it causal.
    """
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["e"]),
        helper.make_node("Unsqueeze", ["e", "heads"], ["q"]),
        helper.make_node("Concat", ["past_key_values.0.key", "q"], ["present.0.key"], axis=2),
        helper.make_node("Transpose", ["present.0.key"], ["turned"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "turned"], ["scores"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=FLOAT),
        helper.make_node("Sub", ["mask", "one"], ["absent"]),
        helper.make_node("Mul", ["absent", "far"], ["penalty"]),
        helper.make_node("Unsqueeze", ["penalty", "around"], ["bias"]),
        helper.make_node("Add", ["scores", "bias"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "present.0.key"], ["mixed"]),
        helper.make_node("Squeeze", ["mixed", "heads"], ["flat"]),
        helper.make_node("MatMul", ["flat", "out"], ["logits"]),
    ]
    cache = ["batch", 1, "past", WIDTH]
    inputs = [
        value("input_ids", INT64, ["batch", "sequence"]),
        value("attention_mask", INT64, ["batch", "past + sequence"]),
        value("past_key_values.0.key", FLOAT, cache),
    ]
    outputs = [
        value("logits", FLOAT, ["batch", "sequence", VOCABULARY]),
        value("present.0.key", FLOAT, ["batch", 1, "past + sequence", WIDTH]),
    ]
    constants = {
        "table": weights(VOCABULARY, WIDTH),
        "out": weights(WIDTH, VOCABULARY, seed=1),
        "heads": np.array([1]),
        "around": np.array([1, 2]),
        "one": np.array(1.0, np.float32),
        "far": np.array(1e9, np.float32),
    }
    return build(nodes, inputs, outputs, constants)
