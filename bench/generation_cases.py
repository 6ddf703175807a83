"""Prompts for the bundled character model, what a lone loop answers to each, and that loop, for one row and for many.

The loop is what one would write by hand: rows that begin together, with prompts of one length, stay together, and their
caches go from one run to the next as they come. It knows no servers and no messages.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .raw import session
from .servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cases import Array
    from .workspace import Workspace

MODEL, INPUT = "chars", "prompt"
HOME = ROOT / "models" / "bundled" / MODEL
PROMPTS, PROMPT, STEPS = 32, 16, 200
"""How many prompts there are, how long each is, and how many tokens are made from it."""
TEMPERATURE = 0.8
SEED = 20_265
PAST, PRESENT = "past_key_values.", "present."


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts [N, L], and the tokens [N, T] that a lone loop makes of each if it always takes the most likely one."""

    prompts: Array
    tokens: Array

    @classmethod
    def load(cls, path: Path) -> Prompts:
        """Read them from a file that ``save`` wrote."""
        with np.load(path) as file:
            return cls(file["prompts"], file["tokens"])

    def save(self, path: Path) -> Path:
        """Write them and return the path."""
        np.savez(path, prompts=self.prompts, tokens=self.tokens)
        return path


def most_likely(logits: Array) -> Array:
    """Choose the most likely tokens."""
    tokens: Array = logits.argmax(axis=1)
    return tokens


class Drawn:
    """Chooses tokens at random."""

    def __init__(self, temperature: float, seed: int) -> None:
        self._temperature = temperature
        self._random = np.random.default_rng(seed)

    def __call__(self, logits: Array) -> Array:
        """Draw a token for each row by its probability."""
        weights = np.exp((logits - logits.max(axis=1, keepdims=True)) / self._temperature)
        sums = weights.cumsum(axis=1)
        tokens: Array = (sums < self._random.random((len(logits), 1)) * sums[:, -1:]).sum(axis=1)
        return tokens


class Loop:
    """Generates with onnxruntime alone."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._caches = {i.name: (i.shape[1], i.shape[3]) for i in run.get_inputs() if i.name.startswith(PAST)}
        self._outputs = ["logits", *[name.replace(PAST, PRESENT) for name in self._caches]]

    @classmethod
    def of(cls, home: Path) -> Loop:
        """Load the model that lies in a folder."""
        return cls(session(home / "model.onnx"))

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self._run.get_outputs()[0].shape[-1])

    def generate(self, prompts: Array, steps: int, choose: Callable[[Array], Array]) -> Array:
        """Return ``steps`` tokens [B, steps] for prompts [B, L]."""
        rows, new = len(prompts), prompts
        past = [np.zeros((rows, heads, 0, width), np.float32) for heads, width in self._caches.values()]
        made, end = np.empty((rows, steps), np.int64), prompts.shape[1]
        for step in range(steps):
            positions = np.broadcast_to(np.arange(end - new.shape[1], end), new.shape)
            feed = {"input_ids": new, "attention_mask": np.ones((rows, end), np.int64), "position_ids": positions}
            logits, *past = self._run.run(self._outputs, feed | dict(zip(self._caches, past, strict=True)))
            made[:, step] = choose(logits[:, -1])
            new, end = made[:, step : step + 1], end + 1
        return made


def chars(space: Workspace, home: Path = HOME) -> Path:
    """Copy a model from its folder into one that can be served, and return that; write the prompts and their answers.

    The copy has no stop token: all generations are equally long, as in a loop by hand.
    """
    folder = space.models.parent / f"only-{MODEL}"
    config = Path(shutil.copytree(home, folder / MODEL)) / "model.toml"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if not line.startswith("stop = ")))
    prompts(Loop.of(home)).save(prompts_file(space))
    return folder


def prompts_file(space: Workspace) -> Path:
    """Return where the prompts lie."""
    return space.cases / f"{MODEL}.npz"


def prompts(loop: Loop) -> Prompts:
    """Return random prompts, each answered alone."""
    given = np.random.default_rng(SEED).integers(loop.vocabulary, size=(PROMPTS, PROMPT))
    return Prompts(given, np.concatenate([loop.generate(row[None], STEPS, most_likely) for row in given]))
