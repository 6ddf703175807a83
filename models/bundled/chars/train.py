"""Trains the character model and writes ``model.onnx`` and ``vocab.json`` beside this file; run it by hand, as said below.

It knows the text of the King James Bible and nothing of Tidegate, which only needs those files. Takes ten minutes on two
cores, and gives the same again on a machine of the same kind::

    apt-get install bible-kjv
    bible -f Gen1:1-Rev22:21 < /dev/null > kjv.txt
    pip install torch==2.13.0 onnx onnxruntime
    python models/bundled/chars/train.py kjv.txt

A transformer with a cache of keys and values: the names are those that exporters give, rows may be padded on the left.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper, save

Array = np.ndarray[Any, np.dtype[Any]]
Weights = dict[str, Array]

_HERE = Path(__file__).parent
_SEED = 0
LAYERS, WIDTH, HEADS, CONTEXT = 2, 64, 4, 256
_HEAD = WIDTH // HEADS
_HIDDEN = 4 * WIDTH
_EACH_HELD_BACK = 20  # one chapter of so many
_STEPS, _ROWS, _WARM_UP = 9000, 16, 30
_MATRIX_RATE, _OTHER_RATE = 0.02, 0.004
_MASKED = -1e9


def read_text(path: Path) -> tuple[str, str]:
    """Return what is learnt and what is held back: whole chapters, a verse a line, without their numbers."""
    parts: tuple[list[str], list[str]] = ([], [])
    chapters: dict[str, int] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        place, _, verse = line.partition(" ")
        number = chapters.setdefault(place.partition(":")[0], len(chapters))
        parts[number % _EACH_HELD_BACK == _EACH_HELD_BACK - 1].append(verse.strip() + "\n")
    return "".join(parts[0]), "".join(parts[1])


def shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight."""
    whole = {"tokens": (vocabulary, WIDTH), "places": (CONTEXT, WIDTH), "norm.w": (WIDTH,), "norm.b": (WIDTH,)}
    layer = {
        "norm1.w": (WIDTH,),
        "norm1.b": (WIDTH,),
        "qkv.w": (WIDTH, 3 * WIDTH),
        "qkv.b": (3 * WIDTH,),
        "out.w": (WIDTH, WIDTH),
        "out.b": (WIDTH,),
        "norm2.w": (WIDTH,),
        "norm2.b": (WIDTH,),
        "up.w": (WIDTH, _HIDDEN),
        "up.b": (_HIDDEN,),
        "down.w": (_HIDDEN, WIDTH),
        "down.b": (WIDTH,),
    }
    return whole | {f"{number}.{name}": shape for number in range(LAYERS) for name, shape in layer.items()}


def random_weights(vocabulary: int, seed: int = _SEED) -> Weights:
    """Return the weights that training begins with; always the same."""
    random = np.random.default_rng(seed)
    weights: Weights = {}
    for name, shape in shapes(vocabulary).items():
        if len(shape) == 1:
            weights[name] = np.full(shape, float("norm" in name and name.endswith("w")), np.float32)
        else:
            spread = 0.02 / math.sqrt(2 * LAYERS) if name.endswith(("out.w", "down.w")) else 0.02
            weights[name] = random.normal(0, spread, shape).astype(np.float32)
    return weights


def forward(torch: Any, weights: dict[str, Any], ids: Any) -> Any:
    """Return the logits of ids [B, S] as training computes them."""
    functional = torch.nn.functional
    rows, length = ids.shape
    x = weights["tokens"][ids] + weights["places"][:length]
    for number in range(LAYERS):
        of = {name.removeprefix(f"{number}."): weight for name, weight in weights.items() if name.startswith(f"{number}.")}
        normal = functional.layer_norm(x, (WIDTH,), of["norm1.w"], of["norm1.b"])
        qkv = (normal @ of["qkv.w"] + of["qkv.b"]).view(rows, length, 3, HEADS, _HEAD).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True)
        x = x + mixed.transpose(1, 2).reshape(rows, length, WIDTH) @ of["out.w"] + of["out.b"]
        normal = functional.layer_norm(x, (WIDTH,), of["norm2.w"], of["norm2.b"])
        x = x + functional.relu(normal @ of["up.w"] + of["up.b"]) @ of["down.w"] + of["down.b"]
    return functional.layer_norm(x, (WIDTH,), weights["norm.w"], weights["norm.b"]) @ weights["tokens"].T


def train(ids: Array, vocabulary: int) -> Weights:
    """Learn to say the next character of windows of the text."""
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(_SEED)
    random = np.random.default_rng(_SEED)
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in random_weights(vocabulary).items()}
    matrices = [weight for name, weight in weights.items() if name.endswith(".w") and weight.ndim == 2]
    others = [weight for weight in weights.values() if all(weight is not matrix for matrix in matrices)]
    optimisers = {
        torch.optim.Muon(matrices, lr=_MATRIX_RATE, weight_decay=0.01): _MATRIX_RATE,
        torch.optim.AdamW(others, lr=_OTHER_RATE, betas=(0.9, 0.99), weight_decay=0.0): _OTHER_RATE,
    }
    began = time.monotonic()
    for step in range(_STEPS):
        for optimiser, rate in optimisers.items():
            optimiser.param_groups[0]["lr"] = rate * min((step + 1) / _WARM_UP, 1.0) * (1 - step / _STEPS)
            optimiser.zero_grad()
        starts = random.integers(len(ids) - CONTEXT, size=_ROWS)
        windows = torch.tensor(np.stack([ids[start : start + CONTEXT + 1] for start in starts]))
        logits = forward(torch, weights, windows[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary), windows[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        if step % 100 == 0 or step == _STEPS - 1:
            print(f"step {step}: perplexity {math.exp(loss.item()):.3f}, {time.monotonic() - began:.0f} s", flush=True)
    return {name: weight.detach().numpy() for name, weight in weights.items()}


class _Graph:
    """Collects nodes and constants, and names what they give."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}

    def add(self, op_type: str, *inputs: str | Array, to: str | None = None, **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        output = to or f"{op_type.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, [self._name(each) for each in inputs], [output], **attributes))
        return output

    def _name(self, value: str | Array) -> str:
        if isinstance(value, str):
            return value
        name = f"constant{len(self.constants)}"
        self.constants[name] = value
        return name


def to_onnx(weights: Weights) -> ModelProto:
    """Write the network as a graph with a cache."""
    graph = _Graph()
    x = graph.add(
        "Add",
        graph.add("Gather", weights["tokens"], "input_ids"),
        graph.add("Gather", weights["places"], "position_ids"),
    )
    bias = _bias(graph)
    for number in range(LAYERS):
        x = _layer(graph, weights, number, x, bias)
    graph.add("MatMul", _norm(graph, weights, "norm", x), np.ascontiguousarray(weights["tokens"].T), to="logits")
    caches = [(number, kind) for number in range(LAYERS) for kind in ("key", "value")]

    def tensor(name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, kind, ["batch", *shape])

    inputs = [
        tensor("input_ids", "sequence", kind=TensorProto.INT64),
        tensor("attention_mask", "past + sequence", kind=TensorProto.INT64),
        tensor("position_ids", "sequence", kind=TensorProto.INT64),
        *[tensor(f"past_key_values.{number}.{kind}", HEADS, "past", _HEAD) for number, kind in caches],
    ]
    outputs = [
        tensor("logits", "sequence", len(weights["tokens"])),
        *[tensor(f"present.{number}.{kind}", HEADS, "past + sequence", _HEAD) for number, kind in caches],
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in graph.constants.items()]
    made = helper.make_graph(graph.nodes, "chars", inputs, outputs, constants)
    return helper.make_model(made, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], producer_name="tidegate")


def _bias(graph: _Graph) -> str:
    """Add what is added to the attention scores: nothing where a key is there and not later than the query."""
    ends = graph.add("Squeeze", graph.add("Shape", "attention_mask", start=1, end=2))
    new = graph.add("Squeeze", graph.add("Shape", "input_ids", start=1, end=2))
    zero, one = np.array(0), np.array(1)
    keys = graph.add("Range", zero, ends, one)
    queries = graph.add("Unsqueeze", graph.add("Range", graph.add("Sub", ends, new), ends, one), np.array([1]))
    present = graph.add("Greater", graph.add("Unsqueeze", "attention_mask", np.array([1, 2])), zero)
    seen = graph.add("And", graph.add("LessOrEqual", keys, queries), present)
    return graph.add("Where", seen, np.array(0, np.float32), np.array(_MASKED, np.float32))


def _layer(graph: _Graph, weights: Weights, number: int, x: str, bias: str) -> str:
    def weight(name: str) -> Array:
        return weights[f"{number}.{name}"]

    def linear(name: str, value: str) -> str:
        return graph.add("Add", graph.add("MatMul", value, weight(f"{name}.w")), weight(f"{name}.b"))

    normal = _norm(graph, weights, f"{number}.norm1", x)
    query, key, value = (_heads(graph, weight("qkv.w"), weight("qkv.b"), part, normal) for part in range(3))
    key = graph.add("Concat", f"past_key_values.{number}.key", key, to=f"present.{number}.key", axis=2)
    value = graph.add("Concat", f"past_key_values.{number}.value", value, to=f"present.{number}.value", axis=2)
    scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    mixed = graph.add("MatMul", graph.add("Softmax", graph.add("Add", scores, bias), axis=-1), value)
    flat = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), np.array([0, 0, WIDTH]))
    x = graph.add("Add", x, linear("out", flat))
    return graph.add("Add", x, linear("down", graph.add("Relu", linear("up", _norm(graph, weights, f"{number}.norm2", x)))))


def _heads(graph: _Graph, matrix: Array, offset: Array, part: int, value: str) -> str:
    """Add the queries, keys or values of all heads, [B, heads, S, head]; queries are scaled for the scores."""
    columns = slice(part * WIDTH, (part + 1) * WIDTH)
    scale = np.float32(1 / math.sqrt(_HEAD) if part == 0 else 1)
    projected = graph.add("MatMul", value, np.ascontiguousarray(matrix[:, columns] * scale))
    rows = graph.add("Reshape", graph.add("Add", projected, offset[columns] * scale), np.array([0, 0, HEADS, _HEAD]))
    return graph.add("Transpose", rows, perm=[0, 2, 1, 3])


def _norm(graph: _Graph, weights: Weights, name: str, x: str) -> str:
    return graph.add("LayerNormalization", x, weights[f"{name}.w"], weights[f"{name}.b"], axis=-1)


def perplexity(model: ModelProto, ids: Array) -> float:
    """Return the perplexity per character, measured with onnxruntime in windows of the whole context."""
    runtime: Any = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    windows = ids[: len(ids) // (CONTEXT + 1) * (CONTEXT + 1)].reshape(-1, CONTEXT + 1)
    nats = 0.0
    for rows in np.array_split(windows, max(1, len(windows) // _ROWS)):
        feed: dict[str, Array] = {name: np.zeros((len(rows), HEADS, 0, _HEAD), np.float32) for name in cache_names()}
        feed |= {"input_ids": rows[:, :-1], "attention_mask": np.ones_like(rows[:, 1:])}
        feed["position_ids"] = np.broadcast_to(np.arange(CONTEXT), rows[:, 1:].shape)
        logits = session.run(["logits"], feed)[0].astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        chosen = np.take_along_axis(logits, rows[:, 1:, None], -1)[..., 0]
        nats -= float((chosen - np.log(np.exp(logits).sum(axis=-1))).sum())
    return math.exp(nats / windows[:, 1:].size)


def cache_names() -> list[str]:
    """Return the inputs that take the cache."""
    return [f"past_key_values.{number}.{kind}" for number in range(LAYERS) for kind in ("key", "value")]


def main() -> None:
    """Train, measure on what was held back, and save."""
    learnt, held_back = read_text(Path(sys.argv[1]))
    vocab = sorted(set(learnt))
    codes = {character: code for code, character in enumerate(vocab)}
    ids, held_back_ids = (np.array([codes[character] for character in text]) for text in (learnt, held_back))
    model = to_onnx(train(ids, len(vocab)))
    measured = perplexity(model, held_back_ids)
    said = {
        "perplexity": f"{measured:.3f}",
        "perplexity_of": f"a character, in windows of {CONTEXT}; every {_EACH_HELD_BACK}th chapter was held back for it",
        "data": "King James Bible, from Debian's bible-kjv-text: "
        f"{len(ids)} characters learnt, {len(held_back_ids)} held back for the perplexity",
        "vocabulary": str(len(vocab)),
        "licence": "Apache-2.0 (the text: public domain)",
        "trained_by": "models/bundled/chars/train.py",
    }
    helper.set_model_props(model, said)
    checker.check_model(model, full_check=True)
    save(model, _HERE / "model.onnx")
    (_HERE / "vocab.json").write_text(json.dumps(vocab) + "\n", encoding="ascii")
    print(f"model.onnx: {(_HERE / 'model.onnx').stat().st_size} bytes, perplexity {measured:.3f} on what was held back")


if __name__ == "__main__":
    main()
