"""Bytes of one message → the message, its tensors and the form it came in; nothing but ``CodecError`` is ever raised.

A gateway reads what clients send, an SDK what servers send. This module does not know sockets, frames in pieces or close codes:
it is handed whole messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from . import diagnosis, frames, json_data, large_text, tensors
from .checks import tensor_headers
from .datatypes import Array  # noqa: TC001 - msgspec reads the annotations
from .errors import NOBODY, CodecError, Fault, Form, Subject
from .limits import DEFAULT_LIMITS, HEADER_MAX_BYTES, MIB, Limits
from .messages import CLIENT_OPS, SERVER_OPS, ClientMessage, ServerMessage
from .steps import finish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .steps import Steps
    from .tensors import Later

# Looked up once: an enum member costs a dictionary look-up each time.
_MSGPACK, _JSON, _TEXT = Form.MSGPACK, Form.JSON, Form.TEXT

# A larger text is refused without looking for what it names, which can take 2 ms for each MiB.
_SKIMMED_BYTES = 2 * MIB


class Received(Struct, gc=False):
    """One message as read.

    Attributes:
        message: the message; None for an op that this version does not know, which clients ignore.
        tensors: its tensors by name, in order; read-only, and views on the message's bytes where they came as bytes.
        form: how it was written, and so how an answer should be.
        context: a place for the reader's user to keep what it found out about the message.
    """

    message: Any
    tensors: dict[str, Array]
    form: Form
    context: Any = None


class Reader:
    """Reads the messages that one side may send. It keeps no state: one reader serves all connections, in any thread.

    Args:
        messages: the union of messages to accept.
        limits: what is refused as too large.
        ops: the ops of those messages.
        ignore_unknown: whether a message with another op is given as None instead of refused.
    """

    def __init__(
        self,
        messages: Any,
        limits: Limits = DEFAULT_LIMITS,
        *,
        ops: Sequence[str] = CLIENT_OPS,
        ignore_unknown: bool = False,
    ) -> None:
        self.limits = limits
        self._ops = ops
        self._ignore_unknown = ignore_unknown
        self._header_bytes = min(limits.header_bytes, HEADER_MAX_BYTES)
        self._decode_msgpack = msgspec.msgpack.Decoder(messages).decode
        self._decode_json = msgspec.json.Decoder(messages).decode

    def binary(self, data: bytes, later: Later | None = None) -> Received:
        """Read a binary message. The tensors view ``data``, which lives as long as any of them.

        Args:
            data: the message.
            later: see ``tensors.read``.

        Raises:
            CodecError: if it is not a message that the protocol allows.
        """
        try:
            if len(data) > self.limits.message_bytes:
                raise Fault("too_large", "", f"a binary message of at most {self.limits.message_bytes} bytes", f"{len(data)}")
            header, start = frames.split(data, self._header_bytes)
        except Fault as fault:
            raise _unframed(fault, data) from None
        form = _JSON if header.startswith(b"{") else _MSGPACK
        try:
            message = self._decode_msgpack(header) if form is _MSGPACK else self._decode_json(_utf8(header))
        except (ValueError, RecursionError) as error:
            return self._undecodable(error, header, form)
        try:
            headers, field = tensor_headers(message, len(header), self.limits)
            return Received(message, tensors.read(headers, data, start, self.limits, field, later), form)
        except Fault as fault:
            raise _refusal(fault, message, form) from None

    def binary_steps(self, data: bytes) -> Steps[Received]:
        """Read a large binary message without doing much at a time; see ``binary``."""
        later: Later = []
        received = self.binary(data, later)
        for name, place, steps in later:
            try:
                received.tensors[name] = yield from steps
            except Fault as fault:
                raise _refusal(fault.within(place), received.message, received.form) from None
        return received

    def text(self, data: bytes | str) -> Received:
        """Read a text message.

        Raises:
            CodecError: if it is not a message that the protocol allows.
        """
        try:
            text = data.encode() if isinstance(data, str) else data
        except UnicodeEncodeError:
            raise Fault("invalid_message", "", "text that UTF-8 can carry", "a lone surrogate").error(NOBODY, _TEXT) from None
        self._check_size(text)
        try:
            message = self._decode_json(_utf8(text))
        except (ValueError, RecursionError) as error:
            return self._undecodable(error, text, _TEXT)
        try:
            headers, field = tensor_headers(message, len(text), self.limits)
            return Received(message, finish(json_data.read(headers, self.limits, field)), _TEXT)
        except Fault as fault:
            raise _refusal(fault, message, _TEXT) from None

    def text_steps(self, text: bytes) -> Steps[Received]:
        """Read a large text message of a client, known to be UTF-8, without doing much at a time; see ``text``.

        Besides what ``text`` refuses, it refuses one that without its ``data`` is larger than a header may be.
        """
        self._check_size(text)
        try:
            rest, data = yield from large_text.take_apart(text, self.limits)
        except Fault as fault:
            raise fault.error(self.identify(text, is_text=True), _TEXT) from None
        except (ValueError, RecursionError) as error:
            return self._undecodable(error, text, _TEXT)
        try:
            message = self._decode_json(rest)
        except (ValueError, RecursionError) as error:
            return self._undecodable(error, rest, _TEXT)
        yield
        try:
            headers, field = tensor_headers(message, len(rest), self.limits)
            headers = [msgspec.structs.replace(header, data=raw) for header, raw in zip(headers, data, strict=True)]
            return Received(message, (yield from json_data.read(headers, self.limits, field)), _TEXT)
        except Fault as fault:
            raise _refusal(fault, message, _TEXT) from None

    def identify(self, data: bytes, *, is_text: bool) -> Subject:
        """Read what a message names that could not be read otherwise; nothing if that fails too. Never raises."""
        try:
            header = large_text.identity(data) if is_text else frames.header_of(data)
            return NOBODY if header is None else diagnosis.subject_of(header, _form_of(header))
        except (ValueError, RecursionError):
            return NOBODY

    def _check_size(self, text: bytes) -> None:
        if len(text) > self.limits.text_bytes:
            fault = Fault("too_large", "", f"a text message of at most {self.limits.text_bytes} bytes", f"{len(text)}")
            raise fault.error(self.identify(text, is_text=True) if len(text) <= _SKIMMED_BYTES else NOBODY, _TEXT)

    def _undecodable(self, error: Exception, text: bytes, form: Form) -> Received:
        if self._ignore_unknown and isinstance(error, msgspec.ValidationError):
            op = diagnosis.op_of(text, form)
            if op is not None and op not in self._ops:
                return Received(None, {}, form)
        raise diagnosis.undecodable(error, text, form, self._ops).error(diagnosis.subject_of(text, form), form) from None


def client_messages(limits: Limits = DEFAULT_LIMITS) -> Reader:
    """Make the reader of a gateway: what clients send. An unknown op is an error."""
    return Reader(ClientMessage, limits, ops=CLIENT_OPS)


def server_messages(limits: Limits = DEFAULT_LIMITS) -> Reader:
    """Make the reader of an SDK: what servers send. A message with an unknown op is given as None, to be ignored."""
    return Reader(ServerMessage, limits, ops=SERVER_OPS, ignore_unknown=True)


def _utf8(text: bytes) -> bytes:
    # msgspec looks at the text of known fields only, and JSON must be UTF-8 throughout.
    if not text.isascii():
        text.decode()
    return text


def _refusal(fault: Fault, message: Any, form: Form) -> CodecError:
    def read(field: str) -> Any:
        # What is at fault itself names nothing.
        return None if fault.param == field else getattr(message, field, None)

    return fault.error(diagnosis.subject(message.__struct_config__.tag, read), form)


def _unframed(fault: Fault, data: bytes) -> CodecError:
    header = frames.header_of(data)
    if header is None:
        return fault.error(NOBODY, None)
    form = _form_of(header)
    return fault.error(diagnosis.subject_of(header, form), form)


def _form_of(header: bytes) -> Form:
    return _JSON if header.startswith(b"{") else _MSGPACK
