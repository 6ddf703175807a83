"""What goes into a model and comes out, and whether its rows may be batched; plain data, which knows no runtime."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Verdict = Literal["exact", "close", "none"]

DYNAMIC = -1
"""A dimension that the request chooses."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: as the model's graph calls it; any text.
        datatype: as on the wire, such as ``FP32``.
        shape: one entry per dimension, ``-1`` where the request (or the data) chooses.
        batch_axis: the axis along which rows of different requests are joined. None for an input that a whole batch
            shares (only requests with equal values may share a batch), and for every tensor of a model that is not batched.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    batch_axis: int | None = None

    def describe(self) -> dict[str, Any]:
        """Return the tensor as JSON-able data."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape), "batch_axis": self.batch_axis}


@dataclass(frozen=True, slots=True)
class Batching:
    """What the proof of batchability found.

    Attributes:
        verdict: ``exact`` (in every size of ``sizes`` each row is bit for bit what it is alone), ``close`` (within 1e-5,
            relative or absolute) or ``none`` (runs one request at a time).
        reason: why, in plain words.
        sizes: the numbers of rows that were proved and may be run, ascending; always begins with 1.
        cost_s: the fastest of a few runs of each size in ``sizes``, in seconds. Empty when no probe input could be run.
        unpadded: of a model that feeds itself, why rows whose caches have different lengths share no batch; None if they do.
    """

    verdict: Verdict
    reason: str
    sizes: tuple[int, ...] = (1,)
    cost_s: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    unpadded: str | None = "it was not tried"

    @property
    def max_batch(self) -> int:
        """The largest number of rows that may be run at once."""
        return self.sizes[-1]

    def describe(self) -> dict[str, Any]:
        """Return the verdict as JSON-able data."""
        return {"verdict": self.verdict, "reason": self.reason, "max_batch": self.max_batch, "sizes": list(self.sizes)}
