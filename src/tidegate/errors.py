"""Every error that a user of Tidegate can meet, in one tree; it knows wire codes and nothing else.

The engine, the gateway and the SDK raise the same classes, so code that catches them works in-process and over a socket::

    TidegateError
    ├── InvalidMessage       invalid_message      the bytes are not a message of the protocol
    ├── InvalidInput         invalid_input        a tensor or a parameter is not what was expected
    ├── TooLarge             too_large            a message or an answer is beyond a limit
    ├── DuplicateId          duplicate_id         the id belongs to a request that is still running
    ├── UnknownModel         unknown_model        no such model or version is served
    ├── ModelUnavailable     model_unavailable    the model is known and could not be loaded
    ├── Overloaded           overloaded           refused, certainly not executed: safe to send again
    ├── ShuttingDown         shutting_down        the gateway is draining: not executed, go elsewhere
    ├── DeadlineExceeded     deadline_exceeded    the time limit passed before an answer was there
    ├── Cancelled            cancelled            cancelled; ``outcome`` says what became of the work
    ├── ModelFailed          model_failed         the model ran on this input and failed
    ├── UnknownStream        unknown_stream       no stream of that name is open here
    ├── DuplicateStream      duplicate_stream     a stream of that name is open already
    ├── UnexpectedStep       unexpected_step      not the step that was to come; see ``expected_step``
    ├── StepConflict         step_conflict        a step of that number came before, with other content
    ├── ResumeFailed         resume_failed        there is nothing to resume; see ``lost``
    ├── Forbidden            forbidden            this client may not do that
    ├── InternalError        internal             a defect of the gateway
    └── ConnectionLost       connection_lost      (clients only) the connection went away; see ``maybe_executed``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

CancelOutcome = Literal["removed", "dropped", "too_late"]


class TidegateError(Exception):
    """Base of all errors.

    Attributes:
        code: stable name of the error on the wire.
        retryable: whether the same request may succeed when it is sent again.
        message: one sentence for a person.
        param: the place in the request that is at fault, such as ``inputs[0].shape``.
        expected: what would have been right there.
        retry_after_ms: when it is worth trying again.
    """

    code: str = "error"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        expected: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.expected = expected
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        """Return the message, and what was expected where it does not say so itself."""
        if self.expected is None or self.expected in self.message:
            return self.message
        return f"{self.message}; expected {self.expected}"


class InvalidMessage(TidegateError):
    """Raised when bytes are not a message of the protocol."""

    code = "invalid_message"


class InvalidInput(TidegateError):
    """Raised when a tensor or a parameter is not what the model or the protocol expects."""

    code = "invalid_input"


class TooLarge(TidegateError):
    """Raised when a message or an answer is beyond a limit."""

    code = "too_large"


class DuplicateId(TidegateError):
    """Raised when a request's id belongs to one that is still running."""

    code = "duplicate_id"


class UnknownModel(TidegateError):
    """Raised when no model of that name, or no such version of it, is served."""

    code = "unknown_model"


class ModelUnavailable(TidegateError):
    """Raised when a model is known and could not be loaded."""

    code = "model_unavailable"


class Overloaded(TidegateError):
    """Raised when a request was refused and certainly not executed.

    Attributes:
        bound: name of the setting that was reached; known only where the request was refused.
    """

    code = "overloaded"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        expected: str | None = None,
        retry_after_ms: int | None = None,
        bound: str | None = None,
    ) -> None:
        super().__init__(message, param=param, expected=expected, retry_after_ms=retry_after_ms)
        self.bound = bound


class ShuttingDown(TidegateError):
    """Raised when a request came while the gateway drains; it was not executed."""

    code = "shutting_down"
    retryable = True


class DeadlineExceeded(TidegateError):
    """Raised when a request's time limit passed before its answer was there."""

    code = "deadline_exceeded"


class Cancelled(TidegateError):
    """Raised when a request was cancelled.

    Attributes:
        outcome: ``removed`` (it never ran) or ``dropped`` (it was running; its result is thrown away).
    """

    code = "cancelled"

    def __init__(self, message: str, *, outcome: CancelOutcome = "removed") -> None:
        super().__init__(message)
        self.outcome: CancelOutcome = outcome


class ModelFailed(TidegateError):
    """Raised when the model ran on this input and failed."""

    code = "model_failed"


class UnknownStream(TidegateError):
    """Raised when no stream of that name is open on the connection."""

    code = "unknown_stream"


class DuplicateStream(TidegateError):
    """Raised when a stream of that name is open on the connection already."""

    code = "duplicate_stream"


class UnexpectedStep(TidegateError):
    """Raised when a step is not the one that was to come; it was not executed.

    Attributes:
        expected_step: the number that the stream's next step must have, where it is known.
    """

    code = "unexpected_step"

    def __init__(
        self, message: str, *, param: str | None = None, expected: str | None = None, expected_step: int | None = None
    ) -> None:
        super().__init__(message, param=param, expected=expected)
        self.expected_step = expected_step


class StepConflict(TidegateError):
    """Raised when a step of that number came before with other content; that one is undisturbed."""

    code = "step_conflict"


class ResumeFailed(TidegateError):
    """Raised when a session cannot be resumed: its token is unknown or expired, or another message came before.

    Attributes:
        lost: names of the streams that are gone.
    """

    code = "resume_failed"

    def __init__(self, message: str, *, lost: Sequence[int | str] = ()) -> None:
        super().__init__(message)
        self.lost = tuple(lost)


class Forbidden(TidegateError):
    """Raised when a client asks for what it may not have or do."""

    code = "forbidden"


class InternalError(TidegateError):
    """Raised when the gateway itself has a defect; the message says no more than that."""

    code = "internal"


class ConnectionLost(TidegateError):
    """Raised by clients when the connection went away before an answer came.

    Attributes:
        maybe_executed: whether the request may have run on the server.
    """

    code = "connection_lost"
    retryable = True

    def __init__(self, message: str, *, maybe_executed: bool = False) -> None:
        super().__init__(message)
        self.maybe_executed = maybe_executed


class UnrecognisedError(TidegateError):
    """Raised for a code that this version does not know; ``code`` and ``retryable`` are the server's."""

    def __init__(self, message: str, *, code: str, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


_BY_CODE: dict[str, type[TidegateError]] = {
    cls.code: cls
    for cls in (
        InvalidMessage,
        InvalidInput,
        TooLarge,
        DuplicateId,
        UnknownModel,
        ModelUnavailable,
        Overloaded,
        ShuttingDown,
        DeadlineExceeded,
        ModelFailed,
        UnknownStream,
        DuplicateStream,
        UnexpectedStep,
        StepConflict,
        ResumeFailed,
        Forbidden,
        InternalError,
    )
}


def error_from_code(
    code: str,
    message: str,
    *,
    retryable: bool = False,
    param: str | None = None,
    expected: str | None = None,
    retry_after_ms: int | None = None,
    outcome: CancelOutcome | None = None,
    expected_step: int | None = None,
    lost: Sequence[int | str] = (),
) -> TidegateError:
    """Build the error that the wire's fields describe; an unknown code keeps the server's ``retryable``."""
    if code == Cancelled.code:
        return Cancelled(message, outcome=outcome or "dropped")
    cls = _BY_CODE.get(code)
    error = cls(message) if cls else UnrecognisedError(message, code=code, retryable=retryable)
    error.param, error.expected, error.retry_after_ms = param, expected, retry_after_ms
    if isinstance(error, UnexpectedStep):
        error.expected_step = expected_step
    elif isinstance(error, ResumeFailed):
        error.lost = tuple(lost)
    return error
