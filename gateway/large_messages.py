"""Large messages: put together, checked and decoded in steps, on whatever thread. Knows neither connections nor requests.

Putting the parts of a message of more than a megabyte together does not hold the interpreter; that is why it belongs on
another thread too, and so does finding out what a step says, to tell it from another: that takes a millisecond for a megabyte.
Whatever happens there, an outcome with an id comes back.
"""

from __future__ import annotations

import codecs
import logging
from typing import TYPE_CHECKING, NamedTuple

from tidegate.codecs.errors import NOBODY, CodecError, Form, Subject
from tidegate.codecs.messages import Step
from tidegate.errors import InternalError, TidegateError
from tidegate.models.streams.content import content

if TYPE_CHECKING:
    from tidegate.codecs.reader import Reader, Received
    from tidegate.codecs.steps import Steps

JOINED_BYTES = 1024 * 1024
"""Fewer are put together at once by whoever has them."""

_log = logging.getLogger("tidegate.gateway")


class Decoded(NamedTuple):
    """What became of a message.

    Attributes:
        payload: its bytes.
        got: the message, or the error that answers it.
        subject: what an answer may name of the message, as far as it could be read, if there is an error.
        form: how it was written, if there is an error.
    """

    payload: bytes
    got: Received | TidegateError
    subject: Subject
    form: Form


def decode(reader: Reader, parts: list[bytes], *, is_text: bool) -> Steps[Decoded]:
    """Decode a message of which the bytes come in parts; they are forgotten at once.

    Raises:
        UnicodeDecodeError: if it is a text message that is not UTF-8.
    """
    if is_text:
        yield from _check_utf8(parts)
    payload = b"".join(parts)
    while parts:  # one by one: to give much memory back to the system takes long, and holds the interpreter
        parts.pop()
        yield
    form = Form.TEXT if is_text else Form.MSGPACK
    try:
        received = yield from (reader.text_steps if is_text else reader.binary_steps)(payload)
        if type(received.message) is Step:
            yield
            received.context = content(received.tensors, received.message.parameters)
    except CodecError as error:
        return Decoded(payload, error, error.subject, error.form or form)
    except Exception:
        _log.exception("a message could not be decoded")
        why = InternalError("the message could not be decoded; the gateway's log says more")
        return Decoded(payload, why, reader.identify(payload, is_text=is_text), form)
    return Decoded(payload, received, NOBODY, form)


def _check_utf8(parts: list[bytes]) -> Steps[None]:
    check = codecs.getincrementaldecoder("utf-8")().decode
    for part in parts:
        check(part)
        yield
    check(b"", final=True)
