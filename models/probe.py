"""The proof of batchability: says along which axes the rows of requests may be joined, and in what numbers.

It believes nothing that a model declares: rows are run alone and together, in different places and beside different neighbours.
What it cannot see is what a model does with values unlike those that were tried. Values are therefore varied in magnitude,
and rows of NaN and of large numbers are put between the others: neighbours must not notice. Whoever knows better
turns batching off in ``model.toml``.

After the first run, time is bounded by ``probe_ms`` (by three times that while the axes are searched for); memory by a share
of what is free. Nothing that a model does here keeps it from being served one request at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .probe_measure import Room, measure_sizes
from .probe_search import Examined, Found, Search
from .probe_shapes import Layout, dynamic_axes, layouts
from .probe_sizes import FIRST_SIZE, conclude, none
from .probe_subject import NotBatchable, Subject
from .signature import DYNAMIC, Batching, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Collection

    from .config import ModelConfig
    from .probe_pool import Pool

_QUANTISED = "DynamicQuantize"
_RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"})


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found.

    Attributes:
        layout: batch axis per input; all None when rows may not be joined.
        output_axes: the same per output.
        output_shapes: per output, the shape for one row; None when the model never ran.
        batching: the verdict.
    """

    layout: Layout
    output_axes: tuple[int | None, ...]
    output_shapes: tuple[tuple[int, ...], ...] | None
    batching: Batching


def prove(subject: Subject, config: ModelConfig) -> Proof:
    """Find out whether a model's rows may be batched, and run it in every size that it may then be given. Raises nothing."""
    try:
        return _prove(Search(subject, config), subject, config)
    except Exception as error:  # a proof that fails must not cost the model
        return _nothing_ran(subject, f"the proof failed unexpectedly: {type(error).__name__}: {error}")


def _prove(search: Search, subject: Subject, config: ModelConfig) -> Proof:
    candidates = list(layouts(subject.inputs, subject.symbols, config.axes))
    reason = obstacle(subject.inputs, subject.op_types, config)
    first: Found | None = None
    for layout in [] if reason else candidates:
        found = search.runnable(layout)
        if found is not None:
            first = first or found
            try:
                examined = search.examine(found)
                return _batched(found.pool, examined, _batching(found.pool, examined, search, subject, config))
            except NotBatchable as finding:
                reason = reason or str(finding)
        if search.over:
            break
    if first is not None:
        return _alone(search.once_more(first).pool, subject, reason or "")
    warm = search.runnable(candidates[0] if candidates else (None,) * len(subject.inputs))
    reason = reason or f"no made-up input runs ({search.problem}): say what does under [dims] and [inputs] of model.toml"
    return _alone(warm.pool, subject, reason) if warm else _nothing_ran(subject, reason)


def obstacle(inputs: tuple[TensorSpec, ...], op_types: Collection[str], config: ModelConfig) -> str | None:
    """Return why rows cannot be joined where that is plain without running anything."""
    if config.batching == "off":
        return 'batching = "off" in model.toml'
    if config.max_batch == 1:
        return "max_batch = 1 in model.toml"
    for op_type in sorted(op_types):
        if op_type.startswith(_QUANTISED):
            return f"{op_type} scales by the whole batch: a row's answer would depend on its neighbours"
        if op_type in _RANDOM:
            return f"{op_type} draws random numbers: a row's answer would depend on what ran before"
    if not inputs:
        return "it has no inputs"
    if not any(dynamic_axes(spec) for spec in inputs):
        shapes = ", ".join(f"{spec.name!r} is {list(spec.shape)}" for spec in inputs)
        return f"every dimension of every input is fixed: {shapes}"
    return None


def _batching(pool: Pool, examined: Examined, search: Search, subject: Subject, config: ModelConfig) -> Batching:
    """Prove sizes until the time is up, but for half of it even after a long search."""
    probe_s = config.probe_ms / 1000
    deadline = max(search.first_run_at + probe_s, subject.clock() + probe_s / 2)
    room = Room(pool.row_bytes, deadline, subject.clock)
    room.took(FIRST_SIZE, 2 * examined.sizes[0].cost_s)
    sizes = measure_sizes(examined.trial, examined.sizes, config.max_batch, room)
    return conclude(pool.alone_s, sizes, config.max_batch, examined.elsewhere)


def _batched(pool: Pool, examined: Examined, batching: Batching) -> Proof:
    if batching.verdict == "none":
        raise NotBatchable(batching.reason)
    return Proof(pool.layout, examined.trial.output_axes, pool.output_shapes, batching)


def _alone(pool: Pool, subject: Subject, reason: str) -> Proof:
    batching = none(_fixed_first(subject.inputs) + reason, pool.alone_s)
    return Proof((None,) * len(pool.layout), (None,) * len(pool.output_shapes), pool.output_shapes, batching)


def _nothing_ran(subject: Subject, reason: str) -> Proof:
    return Proof((None,) * len(subject.inputs), (None,) * len(subject.output_names), None, none(reason))


def _fixed_first(inputs: tuple[TensorSpec, ...]) -> str:
    """Say that no batch can lie where everybody would look for one: the verdict is then about other axes."""
    fixed = [spec for spec in inputs if spec.shape and spec.shape[0] != DYNAMIC]
    free = [spec for spec in inputs if spec.shape and spec.shape[0] == DYNAMIC]
    if free or not fixed or not any(map(dynamic_axes, inputs)):
        return ""
    return f"the first dimension of {fixed[0].name!r} is fixed at {fixed[0].shape[0]}; "
