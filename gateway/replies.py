"""How one session answers: messages, errors and large results, each in the form that was asked for. Knows no socket.

Bound: bytes that the client has not read, beyond which a result is replaced by an error (``outbound_bytes``).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tidegate.codecs.errors import NOBODY, Form
from tidegate.codecs.writer import encode
from tidegate.errors import DuplicateId, InternalError, Overloaded, TidegateError, TooLarge

from .counts import OTHER
from .own_messages import error_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.codecs.errors import Subject
    from tidegate.codecs.messages import Message
    from tidegate.codecs.parts import Id

    from .hub import Hub
    from .link import Link

    Written = tuple[list[bytes | memoryview], int]

TEXT = Form.TEXT  # looking a member up in its class takes longer than comparing it

_log = logging.getLogger("tidegate.gateway")


class Unwritten(Protocol):
    """A large result that is not written yet; ``nbytes`` tells about how many bytes it takes."""

    nbytes: int

    def pieces(self) -> Written:
        """Write it: the pieces of its message, and the memory that they keep beyond their own bytes."""
        ...


class Replies:
    """What one client is told.

    Attributes:
        closed: whether nothing is sent any more.
    """

    __slots__ = ("_hub", "_link", "_most_bytes", "closed")

    def __init__(self, hub: Hub, link: Link) -> None:
        self.closed = False
        self._hub = hub
        self._link = link
        self._most_bytes = hub.settings.outbound_bytes

    def close(self) -> None:
        """Send nothing any more, and forget what is not written yet."""
        self.closed = True
        self._hub.encoder.forget(self)

    def send(self, message: Message, form: Form) -> None:
        """Send a message without tensors."""
        if not self.closed:
            self._link.post(encode(message, form), text=form is TEXT)

    # Errors.

    def refuse(self, subject: Subject, form: Form, error: TidegateError, model: str) -> None:
        """Answer with an error, and count it under a model."""
        self._hub.metrics.model(model).requests.add(error.code)
        self._tell(subject, form, error)

    def refuse_step(self, subject: Subject, form: Form, error: TidegateError, model: str) -> None:
        """Answer a step that is not accepted, and count it."""
        self._hub.metrics.model(model).streams.steps.add(error.code)
        self._tell(subject, form, error)

    def _tell(self, subject: Subject, form: Form, error: TidegateError) -> None:
        if isinstance(error, Overloaded) and error.bound is not None:
            self._hub.metrics.refused.add(error.bound)
        self.send(error_message(subject, error), form)

    def duplicate(self, id_: Id, form: Form) -> None:
        """Refuse a message whose id belongs to a request that goes on undisturbed."""
        error = DuplicateId(
            f"id {id_!r} belongs to a request that has no answer yet", param="id", expected="an id that is free"
        )
        self._hub.metrics.model(OTHER).requests.add(error.code)
        self.send(error_message(NOBODY, error, duplicate_of=id_), form)

    # Large results.

    def check_room(self, nbytes: int) -> None:
        """Check that a result may wait for the client to read it.

        Raises:
            TooLarge: too much waits already, or it is larger than may ever wait.
        """
        if nbytes > self._most_bytes or self._link.backlog > 2 * self._most_bytes:
            raise TooLarge(f"the result takes {nbytes} bytes, {self._link.backlog} wait to be read already")

    def write_elsewhere(self, result: Unwritten, done: Callable[[Written | Exception], None]) -> None:
        """Write a result on another thread; ``done`` is told what was written or what went wrong, unless the client goes.

        Raises:
            TooLarge: as ``check_room`` does.
        """
        self.check_room(result.nbytes)
        self._link.owe(result.nbytes)
        self._hub.encode(self, result.pieces, partial(self._written, result.nbytes, done))

    def _written(self, owed: int, done: Callable[[Written | Exception], None], made: Written | Exception) -> None:
        self._link.owe(-owed)
        if not self.closed:
            done(made)

    def post_pieces(self, form: Form, pieces: Sequence[bytes | memoryview], surplus: int) -> None:
        """Send a result that comes in pieces; see ``Link.post_pieces``.

        Raises:
            TooLarge: as ``check_room`` does.
        """
        self.check_room(sum(map(len, pieces)))
        self._link.post_pieces(pieces, surplus, text=form is TEXT)


def defect() -> InternalError:
    """Word what a client is told of a defect."""
    return InternalError("a defect; the gateway's log says more")


def why_not_written(error: Exception, model: str) -> TidegateError:
    """Tell why a result was not written; what nobody thought of is logged."""
    if isinstance(error, TidegateError):
        return error
    _log.error("a result of %s could not be written", model, exc_info=error)
    return InternalError("the result could not be written; the gateway's log says why")
