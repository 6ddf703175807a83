"""From what the server wrote to what the program sees: results and typed errors. It knows nothing of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import error_from_code
from tidegate.results import Result, Timing

if TYPE_CHECKING:
    from tidegate.codecs import messages
    from tidegate.errors import TidegateError
    from tidegate.results import Array


def as_result(message: messages.Result, tensors: dict[str, Array]) -> Result:
    """Make the mapping that ``infer`` returns."""
    cost = message.timing
    for name, array in tensors.items():
        if array.dtype.hasobject:
            tensors[name] = _own_strings(array)
    timing = Timing(cost.queue_us, cost.compute_us, cost.batch_size)
    return Result(tensors, model=message.model_name, version=message.model_version, timing=timing)


def as_error(message: messages.Error) -> TidegateError:
    """Make the exception that a program can catch by its class."""
    return error_from_code(
        message.code,
        message.message,
        retryable=message.retryable,
        param=message.param,
        expected=message.expected,
        retry_after_ms=message.retry_after_ms,
        outcome=message.outcome,
    )


def _own_strings(array: Array) -> Array:
    """Make the elements ``bytes``, whatever kind of buffer they were cut from, and the array the program's own."""
    own = np.empty(array.shape, object)
    own.ravel()[:] = [bytes(element) for element in array.flat]
    return own
