"""Requests and what is right for each: a file of arrays by case. It knows no messages and no sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Cases:
    """Inputs ``x`` and outputs ``y`` of single rows, without the batch axis.

    Attributes:
        codes: for each case the error that is the right answer, or nothing where ``y`` is.
        names: the names of the model's input and output.
    """

    x: Array
    y: Array
    codes: tuple[str, ...]
    names: tuple[str, str] = ("x", "y")

    @classmethod
    def load(cls, path: Path) -> Cases:
        """Read them from a file that ``save`` wrote."""
        with np.load(path) as file:
            given, got = file["names"].tolist()
            return cls(file["x"], file["y"], tuple(file["codes"].tolist()), (given, got))

    def save(self, path: Path) -> Path:
        """Write them and return the path."""
        np.savez(path, x=self.x, y=self.y, codes=np.array(self.codes), names=np.array(self.names))
        return path


def solved(run: Any, x: Array, poisoned: tuple[int, ...] = ()) -> Cases:
    """Let ``run``, an onnxruntime session, answer each row of ``x`` alone; ``poisoned`` are the rows that must fail."""
    (given,), (got,) = run.get_inputs(), run.get_outputs()
    names = (given.name, got.name)
    rows = [i for i in range(len(x)) if i not in poisoned]
    answers = np.concatenate([run.run([got.name], {given.name: x[i : i + 1]})[0] for i in rows])
    y = np.zeros((len(x), *answers.shape[1:]), answers.dtype)
    y[rows] = answers
    return Cases(x, y, tuple("model_failed" if i in poisoned else "" for i in range(len(x))), names)
