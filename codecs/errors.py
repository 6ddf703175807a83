"""The one error that leaves the codecs, and how it words what was wrong; it knows nothing of connections."""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple

from tidegate.errors import TidegateError

CodecErrorCode = Literal["invalid_message", "invalid_input", "too_large"]


class Form(Enum):
    """How a message is written; an answer is written like its request."""

    TEXT = "text"
    """One JSON object in a text frame."""
    MSGPACK = "msgpack"
    """A binary frame whose header is a msgpack map."""
    JSON = "json"
    """A binary frame whose header is a JSON object."""


class Subject(NamedTuple):
    """What a message names that an answer about it may name too: nothing by which it would seem to end something else.

    Attributes:
        id: the message's own; never the one in ``cancel``, which is another message's.
        stream: the stream that it is about, if it has no id.
        step: the step of that stream that it wanted to be; never the one in ``cancel``.
    """

    id: int | str | None = None
    stream: int | str | None = None
    step: int | None = None


NOBODY = Subject()


class CodecError(TidegateError):
    """Raised when bytes are not a message that the protocol allows.

    Attributes:
        code: ``invalid_message``, ``invalid_input`` (inside a tensor or a parameter) or ``too_large``.
        param: the place at fault, such as ``inputs[0].shape``.
        expected: what would have been right there.
        subject: what an answer about the failed message may name of it, as far as that could be read.
        form: how the failed message was written, where that could be told.
    """

    def __init__(
        self,
        code: CodecErrorCode,
        message: str,
        *,
        param: str | None = None,
        expected: str | None = None,
        subject: Subject = NOBODY,
        form: Form | None = None,
    ) -> None:
        super().__init__(message, param=param, expected=expected)
        self.code: str = code
        self.subject = subject
        self.form = form

    @property
    def id(self) -> int | str | None:
        """The id of the failed message."""
        return self.subject.id


class Fault(Exception):
    """What is wrong with a part of a message, told as data by code that does not see the whole; never leaves the codecs.

    Attributes:
        param: the place at fault, seen from the part; empty for the part itself.
        expected: what would have been right there.
        got: what came instead.
    """

    def __init__(self, code: CodecErrorCode, param: str, expected: str, got: str) -> None:
        super().__init__(code, param, expected, got)
        self.code: CodecErrorCode = code
        self.param = param
        self.expected = expected
        self.got = got

    def within(self, place: str) -> Fault:
        """Give the same fault as seen from the whole, where the part lies at ``place``."""
        dot = "." if self.param and not self.param.startswith("[") else ""
        return Fault(self.code, f"{place}{dot}{self.param}", self.expected, self.got)

    def error(self, subject: Subject, form: Form | None) -> CodecError:
        """Word it as the error that leaves."""
        place = f"{self.param}: " if self.param else ""
        message = f"{place}expected {self.expected}, got {self.got}"
        return CodecError(self.code, message, param=self.param or None, expected=self.expected, subject=subject, form=form)


def shown(value: object) -> str:
    """Show a client's value in a message: short, on one line, without control characters."""
    if isinstance(value, str | bytes):
        return repr(value) if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]!r}…"
    if isinstance(value, list | tuple):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    # A JSON integer may have thousands of digits, which Python refuses to print.
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return f"an integer of {value.bit_length()} bits"
    return repr(value)[: 2 * _SHOWN_CHARS]


_SHOWN_CHARS = 40
_SHOWN_BITS = 128
