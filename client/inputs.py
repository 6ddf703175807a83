"""From what a caller passes to the tensors that are sent, with the conversions that the engine makes, too. It sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.coerce import coerce
from tidegate.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.results import Array

    from .catalogue import ModelFacts


def as_arrays(values: Mapping[str, Any], facts: ModelFacts) -> dict[str, Array]:
    """Make arrays of the datatypes that the model takes, where that is possible without a surprise; else as they are.

    What already is right is not copied.

    Raises:
        InvalidInput: numpy, or the protocol, has no datatype for a value.
    """
    arrays: dict[str, Array] = {}
    for name, value in values.items():
        right = type(value) is np.ndarray and value.dtype == facts.dtypes.get(name) and value.flags.c_contiguous
        arrays[name] = value if right and not value.dtype.hasobject else _coerced(name, value, facts.datatypes.get(name))
    return arrays


def _coerced(name: str, value: Any, datatype: str | None) -> Array:
    try:
        return coerce(value, datatype)
    except InvalidInput as error:
        raise InvalidInput(f"input {name!r}: {error.message}", param=f"inputs.{name}", expected=error.expected) from error
