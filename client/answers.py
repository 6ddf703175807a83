"""From what the server wrote to what the program sees: results and typed errors. It knows nothing of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import error_from_code
from tidegate.results import Result, StreamResult, Timing

if TYPE_CHECKING:
    from tidegate.codecs import event_messages, messages
    from tidegate.errors import TidegateError
    from tidegate.results import Array


def as_result(message: messages.Result, tensors: dict[str, Array]) -> Result:
    """Make the mapping that ``infer`` returns."""
    model, version = message.model_name or "", message.model_version or ""  # the reader has made sure that they are there
    return Result(_own(tensors), model=model, version=version, timing=_timing(message))


def as_stream_result(message: messages.Result, tensors: dict[str, Array], model: str, version: str) -> StreamResult:
    """Make a result of a step; the message does not say of which model."""
    assert message.seq is not None
    assert message.step is not None
    return StreamResult(
        _own(tensors),
        model=model,
        version=version,
        timing=_timing(message),
        seq=message.seq,
        step=message.step,
        final=message.final,
        text=message.text,
        reason=message.reason,
    )


def as_published(message: event_messages.Event, tensors: dict[str, Array]) -> Result:
    """Make a result that somebody published: of a step if it was one, numbered as the event is."""
    model, version = message.model_name or "", message.model_version or ""  # the reader has made sure that they are there
    timing, own = _timing(message), _own(tensors)
    if message.step is None:
        return Result(own, model=model, version=version, timing=timing)
    return StreamResult(
        own,
        model=model,
        version=version,
        timing=timing,
        seq=message.seq,
        step=message.step,
        final=bool(message.final),
        text=message.text,
        reason=message.reason,
    )


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
        expected_step=message.expected_step,
        lost=message.lost,
    )


def another(error: TidegateError) -> TidegateError:
    """Make an exception that says the same: one that is raised twice would carry the tracebacks of both."""
    new = type(error).__new__(type(error), *error.args)
    new.__dict__.update(error.__dict__)
    return new


def _timing(message: messages.Result | event_messages.Event) -> Timing:
    cost = message.timing
    assert cost is not None
    return Timing(cost.queue_us, cost.compute_us, cost.batch_size)


def _own(tensors: dict[str, Array]) -> dict[str, Array]:
    for name, array in tensors.items():
        if array.dtype.hasobject:
            tensors[name] = _own_strings(array)
    return tensors


def _own_strings(array: Array) -> Array:
    """Make the elements ``bytes``, whatever kind of buffer they were cut from, and the array the program's own."""
    own = np.empty(array.shape, object)
    own.ravel()[:] = [bytes(element) for element in array.flat]
    return own
