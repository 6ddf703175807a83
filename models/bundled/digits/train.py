"""Trains the digits model and writes ``model.onnx`` beside this file; run it by hand, with scikit-learn and onnx installed.

Takes seconds. It knows scikit-learn's images of handwritten digits and nothing of Tidegate, which only needs that file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper, save
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

_FILE = Path(__file__).with_name("model.onnx")
_SEED = 0
_HELD_BACK = 0.25
_BRIGHTEST = 16.0
_HIDDEN = 64


def split() -> list[Any]:
    """Return the images to learn from, those held back, and the labels of both; always the same."""
    digits: Any = load_digits()
    images = digits.images.astype(np.float32)
    return list(train_test_split(images, digits.target, test_size=_HELD_BACK, random_state=_SEED, stratify=digits.target))


def train(images: Any, labels: Any) -> MLPClassifier:
    """Fit the network: 64 pixels, 64 hidden units, 10 digits."""
    network = MLPClassifier((_HIDDEN,), alpha=0.01, learning_rate_init=0.005, max_iter=400, random_state=_SEED)
    return network.fit(images.reshape(len(images), -1) / _BRIGHTEST, labels)


def to_onnx(network: MLPClassifier) -> ModelProto:
    """Write the network as a graph that takes images as they are, 8 by 8, with values from 0 to 16."""
    constants: dict[str, Any] = {
        "flat": np.array([-1, 64], np.int64),
        "scale": np.array(1 / _BRIGHTEST, np.float32),
        "w1": network.coefs_[0].astype(np.float32),
        "b1": network.intercepts_[0].astype(np.float32),
        "w2": network.coefs_[1].astype(np.float32),
        "b2": network.intercepts_[1].astype(np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["image", "flat"], ["pixels"]),
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"]),
        helper.make_node("Gemm", ["scaled", "w1", "b1"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probs"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 8, 8])],
        [helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], producer_name="tidegate")


def accuracy(model: ModelProto, images: Any, labels: Any) -> float:
    """Return the share of images that the model recognises."""
    (probs,) = ReferenceEvaluator(model).run(None, {"image": images})
    return float(np.mean(np.argmax(probs, axis=1) == labels))


def main() -> None:
    """Train, measure on what was held back, and save."""
    images, held_back, labels, held_back_labels = split()
    model = to_onnx(train(images, labels))
    share = accuracy(model, held_back, held_back_labels)
    said = {
        "accuracy": f"{share:.4f}",
        "data": f"scikit-learn load_digits: {len(labels)} images learnt, {len(held_back_labels)} held back for the accuracy",
        "licence": "Apache-2.0 (the data: CC BY 4.0, E. Alpaydin and C. Kaynak, UCI)",
        "trained_by": "models/bundled/digits/train.py",
    }
    helper.set_model_props(model, said)
    checker.check_model(model, full_check=True)
    save(model, _FILE)
    print(f"{_FILE.name}: {_FILE.stat().st_size} bytes, recognises {share:.2%} of what was held back")


if __name__ == "__main__":
    main()
