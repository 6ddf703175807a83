"""What is asked of the server and awaits its answer: inferences and small questions. It knows no socket and no queue."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any

from tidegate.codecs.errors import Form
from tidegate.codecs.limits import Limits
from tidegate.codecs.messages import Infer, Models, Ping
from tidegate.codecs.parts import RequestedOutput
from tidegate.codecs.reader import client_messages
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.results import Array

# What this client wrote was within the server's limits, whatever they are, so reading it back must not meet others.
_UNLIMITED = Limits(message_bytes=2**48, text_bytes=2**48, tensors=2**31, rank=64, bytes_elements=2**48, parameters=2**31)


class Phase(Enum):
    """Where an exchange is; it moves only downwards, except that a cut may send a request back to the top."""

    WAITING = "waiting"
    """Not sent yet, or to be sent again."""
    SENT = "sent"
    """The server has it."""
    CANCELLING = "cancelling"
    """The server was asked to cancel it, and somebody waits to hear what became of it."""
    ABANDONED = "abandoned"
    """Nobody waits any more; the server still owes its answer, which frees its place."""
    FINISHED = "finished"
    """Nothing is owed."""


class Awaited:
    """What everything has in common that awaits an answer.

    Attributes:
        timeout: its time limit in seconds, as it was asked for.
        deadline: when that passes, in seconds of the monotonic clock.
        expires: when this client gives it up by itself.
        waiter: who waits for the outcome; never looked at here.
        phase: where it is.
    """

    __slots__ = ("deadline", "expires", "phase", "timeout", "waiter")

    def __init__(self, *, now: float, timeout: float, waiter: Any = None) -> None:
        self.timeout = timeout
        self.deadline = self.expires = now + timeout
        self.waiter = waiter
        self.phase = Phase.WAITING


class Exchange(Awaited):
    """What requests and questions have in common: one id, one answer.

    Attributes:
        id: its id on the wire; never used again by the same client.
    """

    __slots__ = ("id",)

    def __init__(self, id: int, *, now: float, timeout: float, waiter: Any = None) -> None:  # noqa: A002 - the name on the wire
        super().__init__(now=now, timeout=timeout, waiter=waiter)
        self.id = id


class Question(Exchange):
    """A small control message with an answer.

    Attributes:
        message: the ``models`` or ``ping`` to send.
        repeatable: whether it is asked again after a cut, within its time limit.
    """

    __slots__ = ("message", "repeatable")

    def __init__(
        self, message: Models | Ping, *, now: float, timeout: float, waiter: Any = None, repeatable: bool = False
    ) -> None:
        assert isinstance(message.id, int)
        super().__init__(message.id, now=now, timeout=timeout, waiter=waiter)
        self.message = message
        self.repeatable = repeatable


class Request(Exchange):
    """One inference.

    Attributes:
        model: name of the model.
        version: its version, or None for the one that the server chooses.
        sends: how often it was sent.
        nbytes: bytes of its tensors, or of the whole message once that was written.
        held_bytes: bytes of them that the ledger counts as kept in memory.
    """

    __slots__ = (
        "_data",
        "_form",
        "_outputs",
        "_priority",
        "_publish",
        "_tensors",
        "held_bytes",
        "model",
        "nbytes",
        "sends",
        "version",
    )

    def __init__(
        self,
        id: int,  # noqa: A002 - the name on the wire
        model: str,
        tensors: dict[str, Array],
        *,
        now: float,
        timeout: float,
        version: str | None = None,
        outputs: tuple[str, ...] = (),
        priority: int = 0,
        publish: str | None = None,
        waiter: Any = None,
    ) -> None:
        super().__init__(id, now=now, timeout=timeout, waiter=waiter)
        self.model = model
        self.version = version
        self.sends = 0
        self.held_bytes = 0
        self.nbytes = size_of(tensors)
        self._tensors = tensors
        self._outputs = tuple([RequestedOutput(name=name) for name in outputs])
        self._priority = priority
        self._publish = publish
        self._data: bytes | None = None
        self._form = Form.MSGPACK

    def copy_tensors(self) -> None:
        """Take copies of the caller's arrays: from now on the caller may change them."""
        self._tensors = {name: array.copy() for name, array in self._tensors.items()}

    def encode(self, form: Form, now: float) -> bytes:
        """Write the message with the time that is left; from now on the message is kept and the tensors are not.

        Raises:
            TidegateError: the codec refuses it.
        """
        message = Infer(
            id=self.id,
            model_name=self.model,
            model_version=self.version,
            outputs=self._outputs,
            timeout_ms=max(1, math.ceil((self.deadline - now) * 1000)),
            priority=self._priority,
            publish=self._publish,
        )
        self._data = encode(message, form, self._tensors if self._data is None else read_back(self._data, self._form))
        self._form = form
        self._tensors = {}
        self.nbytes = len(self._data)
        return self._data

    def release(self) -> None:
        """Let go of tensors and message, which will not be sent any more."""
        self._tensors = {}
        self._data = None


def read_back(data: bytes, form: Form) -> dict[str, Array]:
    """Return the tensors of a message that this client has written.

    Sending again is rare: reading the message then is cheaper than keeping a second copy of all tensors meanwhile.
    """
    reader = client_messages(_UNLIMITED)
    return (reader.text(data) if form is Form.TEXT else reader.binary(data)).tensors


def size_of(tensors: Mapping[str, Array]) -> int:
    """Return the bytes of tensors."""
    total = 0
    for array in tensors.values():
        total += sum(map(len, array.flat)) + 4 * array.size if array.dtype.hasobject else array.nbytes
    return total
