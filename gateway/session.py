"""The protocol of one connection: messages in, messages out. Knows no socket, no frame and no clock; takes ``now``.

Every request that was read gets exactly one answer with its id. The only state is which ids are live.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from tidegate.codecs.errors import CodecError, Form
from tidegate.codecs.messages import Cancel, Goaway, Infer, ModelList, Models, Ping, Pong
from tidegate.codecs.writer import encode
from tidegate.errors import DuplicateId, InternalError, Overloaded, ShuttingDown, TidegateError, TooLarge
from tidegate.models.client import Client
from tidegate.models.request import NEVER, Request

from .large_messages import JOINED_BYTES, Decoded, decode
from .large_result import LargeResult
from .metrics import OTHER
from .own_messages import error_message, greeting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.codecs.known_headers import KnownHeader
    from tidegate.codecs.messages import Id, Message
    from tidegate.codecs.reader import Received
    from tidegate.codecs.steps import Steps
    from tidegate.models.batch import Run
    from tidegate.models.request import Answer, Kind
    from tidegate.results import Array

    from .hub import Hub
    from .link import Link

    Written = tuple[list[bytes | memoryview], int]

MSGPACK, TEXT = Form.MSGPACK, Form.TEXT  # looking a member up in its class takes longer than comparing it

_log = logging.getLogger("tidegate.gateway")


class Session:
    """One client's conversation."""

    __slots__ = (
        "_client",
        "_closed",
        "_enqueue",
        "_hub",
        "_known",
        "_link",
        "_live",
        "_most",
        "_most_bytes",
        "_reader",
        "_received",
        "_write",
    )

    def __init__(self, hub: Hub, link: Link) -> None:
        self._client = Client()
        self._hub = hub
        self._link = link
        self._reader = hub.reader
        self._known = hub.known_headers
        self._enqueue = hub.engine.enqueue
        self._write = hub.answers.write
        self._most_bytes = hub.settings.outbound_bytes
        self._received = hub.metrics.messages_received.values
        self._most = hub.settings.in_flight
        self._live: dict[Id, Request] = {}
        self._closed = False

    @property
    def live(self) -> int:
        """How many requests wait for their answer."""
        return len(self._live)

    # Bytes come in.

    def binaries(self, payloads: Sequence[bytes], now: float) -> None:
        """Take binary messages."""
        find = self._known.find
        alone = len(payloads) == 1
        for payload in payloads:
            try:
                found = find(payload)
                if found is None or not self._infer_known(found, payload, now, alone=alone):
                    self._binary(payload, now)
            except Exception:
                _log.exception("a message could not be served")
                self._refuse(None, MSGPACK, _defect(), OTHER)

    def _binary(self, payload: bytes, now: float) -> None:
        try:
            received = self._reader.binary(payload)
        except CodecError as error:
            self._unreadable(error, error.form or MSGPACK, error.id, now)
        else:
            self._take_binary(received, payload, now)

    def _take_binary(self, received: Received, payload: bytes, now: float) -> None:
        kind = self._take(received, now)
        if kind is not None and received.form is MSGPACK:
            self._learn(kind, payload, received)

    def text(self, payload: str, now: float) -> None:
        """Take one text message."""
        try:
            received = self._reader.text(payload)
        except CodecError as error:
            self._unreadable(error, TEXT, error.id, now)
        else:
            self._take(received, now)

    def large(self, parts: list[bytes], *, is_text: bool, now: float) -> Steps[Decoded] | None:
        """Take a large message that comes in parts; return how to decode it, or None when it has been served at once."""
        if not is_text and sum(map(len, parts)) <= JOINED_BYTES:
            payload = b"".join(parts)
            found = self._known.find(payload)
            if found is not None and self._infer_known(found, payload, now, alone=True):
                return None
            parts = [payload]
        return decode(self._reader, parts, is_text=is_text)

    def decoded(self, outcome: Decoded | Exception, now: float) -> None:
        """Take what became of a large message that was complete at ``now``."""
        if isinstance(outcome, Exception):
            _log.error("a message could not be decoded", exc_info=outcome)
            self._refuse(None, TEXT, _defect(), OTHER)
        elif isinstance(outcome.got, TidegateError):
            self._unreadable(outcome.got, outcome.form, outcome.id, now)
        else:
            self._take_binary(outcome.got, outcome.payload, now)

    def _take(self, received: Received, now: float) -> Kind | None:
        """Do what a message asks for; return the kind of a request that was admitted."""
        message, form = received.message, received.form
        self._received[form.value] += 1
        try:
            if type(message) is Infer:
                return self._infer(message, received.tensors, form, now)
            if type(message) is Cancel:
                self._cancel(message)
            elif type(message) is not Pong and message.id in self._live:
                self._duplicate(message.id, form)
            elif type(message) is Ping:
                self._send(Pong(id=message.id), form)
            elif type(message) is Models:
                self._list_models(message.id, form)
        except TidegateError as error:
            self._refuse(message.id, form, error, OTHER)
        except Exception:
            _log.exception("a message could not be served")
            if type(message) is Infer:
                self._live.pop(message.id, None)
            self._refuse(message.id, form, _defect(), OTHER)
        return None

    def _list_models(self, id_: Id, form: Form) -> None:
        try:
            self._send(ModelList(id=id_, models=self._hub.engine.models()), form)
        except TooLarge as error:
            why = f"the list of models is too long for a binary message: {error.message}"
            raise TooLarge(why, expected="the question as text, or GET /models") from None

    # Requests.

    def _infer(self, message: Infer, tensors: dict[str, Array], form: Form, now: float) -> Kind | None:
        if message.id in self._live:
            self._duplicate(message.id, form)
            return None
        try:
            self._check_room()
            arrays, kind = self._admit(message, tensors)
            request = Request(kind, (message.id, form), arrays, self, self._client, now, now + _timeout_s(message))
            self._enqueue(request)
        except TidegateError as error:
            self._refuse(message.id, form, error, message.model_name)
            return None
        self._live[message.id] = request
        return kind

    def _admit(self, message: Infer, tensors: dict[str, Array]) -> tuple[list[Array], Kind]:
        worker = self._hub.engine.catalogue.find(message.model_name, message.model_version)
        outputs = tuple([output.name for output in message.outputs]) if message.outputs else None
        return worker.admission.check(tensors, outputs, message.priority)

    def _infer_known(self, found: tuple[KnownHeader, int, int], payload: bytes, now: float, *, alone: bool) -> bool:
        """Take a request whose like was admitted before; False if it must go the long way."""
        known, id_, header_end = found
        live = self._live
        if id_ in live or len(live) >= self._most or self._hub.draining:
            return False
        arrays = known.tensors(payload, header_end)
        if arrays is None:
            return False
        order, kind, timeout_s = known.context
        if order is not None:
            arrays = [arrays[index] for index in order]
        request = Request(kind, (id_, MSGPACK), arrays, self, self._client, now, now + timeout_s)
        self._received["msgpack"] += 1
        try:
            self._enqueue(request, alone=alone)
        except TidegateError as error:
            self._refuse(id_, Form.MSGPACK, error, known.message.model_name)
        else:
            live[id_] = request
        return True

    def _learn(self, kind: Kind, payload: bytes, received: Received) -> None:
        """Remember the header of a request that was admitted, if the next like it needs no look at its values."""
        admission = kind.worker.admission
        if admission.depends_on_values:
            return
        known = self._known.learn(payload, received.message, list(received.tensors.values()))
        if known is not None:
            order = [known.names.index(name) for name in admission.names]
            known.context = (order if order != sorted(order) else None, kind, _timeout_s(received.message))

    def _check_room(self) -> None:
        if self._hub.draining:
            self._hub.metrics.refused.add("draining")
            raise ShuttingDown("the gateway is about to stop; not executed")
        if len(self._live) >= self._most:
            why = f"{self._most} requests of this connection are in flight, and no more may be; not executed"
            raise Overloaded(why, bound="in_flight")

    def _cancel(self, message: Cancel) -> None:
        request = self._live.get(message.id)
        if request is None:
            self._hub.metrics.model(OTHER).cancelled.add("too_late")
        else:
            self._cancel_request(request)

    def _cancel_request(self, request: Request) -> None:
        outcome = self._hub.engine.cancel(request)
        self._hub.metrics.model(request.kind.worker.model.name).cancelled.add(outcome)

    def finished(self, run: Run, answers: Sequence[Answer]) -> None:
        """Send results (see ``Sink``)."""
        payloads: list[bytes] = []
        texts = 0
        live, write, most = self._live, self._write, self._most_bytes
        for request, start, stop in answers:
            id_, form = request.tag
            if live.get(id_) is not request:
                continue
            del live[id_]
            try:
                payload = write(id_, form, request, run, start, stop)
                if isinstance(payload, LargeResult):
                    self._finish_large(request, run, payload)
                    continue
                if len(payload) > most or self._link.backlog > 2 * most:
                    raise self._too_much(len(payload))
            except Exception as error:
                self._refuse(id_, form, self._why_not_written(error, run.model.name), run.model.name)
                continue
            if form is TEXT:
                texts += 1
                self._link.post(payload, text=True)
            else:
                payloads.append(payload)
        self._link.send_now(payloads)
        self._hub.metrics.model(run.model.name).requests.values["ok"] += len(payloads) + texts

    def _finish_large(self, request: Request, run: Run, result: LargeResult) -> None:
        id_, form = request.tag
        name = run.model.name
        if not result.slow:
            self._post_large(form, *result.pieces(), name)
            return
        if result.nbytes > self._most_bytes or self._link.backlog > 2 * self._most_bytes:
            raise self._too_much(result.nbytes)
        self._live[id_] = request  # it has no answer yet
        self._link.owe(result.nbytes)
        self._hub.encode(self, result.pieces, partial(self._written, request, result.nbytes, name))

    def _written(self, request: Request, owed: int, model: str, made: Written | Exception) -> None:
        """Send what was written on another thread, unless the client has gone meanwhile."""
        self._link.owe(-owed)
        id_, form = request.tag
        if self._closed or self._live.get(id_) is not request:
            return
        del self._live[id_]
        try:
            if isinstance(made, Exception):
                raise made
            self._post_large(form, *made, model)
        except Exception as error:
            self._refuse(id_, form, self._why_not_written(error, model), model)

    def _post_large(self, form: Form, pieces: Sequence[bytes | memoryview], surplus: int, model: str) -> None:
        nbytes = sum(map(len, pieces))
        if nbytes > self._most_bytes or self._link.backlog > 2 * self._most_bytes:
            raise self._too_much(nbytes)
        self._link.post_pieces(pieces, surplus, text=form is TEXT)
        self._hub.metrics.model(model).requests.values["ok"] += 1

    def _too_much(self, nbytes: int) -> TooLarge:
        return TooLarge(f"the result takes {nbytes} bytes, {self._link.backlog} wait to be read already")

    def _why_not_written(self, error: Exception, model: str) -> TidegateError:
        if isinstance(error, TidegateError):
            return error
        _log.error("a result of %s could not be written", model, exc_info=error)
        return InternalError("the result could not be written; the gateway's log says why")

    def failed(self, request: Request, error: TidegateError) -> None:
        """Send an error that ends a request (see ``Sink``)."""
        id_, form = request.tag
        if self._live.get(id_) is request:
            del self._live[id_]
            self._refuse(id_, form, error, request.kind.worker.model.name)

    # Errors.

    def _unreadable(self, error: TidegateError, form: Form, id_: Id | None, now: float) -> None:
        self._received[form.value] += 1
        if id_ in self._live and id_ is not None:
            # The id belongs to a request that runs undisturbed; this error must not look like its end.
            self._duplicate(id_, form)
        else:
            self._refuse(id_, form, error, OTHER)
        self._link.of_no_use(1, now)

    def _duplicate(self, id_: Id, form: Form) -> None:
        error = DuplicateId(
            f"id {id_!r} belongs to a request that has no answer yet", param="id", expected="an id that is free"
        )
        self._hub.metrics.model(OTHER).requests.add(error.code)
        self._send(error_message(None, error, duplicate_of=id_), form)

    def _refuse(self, id_: Id | None, form: Form, error: TidegateError, model: str) -> None:
        if isinstance(error, Overloaded) and error.bound is not None:
            self._hub.metrics.refused.add(error.bound)
        self._hub.metrics.model(model).requests.add(error.code)
        self._send(error_message(id_, error), form)

    # Messages of the gateway itself.

    def hello(self) -> None:
        """Say who is here and what is allowed; the first message of a connection."""
        self._send(greeting(self._hub.settings), Form.TEXT)

    def ping(self) -> None:
        """Ask whether the client is there."""
        self._send(Ping(), Form.TEXT)

    def goaway(self, time_left_ms: int, reason: str) -> None:
        """Announce the end of the connection."""
        self._send(Goaway(time_left_ms=time_left_ms, reason=reason), Form.TEXT)

    def close(self) -> None:
        """Cancel everything that the client asked for; nothing is sent any more."""
        self._closed = True
        self._hub.encoder.forget(self)
        for request in tuple(self._live.values()):
            self._cancel_request(request)

    def _send(self, message: Message, form: Form) -> None:
        if not self._closed:
            self._link.post(encode(message, form), text=form is Form.TEXT)


def _defect() -> InternalError:
    return InternalError("a defect; the gateway's log says more")


def _timeout_s(message: Infer) -> float:
    return NEVER if message.timeout_ms is None else message.timeout_ms / 1000
