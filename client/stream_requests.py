"""What is asked of streams: steps, and errands such as to open one or to hand over its state. It knows no stream's history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tidegate.codecs.messages import Close, Fork, Open, Snapshot, Step
from tidegate.codecs.parts import RequestedOutput
from tidegate.codecs.writer import encode

from .exchange import Awaited, Exchange, read_back, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.codecs.errors import Form
    from tidegate.codecs.messages import ClientMessage
    from tidegate.codecs.parts import Overflow
    from tidegate.errors import TidegateError
    from tidegate.results import Array

    from .stream_log import StreamLog

    Scalar = bool | int | float | str

LAST = 2**62
"""Later than everything that is ever added to a stream."""


class StepRequest(Awaited):
    """One step of a stream. Its waiter takes any number of outcomes, with ``put``.

    Attributes:
        log: the stream.
        number: its number on the wire; 0 until it is sent, then never another one.
        order: its place among everything that was asked of the stream.
        nbytes: bytes of its tensors, or of the whole message once that was written.
        held_bytes: bytes of them that count as kept in memory.
        stopping: whether the server was, or will be, asked to cancel it.
        cutoff: steps that were added before this place were meant to follow it.
        refusal: why the server did not accept it; told when the steps before it have ended.
    """

    __slots__ = (
        "_data",
        "_form",
        "_parameters",
        "_tensors",
        "cutoff",
        "held_bytes",
        "log",
        "nbytes",
        "number",
        "order",
        "refusal",
        "stopping",
    )

    def __init__(
        self,
        log: StreamLog,
        tensors: dict[str, Array],
        *,
        now: float,
        timeout: float,
        parameters: Mapping[str, Scalar] | None = None,
        waiter: Any = None,
    ) -> None:
        super().__init__(now=now, timeout=timeout, waiter=waiter)
        self.log = log
        self.number = 0
        self.order = 0
        self.nbytes = size_of(tensors)
        self.held_bytes = 0
        self.stopping = False
        self.cutoff = LAST
        self.refusal: TidegateError | None = None
        self._tensors = tensors
        self._parameters = parameters
        self._data: bytes | None = None
        self._form: Form | None = None

    def copy_tensors(self) -> None:
        """Take copies of the caller's arrays: from now on the caller may change them."""
        self._tensors = {name: array.copy() for name, array in self._tensors.items()}

    def encode(self, form: Form, now: float) -> bytes:
        """Write the message with the time that is left; from now on the message is kept and the tensors are not.

        Raises:
            TidegateError: the codec refuses it.
        """
        left_ms = max(1, math.ceil((self.deadline - now) * 1000))
        number = self.log.line.number_of(self)
        message = Step(stream=self.log.name, step=number, timeout_ms=left_ms, parameters=self._parameters)
        tensors = self._tensors if self._data is None or self._form is None else read_back(self._data, self._form)
        self._data = encode(message, form, tensors)
        self._form = form
        self._tensors = {}
        self.nbytes = len(self._data)
        return self._data

    def release(self) -> None:
        """Let go of tensors and message, which will not be sent any more."""
        self._tensors = {}
        self._data = None


class Errand(Exchange):
    """Something that is asked about a stream, in its place among the steps. Its waiter is a future.

    Attributes:
        log: the stream that it is asked of.
        made: the stream that comes to be by it; None for what makes none.
        order: its place among everything that was asked of the stream.
        nbytes: bytes of its tensors, or of the whole message once that was written.
    """

    __slots__ = ("_message", "_tensors", "log", "made", "nbytes", "order")

    def __init__(
        self,
        id: int,  # noqa: A002 - the name on the wire
        log: StreamLog,
        message: Callable[[], ClientMessage],
        *,
        now: float,
        timeout: float,
        waiter: Any = None,
        made: StreamLog | None = None,
        tensors: Mapping[str, Array] | None = None,
    ) -> None:
        super().__init__(id, now=now, timeout=timeout, waiter=waiter)
        self.log = log
        self.made = made
        self.order = 0
        self._message = message
        self._tensors = dict(tensors or {})
        self.nbytes = size_of(self._tensors)

    def encode(self, form: Form, now: float) -> bytes:
        """Write the message, which says nothing of the time; a stream may have another name each time.

        Raises:
            TidegateError: the codec refuses it.
        """
        data = encode(self._message(), form, self._tensors)
        self.nbytes = len(data)
        return data


def to_open(
    id: int,  # noqa: A002 - the name on the wire
    log: StreamLog,
    constants: Mapping[str, Array],
    *,
    now: float,
    timeout: float,
    version: str | None = None,
    outputs: tuple[str, ...] = (),
    overflow: Overflow = "block",
    priority: int = 0,
    publish: str | None = None,
    from_snapshot: bool = False,
    waiter: Any = None,
) -> Errand:
    """Ask for a stream."""

    def message() -> Open:
        return Open(
            id=id,
            stream=log.name,
            model_name=log.model,
            model_version=version,
            outputs=[RequestedOutput(name=name) for name in outputs],
            overflow=overflow,
            until=log.sequence.window,
            from_snapshot=from_snapshot,
            priority=priority,
            publish=publish,
        )

    return Errand(id, log, message, now=now, timeout=timeout, waiter=waiter, made=log, tensors=constants)


def to_fork(id: int, log: StreamLog, made: StreamLog, *, now: float, timeout: float, waiter: Any = None) -> Errand:  # noqa: A002
    """Ask for a second stream that goes on from the state of the first."""
    return Errand(
        id, log, lambda: Fork(id=id, stream=log.name, to=made.name), now=now, timeout=timeout, waiter=waiter, made=made
    )


def to_snapshot(id: int, log: StreamLog, *, now: float, timeout: float, waiter: Any = None) -> Errand:  # noqa: A002
    """Ask for the state of a stream."""
    return Errand(id, log, lambda: Snapshot(id=id, stream=log.name), now=now, timeout=timeout, waiter=waiter)


def to_close(id: int, log: StreamLog, *, now: float, waiter: Any = None) -> Errand:  # noqa: A002
    """Ask for the end of a stream, once what was asked before is done; it has no time limit of its own."""
    return Errand(id, log, lambda: Close(stream=log.name), now=now, timeout=math.inf, waiter=waiter)
