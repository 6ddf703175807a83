"""Finds the states that nobody declared, by names that exporters give them: ``h`` and ``hN``, ``state`` and ``new_state``.

A pair is believed only if its names belong together in one way only, and datatype and shape agree. It is never silent: what was
found stands in the model's description and in the log.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tidegate.errors import ModelUnavailable

from ..signature import DYNAMIC
from .declared import DeclaredState
from .states import HeldState, compatible, held_state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .tensors import Tensors

_PAST, _PRESENT = "past_key_values.", "present."
_IN, _OUT = "_in", "_out"


def find_states(tensors: Tensors, taken_inputs: Collection[str], taken_outputs: Collection[str]) -> list[HeldState]:
    """Return the states that the names tell.

    Args:
        tensors: the model's.
        taken_inputs: inputs of which something was said.
        taken_outputs: outputs of which something was said.
    """
    pairs = [pair for pair in _pairs(tensors) if pair.input not in taken_inputs and pair.output not in taken_outputs]
    inputs, outputs = Counter(pair.input for pair in pairs), Counter(pair.output for pair in pairs)
    clear = [pair for pair in pairs if inputs[pair.input] == 1 and outputs[pair.output] == 1]
    return [state for pair in clear if (state := _held(tensors, pair)) is not None]


def next_names(name: str) -> Iterator[str]:
    """Yield what the output might be called that is the next value of an input."""
    if name.startswith(_PAST):
        yield _PRESENT + name.removeprefix(_PAST)
    elif name.endswith(_IN):
        yield name.removesuffix(_IN) + _OUT
    else:
        yield from (f"{name}{suffix}" for suffix in ("N", "n", "_n", "_out", "_next", "_new"))
        yield from (f"{prefix}_{name}" for prefix in ("new", "next"))


def _pairs(tensors: Tensors) -> Iterator[DeclaredState]:
    outputs = {spec.name: spec for spec in tensors.outputs}
    for at, spec in enumerate(tensors.inputs):
        for name in next_names(spec.name):
            output = outputs.get(name)
            if output is not None and output.datatype == spec.datatype and compatible(spec.shape, output.shape):
                yield DeclaredState(output=name, input=spec.name, grows=_growing_axis(tensors, at))


def _growing_axis(tensors: Tensors, at: int) -> int | None:
    """Return the axis along which a cache grows: the one that is dynamic and not that of the rows; None for other states."""
    spec = tensors.inputs[at]
    if not spec.name.startswith(_PAST):
        return None
    dynamic = frozenset(axis for axis, size in enumerate(spec.shape) if size == DYNAMIC)
    grows = dynamic - {tensors.row_axis(at, free=dynamic)}
    return min(grows) if len(grows) == 1 else None


def _held(tensors: Tensors, pair: DeclaredState) -> HeldState | None:
    """Resolve a pair; None if too little is known of it to keep it."""
    try:
        return held_state(tensors, pair, found=True)
    except ModelUnavailable:
        return None
