"""Small models that feed themselves, with random weights: a transformer with a cache, and a recurrent one without.

And a hand that drives generations through batches as the scheduler does, without threads: ``Table``.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from loading import loaded
from msgspec.structs import replace
from onnx import ModelProto, TensorProto, helper
from onnx_models import build, value, weights

from tidegate.models.batch import Batch
from tidegate.models.client import Client
from tidegate.models.request import Request
from tidegate.models.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.models.model import Model
    from tidegate.models.streams.agenda import Made, State

VOCABULARY = 17
HIDDEN = 8
CONTEXT = 64

CACHED_LOOP = f"""
[loop]
output = "logits"
input = "input_ids"
mask = "attention_mask"
positions = "position_ids"
context = {CONTEXT}
max_steps = 40
stop = [3]
""" + "".join(
    f'[[state]]\noutput = "present.{n}.{kind}"\ninput = "past_key_values.{n}.{kind}"\ngrows = 2\n'
    for n in range(2)
    for kind in ("key", "value")
)

RECURRENT_LOOP = """
[loop]
output = "logits"
input = "token"
max_steps = 40
[[state]]
output = "h_next"
input = "h"
[[constant]]
input = "bias"
[[constant]]
input = "scale"
default = 1.0
"""


@cache
def chars_script() -> Any:
    """Return the script that made the bundled character model, as a module."""
    path = Path(__file__).parents[2] / "models" / "bundled" / "chars" / "train.py"
    spec = importlib.util.spec_from_file_location("train_chars", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def transformer(seed: int = 0, *, masked: bool = True) -> ModelProto:
    """input_ids[B, S], attention_mask, position_ids, caches → logits[B, S, 17], caches; as bundled, with random weights.

    Unless it is ``masked``, it looks at what the mask excludes all the same.
    """
    script = chars_script()
    made = script.random_weights(VOCABULARY, seed)
    model: ModelProto = script.to_onnx({name: array * (6 if array.ndim == 2 else 1) for name, array in made.items()})
    if not masked:
        (greater,) = [node for node in model.graph.node if node.op_type == "Greater"]
        greater.op_type = "GreaterOrEqual"
    return model


def recurrent() -> ModelProto:
    """token[B, 1], h[B, 8], bias[B, 17], scale → logits[B, 17], h_next[B, 8]."""
    node = helper.make_node
    return build(
        [
            node("Gather", ["embedding", "token"], ["wide"]),
            node("Squeeze", ["wide", "one"], ["x"]),
            node("MatMul", ["h", "wh"], ["kept"]),
            node("Add", ["x", "kept"], ["sum"]),
            node("Tanh", ["sum"], ["h_next"]),
            node("MatMul", ["h_next", "wo"], ["plain"]),
            node("Mul", ["plain", "scale"], ["scaled"]),
            node("Add", ["scaled", "bias"], ["logits"]),
        ],
        [
            value("token", TensorProto.INT64, ["batch", 1]),
            value("h", TensorProto.FLOAT, ["batch", HIDDEN]),
            value("bias", TensorProto.FLOAT, ["batch", VOCABULARY]),
            value("scale", TensorProto.FLOAT, []),
        ],
        [
            value("logits", TensorProto.FLOAT, ["batch", VOCABULARY]),
            value("h_next", TensorProto.FLOAT, ["batch", HIDDEN]),
        ],
        {
            "embedding": 3 * weights(VOCABULARY, HIDDEN),
            "wh": weights(HIDDEN, HIDDEN, seed=1),
            "wo": 3 * weights(HIDDEN, VOCABULARY, seed=2),
            "one": np.array([1]),
        },
    )


def load_transformer(folder: Path, toml: str = CACHED_LOOP) -> Model:
    """Load the transformer with its cache declared."""
    return loaded(folder, transformer(), toml)


class Player:
    """One stream that generates.

    Attributes:
        state: what the last run left.
        told: the results so far.
    """

    def __init__(self, table: Table, state: State | None, constants: dict[str, Any]) -> None:
        self._table = table
        self.fixed, first = table.model.stream.begin(constants)
        self.state: State = first if state is None else state
        self.told: list[Made] = []
        self.agenda: Any = None

    def step(self, prompt: Sequence[int], *outputs: str, **parameters: Any) -> Player:
        """Begin a step."""
        self.agenda = self._table.model.stream.agenda(
            self._table.worker, self.fixed, {"prompt": np.array(prompt, np.int64)}, outputs or None, parameters, 0
        )
        return self

    @property
    def tokens(self) -> list[int]:
        """The tokens that were told so far."""
        return [int(made.outputs["token"][0]) for made in self.told if made.outputs]

    def request(self) -> Request:
        """Return the request of the next run."""
        arrays, kind = self.agenda.arrays(self.state)
        return Request(kind, self, arrays, self._table, self._table.client, 0.0)

    def take(self, made: Made) -> None:
        """Take what came of a run."""
        self.state = made.state
        if made.outputs is not None:
            self.told.append(replace(made, state={}))  # a state that is kept keeps its whole batch
        if made.final:
            self.agenda = None


class Table:
    """Players around one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.worker = Worker(model)
        self.client = Client()
        self.sizes: list[int] = []

    def player(self, state: State | None = None, **constants: Any) -> Player:
        """Return a new stream; constants that are not given are 0."""
        needed = [each["name"] for each in self.model.stream.describe()["constants"] if each["default"] is None]
        return Player(self, state, {**{name: np.zeros(VOCABULARY, np.float32) for name in needed}, **constants})

    def run(self, *players: Player) -> None:
        """Let players make one run each, those whose kinds have one key together."""
        requests = [player.request() for player in players]
        for key in dict.fromkeys(request.kind.key for request in requests):
            self._batch([request for request in requests if request.kind.key == key])

    def play(self, *players: Player) -> None:
        """Let players run side by side until all are done."""
        while going := [player for player in players if player.agenda is not None]:
            self.run(*going)

    def _batch(self, requests: list[Request]) -> None:
        batch = Batch(self.worker, [(request, 0, 1) for request in requests])
        batch.execute()
        assert batch.run is not None, batch.error
        self.sizes.append(len(requests))
        for at, request in enumerate(requests):
            request.tag.take(request.tag.agenda.ran(request.tag.state, batch.run, at, at + 1))

    def finished(self, run: Any, answers: Any) -> None:
        """Nobody calls this: batches are made by hand."""

    def failed(self, request: Any, error: Any) -> None:
        """Nobody calls this either."""
