"""What an inference gives back, the same in-process and over a socket; it knows nothing of either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

Array = np.ndarray[Any, np.dtype[Any]]


class Timing(Struct, frozen=True, gc=False):
    """What a request cost.

    Attributes:
        queue_us: microseconds from arrival until its batch began to run.
        compute_us: microseconds that the batch ran; for a request that was split, the sum over its parts.
        batch_size: rows in the batch that it shared; for a split request, the largest.
    """

    queue_us: int
    compute_us: int
    batch_size: int


class SharedOutputs(dict[str, Array]):
    """Outputs that are told again and again, as tokens are: what is written of them is remembered. Not to be changed.

    Attributes:
        written: by the text that goes with them and the bytes of a stream's name, what stands before and behind what differs.
    """

    __slots__ = ("written",)

    def __init__(self, outputs: Mapping[str, Array]) -> None:
        super().__init__(outputs)
        self.written: dict[tuple[str | None, int], tuple[bytes, Sequence[Any]]] = {}


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


class StreamResult(Result):
    """One result of a step of a stream: the mapping that ``Result`` is, and its place in the stream.

    Attributes:
        seq: its number among the stream's results, which count from 1. A number that is skipped belongs to a result that was
            dropped (``overflow``) or to a step that failed.
        step: number of the step that made it.
        final: whether it is the last one of its step.
        text: of a generation, its outputs as text, if the model has a vocabulary.
        reason: of the last result of a generation, why it ended: ``stop`` (a stop token), ``length`` or ``cancelled``.
    """

    __slots__ = ("final", "reason", "seq", "step", "text")

    def __init__(
        self,
        outputs: dict[str, Array],
        *,
        model: str,
        version: str,
        timing: Timing,
        seq: int,
        step: int,
        final: bool,
        text: str | None = None,
        reason: str | None = None,
    ) -> None:
        self._outputs = outputs  # as the base class does it: to call it takes as long as all of this
        self.model = model
        self.version = version
        self.timing = timing
        self.seq = seq
        self.step = step
        self.final = final
        self.text = text
        self.reason = reason

    def __repr__(self) -> str:
        return f"<StreamResult {self.seq}, step {self.step}{super().__repr__().removeprefix('<Result')}"
