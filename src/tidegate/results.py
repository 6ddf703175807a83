"""What an inference gives back, the same in-process and over a socket; it knows nothing of either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Timing:
    """What a request cost.

    Attributes:
        queue_us: microseconds from arrival until its batch began to run.
        compute_us: microseconds that the batch ran; for a request that was split, the sum over its parts.
        batch_size: rows in the batch that it shared; for a split request, the largest.
    """

    queue_us: int
    compute_us: int
    batch_size: int


class Result(Mapping[str, Array]):
    """The outputs of one inference: a read-only mapping from output name to numpy array.

    Attributes:
        model: name of the model that answered.
        version: its version.
        timing: what it cost.
    """

    __slots__ = ("_outputs", "model", "timing", "version")

    def __init__(self, outputs: dict[str, Array], *, model: str, version: str, timing: Timing) -> None:
        self._outputs = outputs
        self.model = model
        self.version = version
        self.timing = timing

    def __getitem__(self, name: str) -> Array:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in self._outputs.items())
        return f"<Result of {self.model} {{{shapes}}} in {self.timing.compute_us} us, batch of {self.timing.batch_size}>"
