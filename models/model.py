"""A loaded model: its signature, its verdict and the backend that runs it; it schedules nothing and knows no queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .streams.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .backend import Backend
    from .config import ModelConfig
    from .signature import Batching, TensorSpec
    from .streams.spec import StreamSpec


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a model, ready to run.

    Attributes:
        name: what requests call it.
        version: which version of that name this is.
        inputs: in the order in which ``backend.run`` takes them.
        outputs: in the order in which ``backend.run`` returns them.
        batching: what the proof of batchability found.
        backend: runs it; safe to call from several threads at once.
        config: what ``model.toml`` said, or the defaults.
        metadata: what the model file says about itself.
        sha256: of the model file, in hexadecimal; data files beside it are not included.
        stream: how it is streamed, settled as it is made; raises ModelUnavailable if ``config`` does not fit the tensors.
    """

    name: str
    version: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batching: Batching
    backend: Backend
    config: ModelConfig
    metadata: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    stream: StreamSpec = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stream", resolve(self))

    def describe(self) -> dict[str, Any]:
        """Return what a client may know about the model, as JSON-able data."""
        return {
            "name": self.name,
            "version": self.version,
            "state": "ready",
            "inputs": [spec.describe() for spec in self.inputs],
            "outputs": [spec.describe() for spec in self.outputs],
            "batching": self.batching.describe(),
            "metadata": dict(self.metadata),
            "pure": self.config.pure,
            "sha256": self.sha256,
            "stream": self.stream.describe(),
        }
