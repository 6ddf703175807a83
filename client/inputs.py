"""From what a caller passes to the tensors that are sent, with the conversions that the engine makes, too. It sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.coerce import coerce
from tidegate.errors import InvalidInput

if TYPE_CHECKING:
    from tidegate.results import Array

    from .catalogue import ModelFacts


def as_arrays(values: Mapping[str, Any], facts: ModelFacts) -> dict[str, Array]:
    """Make arrays of the datatypes that the model takes, where that is possible without a surprise; else as they are.

    What already is right is not copied.

    Raises:
        InvalidInput: numpy, or the protocol, has no datatype for a value.
    """
    return {
        name: value if _is_right(name, value, facts) else _coerced(name, value, facts.datatypes.get(name))
        for name, value in values.items()
    }


def as_step(chunk: Any, facts: ModelFacts) -> dict[str, Array]:
    """Make the arrays that a step brings: ``chunk`` is a mapping, or the one tensor that the model's steps take.

    Where a model takes integers to be scaled, integers stay what they are.

    Raises:
        InvalidInput: there is no datatype for a value, or it is not known which input it is for.
    """
    if not isinstance(chunk, Mapping):
        if len(facts.takes) != 1:
            told = f"a step brings {len(facts.takes)} tensors" if facts.takes else "what a step brings is not known"
            raise InvalidInput(told, param="inputs", expected=f"a mapping with {[*facts.takes]}")
        chunk = {next(iter(facts.takes)): chunk}
    return {
        name: value if _is_right(name, value, facts) else _coerced(name, value, _step_datatype(name, value, facts))
        for name, value in chunk.items()
    }


def _is_right(name: str, value: Any, facts: ModelFacts) -> bool:
    wanted = facts.dtypes.get(name)  # numpy takes None for FP64
    if wanted is None or type(value) is not np.ndarray or value.dtype != wanted:
        return False
    return value.flags.c_contiguous and not value.dtype.hasobject


def _step_datatype(name: str, value: Any, facts: ModelFacts) -> str | None:
    taken = facts.takes.get(name, ())
    whole = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "iu"
    if whole and len(taken) > 1:
        return None
    return next(iter(taken), facts.datatypes.get(name))


def as_prompt(prompt: Any) -> dict[str, Array]:
    """Make the array of token ids that a generation begins with.

    Raises:
        InvalidInput: there is no datatype for it.
    """
    return {"prompt": _coerced("prompt", prompt, "INT64")}


def _coerced(name: str, value: Any, datatype: str | None) -> Array:
    try:
        return coerce(value, datatype)
    except InvalidInput as error:
        raise InvalidInput(f"input {name!r}: {error.message}", param=f"inputs.{name}", expected=error.expected) from error
