"""What a person writes for a tensor, made the array that the model takes; shared by the engine and the SDK.

Rules: Python numbers and lists take the model's datatype if they fit it. An array that numpy would convert without
losing information is converted; so are floats to shorter floats, since numpy makes everything FP64 unasked. Anything
else stays as it is, and whoever checks the request says what was expected.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tidegate.codecs.datatypes import BF16_DTYPE, DATATYPES, Array, normalise
from tidegate.errors import InvalidInput


def coerce(value: Any, datatype: str | None) -> Array:
    """Make an array of ``value``, of ``datatype`` where that is possible without a surprise.

    Args:
        value: an array, a number, or nested lists.
        datatype: what the model takes; None if that is not known.

    Raises:
        InvalidInput: numpy cannot make an array of it, no datatype fits, or a finite value would become infinite.
    """
    array = normalise(value)
    if datatype is None or array.dtype.hasobject or datatype == "BYTES":
        return array
    wanted = DATATYPES[datatype].dtype
    if array.dtype == wanted or wanted == BF16_DTYPE or array.dtype == BF16_DTYPE:
        return array
    if _converts(array, wanted, literal=not isinstance(value, np.ndarray | np.generic)):
        return _converted(array, wanted, datatype)
    return array


def _converted(array: Array, wanted: np.dtype[Any], datatype: str) -> Array:
    with np.errstate(over="ignore"):
        converted = array.astype(wanted)
    if wanted.kind == "f" and np.count_nonzero(np.isinf(converted)) != np.count_nonzero(np.isinf(array)):
        raise InvalidInput(f"a value is too large for {datatype}", expected=f"values within the range of {datatype}")
    return converted


def _converts(array: Array, wanted: np.dtype[Any], *, literal: bool) -> bool:
    if np.can_cast(array.dtype, wanted, "safe"):
        return True
    if wanted.kind == "f" and array.dtype.kind in "fiu":
        return literal or array.dtype.kind == "f"
    if literal and wanted.kind in "iu" and array.dtype.kind in "iu":
        limits = np.iinfo(wanted)
        return array.size == 0 or bool(limits.min <= int(array.min()) and int(array.max()) <= limits.max)
    return False
