"""Turns a model source into a running model: checks its files, opens it, proves what may be batched. It schedules nothing.

Synchronous: call it in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidegate.errors import ModelUnavailable

from .model import Model
from .onnx_backend import OnnxBackend
from .probe import Proof, prove
from .probe_shapes import dynamic_axes
from .probe_subject import Subject
from .safety import check_external_data, check_model_file, read_model_file
from .signature import DYNAMIC, TensorSpec
from .streams.padding import prove_padding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tidegate.results import Array

    from .config import ModelConfig
    from .graph import GraphFacts
    from .probe_shapes import Symbols
    from .repository import ModelSource

_FIRST_RUN_LIMIT_S = 20.0
_PROOF_FACTOR = 5  # far beyond what the proof allows itself


def load(source: ModelSource) -> Model:
    """Load a model, warmed up for every batch size that it may be given. Takes up to seconds.

    Raises:
        ModelUnavailable: it cannot be served; one line says why.
    """
    try:
        return _load(source)
    except ModelUnavailable as error:
        raise ModelUnavailable(_one_line(error.message)) from None
    except Exception as error:
        raise ModelUnavailable(_one_line(f"loading failed unexpectedly: {type(error).__name__}: {error}")) from error


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model file that was checked and opened, and of which nothing is proved.

    Attributes:
        backend: runs it.
        inputs: as declared, in the file or in ``model.toml``.
        symbols: what the file calls their dimensions.
        op_types: the operators in the file.
        sha256: of the file.
    """

    backend: OnnxBackend
    inputs: tuple[TensorSpec, ...]
    symbols: Symbols
    op_types: frozenset[str]
    sha256: str

    def subject(self, run: Callable[[Sequence[Array]], list[Array]]) -> Subject:
        """Return what can be tried out with ``run``."""
        names = tuple(spec.name for spec in self.backend.outputs)
        return Subject(run, self.inputs, self.symbols, names, self.op_types)


def open_model(source: ModelSource) -> OpenedModel:
    """Check the files of a model and open it.

    Raises:
        ModelUnavailable: it cannot be served; says why.
    """
    path, facts, sha256 = _checked_file(source)
    backend = OnnxBackend(path, intra_op_threads=source.config.intra_op_threads)
    inputs, symbols = _declared_inputs(backend, facts, source.config)
    _check_names(inputs, symbols, source.config)
    return OpenedModel(backend, inputs, symbols, facts.op_types, sha256)


def proof_limit_s(config: ModelConfig) -> float:
    """Return the seconds after which the runs of a proof are stopped."""
    return _FIRST_RUN_LIMIT_S + _PROOF_FACTOR * config.probe_ms / 1000


def _load(source: ModelSource) -> Model:
    opened = open_model(source)
    backend, inputs = opened.backend, opened.inputs
    with backend.stoppable(proof_limit_s(source.config)) as run:
        proof = prove(opened.subject(run), source.config)
    known = all(axis == batch for spec, batch in zip(inputs, proof.layout, strict=True) for axis in dynamic_axes(spec))
    model = Model(
        name=source.name,
        version=source.version,
        inputs=tuple(replace(spec, batch_axis=axis) for spec, axis in zip(inputs, proof.layout, strict=True)),
        outputs=_proved_outputs(backend.outputs, proof, known=known),
        batching=proof.batching,
        backend=backend,
        config=source.config,
        metadata=backend.metadata,
        sha256=opened.sha256,
    )
    if model.stream.loop is None:
        return model
    return replace(model, batching=replace(model.batching, unpadded=prove_padding(model)))


def _checked_file(source: ModelSource) -> tuple[Path, GraphFacts, str]:
    path = check_model_file(source.path, source.root, own=source.own)
    facts, sha256 = read_model_file(path)
    expected = source.config.source.sha256 if source.config.source else sha256
    if sha256 != expected:
        raise ModelUnavailable(f"{path.name} has sha256 {sha256}, and model.toml expects {expected}")
    check_external_data(facts, path, own=source.own)
    return path, facts, sha256


def _declared_inputs(backend: OnnxBackend, facts: GraphFacts, config: ModelConfig) -> tuple[tuple[TensorSpec, ...], Symbols]:
    """Return the inputs with the shapes that ``model.toml`` gives to those that declare none."""
    specs: list[TensorSpec] = []
    symbols: list[tuple[str | None, ...]] = []
    for spec, names in zip(backend.inputs, backend.symbols, strict=True):
        shape = config.inputs[spec.name].shape if spec.name in config.inputs else None
        if spec.name in facts.unshaped_inputs and shape is None:
            raise ModelUnavailable(
                f"input {spec.name!r} declares no shape: give it under [inputs] in model.toml, -1 where dynamic"
            )
        specs.append(spec if shape is None else replace(spec, shape=shape))
        symbols.append(names if shape is None or len(shape) == len(names) else (None,) * len(shape))
    return tuple(specs), tuple(symbols)


def _check_names(inputs: tuple[TensorSpec, ...], symbols: Symbols, config: ModelConfig) -> None:
    """Refuse a configuration that speaks of what the model does not have: a slip of the pen would have no effect."""
    names = {spec.name: spec for spec in inputs}
    dims = {name for known in symbols for name in known if name} | {
        f"{spec.name}.{axis}" for spec in inputs for axis in dynamic_axes(spec)
    }
    dims |= {term.strip() for name in list(dims) for term in name.split("+")}
    for section, given, known in (("inputs", config.inputs, names), ("axes", config.axes, names), ("dims", config.dims, dims)):
        if unknown := sorted(set(given) - set(known)):
            raise ModelUnavailable(
                f"model.toml: [{section}] names {unknown[0]!r}; the model has {', '.join(sorted(known)) or 'none'}"
            )
    for name, axis in config.axes.items():
        if axis not in dynamic_axes(names[name]):
            raise ModelUnavailable(
                f"model.toml: axis {axis} of {name!r} is not dynamic; its shape is {list(names[name].shape)}"
            )


def _proved_outputs(declared: tuple[TensorSpec, ...], proof: Proof, *, known: bool) -> tuple[TensorSpec, ...]:
    """Return the outputs as they were seen; ``known`` tells whether no size but that of the batch can vary."""
    if proof.output_shapes is None:
        return declared
    return tuple(
        replace(spec, shape=_proved_shape(spec.shape, seen, axis, known=known), batch_axis=axis)
        for spec, seen, axis in zip(declared, proof.output_shapes, proof.output_axes, strict=True)
    )


def _proved_shape(declared: tuple[int, ...], seen: tuple[int, ...], axis: int | None, *, known: bool) -> tuple[int, ...]:
    if len(declared) != len(seen):
        declared = (DYNAMIC,) * len(seen)
    sizes = seen if known else tuple(a if a == b else DYNAMIC for a, b in zip(declared, seen, strict=True))
    return tuple(DYNAMIC if index == axis else size for index, size in enumerate(sizes))


def _one_line(text: str) -> str:
    return " ".join(text.split())
