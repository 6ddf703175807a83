"""What a gateway and its worker processes say to each other: msgpack, typed on both sides; it sends nothing.

Tensors are not in the messages: a message says how they lie in the shared memory, whose descriptor comes with the message
whenever it is a new one. Nothing is pickled, so nothing that a worker says is ever executed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from ..config import ModelConfig  # noqa: TC001 - msgspec looks it up
from ..model import Model
from ..repository import ModelSource
from ..signature import Batching, TensorSpec, Verdict

if TYPE_CHECKING:
    from ..backend import Backend

_Count = Annotated[int, Meta(ge=0)]
_Spec = tuple[str, str, tuple[int, ...], int | None]


class Tensor(msgspec.Struct, frozen=True, array_like=True):
    """How one tensor lies in the shared memory, after the one before it."""

    datatype: str
    shape: tuple[_Count, ...]
    nbytes: _Count


class Source(msgspec.Struct, frozen=True, array_like=True):
    """A ``ModelSource``; paths are bytes, since not every file name is UTF-8."""

    name: str
    version: str
    path: bytes
    root: bytes
    own: bool
    config: ModelConfig

    @classmethod
    def of(cls, source: ModelSource) -> Source:
        """Describe a source."""
        path, root = os.fsencode(source.path), os.fsencode(source.root)
        return cls(source.name, source.version, path, root, source.own, source.config)

    def restored(self) -> ModelSource:
        """Return what was described."""
        path, root = Path(os.fsdecode(self.path)), Path(os.fsdecode(self.root))
        return ModelSource(self.name, self.version, path, self.config, root, self.own)


class Description(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What loading a model found out."""

    inputs: tuple[_Spec, ...]
    outputs: tuple[_Spec, ...]
    batching: tuple[Verdict, str, tuple[int, ...], dict[int, float], str | None]
    metadata: dict[str, str]
    sha256: str

    @classmethod
    def of(cls, model: Model) -> Description:
        """Describe a loaded model."""
        inputs, outputs = [
            tuple((spec.name, spec.datatype, spec.shape, spec.batch_axis) for spec in specs)
            for specs in (model.inputs, model.outputs)
        ]
        found = model.batching
        batching = (found.verdict, found.reason, found.sizes, dict(found.cost_s), found.unpadded)
        return cls(inputs, outputs, batching, dict(model.metadata), model.sha256)

    def restored(self, source: ModelSource, backend: Backend) -> Model:
        """Return the model that was described, to be run by ``backend``."""
        return Model(
            name=source.name,
            version=source.version,
            inputs=tuple(TensorSpec(*spec) for spec in self.inputs),
            outputs=tuple(TensorSpec(*spec) for spec in self.outputs),
            batching=Batching(*self.batching),
            backend=backend,
            config=source.config,
            metadata=self.metadata,
            sha256=self.sha256,
        )


class Load(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Load a model and prove what may be batched; answered with a ``Description`` or ``Failed``."""

    source: Source


class Open(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Serve a model under a number; answered with ``Opened`` or ``Failed``.

    Attributes:
        model: its number from now on.
        source: where it is.
        sha256: what its file hashed to when it was loaded: the proof covers no other.
        layout: the batch axis of each input.
        sizes: the numbers of rows to warm it up with.
        later: whether to open it only when it is asked for, since opening it may have killed the last worker.
    """

    model: int
    source: Source
    sha256: str
    layout: tuple[int | None, ...]
    sizes: tuple[int, ...]
    later: bool


class Run(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Run a model; answered with ``Ran`` or ``Failed``.

    Attributes:
        number: of the run, by which it can be stopped.
        model: the number under which it was opened.
        inputs: how they lie in the memory that the gateway writes.
    """

    number: int
    model: int
    inputs: tuple[Tensor, ...]


class Forget(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Let go of all shared memory; answered with ``Opened``."""


class Opened(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """It is done."""


class Ran(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How the outputs of a run lie in the memory that the worker writes."""

    number: int
    outputs: tuple[Tensor, ...]


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What was asked for failed, and the worker goes on; ``code`` is that of a ``TidegateError``."""

    code: str
    message: str


Request = Load | Open | Run | Forget
Reply = Description | Opened | Ran | Failed

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
