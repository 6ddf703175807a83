"""What ``model.toml`` may say about a model, checked by type; it knows no model, and reads nothing but that one file."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from tidegate.errors import ModelUnavailable

from .streams.declared import (
    DeclaredCarry,
    DeclaredChunk,
    DeclaredConstant,
    DeclaredLoop,
    DeclaredState,
    DeclaredStream,
    Value,
)

if TYPE_CHECKING:
    from pathlib import Path

Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class InputProbe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to make up values of one input for the proof of batchability.

    Attributes:
        shape: the input's shape, -1 where dynamic; for a graph that declares none.
        low: least value (inclusive).
        high: greatest value (inclusive).
        values: the only values that make sense, instead of a range; an input that a batch shares takes the first.
    """

    shape: tuple[Annotated[int, Meta(ge=-1)], ...] | None = None
    low: float | None = None
    high: float | None = None
    values: Annotated[tuple[Value, ...], Meta(min_length=1)] | None = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("`low` is greater than `high`")
        if self.values is not None and (self.low is not None or self.high is not None):
            raise ValueError("`values` excludes `low` and `high`")


class PackageSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model file that lies inside an installed Python package.

    Attributes:
        package: top-level name that Python imports; it is looked up, never imported.
        resource: path of the file inside the package, with ``/``.
        sha256: what the file must hash to.
        extra: Tidegate's extra that installs the package. With one, a missing package is not an error: the model is optional.
    """

    package: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    resource: Annotated[str, Meta(min_length=1)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    extra: Annotated[str, Meta(pattern=r"^[a-z0-9-]+$")] | None = None


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that may be said about a model; nothing has to be.

    Attributes:
        batching: ``auto`` batches when the proof at load allows it; ``off`` never does.
        max_batch: most rows in one run.
        max_delay_ms: how long a request may wait for company; 0 takes what is queued and goes.
        objective_p99_ms: time within which 99 of 100 answers should come; batches and what is admitted are kept small for it.
        weight: share of compute time relative to other models.
        pure: whether running a request twice is harmless, so that clients may send it again after a lost connection.
        intra_op_threads: threads that one run uses.
        executor: where it runs: ``thread``, in the gateway's own process, or ``process``, in worker processes.
        probe_ms: time for the proof of batchability, after the model's first run.
        axes: input name → batch axis, where declared shapes mislead; an input that is not named is tried as usual.
        dims: symbolic dimension, or ``input.axis`` → size to probe with.
        source: where the model file is, if not in this folder.
        inputs: how to make up values for the proof, by input name.
        state: outputs of a stream's step that are inputs of the next.
        carry: inputs of a stream of which the end is put before the next.
        constant: inputs that are given once, when a stream is opened.
        chunk: how long what a step brings may be.
        stream: what holds for all streams.
        loop: how a step feeds itself.
    """

    batching: Literal["auto", "off"] = "auto"
    max_batch: Annotated[int, Meta(ge=1, le=4096)] = 128
    max_delay_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    objective_p99_ms: Annotated[float, Meta(gt=0, le=3_600_000)] | None = None
    weight: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    pure: bool = True
    intra_op_threads: Annotated[int, Meta(ge=1, le=256)] = 1
    executor: Literal["thread", "process"] = "thread"
    probe_ms: Annotated[float, Meta(ge=0, le=600_000)] = 1000.0
    axes: dict[str, Annotated[int, Meta(ge=0, le=7)]] = {}
    dims: dict[str, Size] = {}
    source: PackageSource | None = None
    inputs: dict[str, InputProbe] = {}
    state: tuple[DeclaredState, ...] = ()
    carry: tuple[DeclaredCarry, ...] = ()
    constant: tuple[DeclaredConstant, ...] = ()
    chunk: DeclaredChunk | None = None
    stream: DeclaredStream = DeclaredStream()
    loop: DeclaredLoop | None = None


def parse(text: str) -> ModelConfig:
    """Read the text of a ``model.toml``.

    Raises:
        ModelUnavailable: it is not TOML, or says something that is not understood; one line.
    """
    try:
        return msgspec.convert(tomllib.loads(text), ModelConfig)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise ModelUnavailable(f"model.toml: {str(error) or 'nested too deeply'}") from None


def read(path: Path) -> ModelConfig:
    """Read a ``model.toml``.

    Raises:
        ModelUnavailable: it cannot be read or understood; one line.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnavailable(f"model.toml: {error}") from None
