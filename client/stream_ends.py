"""Why a stream has ended, as the error that its steps and later calls get. It ends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import ModelUnavailable, ShuttingDown, UnknownStream

if TYPE_CHECKING:
    from tidegate.errors import TidegateError

    from .stream_log import StreamLog


def lost(log: StreamLog) -> str:
    """Say what is lost with a stream."""
    return f"the state of a stream of {log.model!r} is lost, after result {log.sequence.last}"


def end_of(reason: str, log: StreamLog) -> TidegateError:
    """Return what asking the stream for anything more raises, given why the server has ended it."""
    told = f"the gateway has closed the stream of {log.model!r}: {reason}"
    match reason:
        case "closed":
            return UnknownStream("the stream was closed by this program")
        case "idle":
            return UnknownStream(f"{told}: nothing happened to it for too long")
        case "shutting_down":
            return ShuttingDown(told)
        case "model_unavailable":
            return ModelUnavailable(told)
    return UnknownStream(told)
