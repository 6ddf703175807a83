"""The requests of one connection: each ``infer`` that was read gets exactly one answer with its id. Takes ``now``.

Knows no socket and no frame; what streams do is their own affair (see ``stream_ops``), but for the ids that they share.

Bound: ids without an answer (``in_flight``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tidegate.codecs.errors import Form, Subject
from tidegate.errors import Overloaded, ShuttingDown, TidegateError
from tidegate.models.client import Client
from tidegate.models.request import NEVER, Request

from .counts import OTHER
from .large_result import LargeResult
from .replies import why_not_written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.codecs.known_headers import KnownHeader
    from tidegate.codecs.messages import Cancel, Infer
    from tidegate.codecs.parts import Id
    from tidegate.codecs.reader import Received
    from tidegate.models.batch import Run
    from tidegate.models.request import Answer, Kind
    from tidegate.results import Array

    from .hub import Hub
    from .link import Link
    from .replies import Replies, Written

MSGPACK, TEXT = Form.MSGPACK, Form.TEXT  # looking a member up in its class takes longer than comparing it


class Question:
    """What lives under an id that is no request: it is answered in time, and cannot be cancelled."""

    __slots__ = ()


class Requests:
    """What one client has asked for and has no answer to.

    Attributes:
        live: by id.
        client: whose turn they use.
        begun: whether the client has asked for anything yet, of whatever kind.
    """

    __slots__ = (
        "_enqueue",
        "_hub",
        "_link",
        "_most",
        "_most_bytes",
        "_received",
        "_replies",
        "_session",
        "_write",
        "begun",
        "client",
        "live",
    )

    def __init__(self, hub: Hub, link: Link, replies: Replies, session: str) -> None:
        self.live: dict[Id, Request | Question] = {}
        self.client = Client()
        self.begun = False
        self._hub = hub
        self._link = link
        self._replies = replies
        self._session = session
        self._enqueue = hub.engine.enqueue
        self._write = hub.answers.write
        self._most = hub.settings.in_flight
        self._most_bytes = hub.settings.outbound_bytes
        self._received = hub.metrics.messages_received.values

    # They come.

    def infer(self, message: Infer, tensors: dict[str, Array], form: Form, now: float) -> Kind | None:
        """Take a request; return its kind if it was admitted."""
        self.begun = True
        if message.id in self.live:
            self._replies.duplicate(message.id, form)
            return None
        publication = None
        try:
            self._check_room()
            arrays, kind = self._admit(message, tensors)
            if message.publish is not None:
                publication = self._hub.publications.request(self._session, message.publish, self)
            sink = publication or self
            request = Request(kind, (message.id, form), arrays, sink, self.client, now, now + _timeout_s(message))
            self._enqueue(request)
        except TidegateError as error:
            if publication is not None:
                publication.forget()
            self._replies.refuse(Subject(message.id), form, error, message.model_name)
            return None
        self.live[message.id] = request
        return kind

    def _admit(self, message: Infer, tensors: dict[str, Array]) -> tuple[list[Array], Kind]:
        worker = self._hub.engine.catalogue.find(message.model_name, message.model_version)
        outputs = tuple([output.name for output in message.outputs]) if message.outputs else None
        return worker.admission.check(tensors, outputs, message.priority)

    def infer_known(self, found: tuple[KnownHeader, int, int], payload: bytes, now: float, *, alone: bool) -> bool:
        """Take a request whose like was admitted before; False if it must go the long way."""
        known, id_, header_end = found
        live = self.live
        if id_ in live or len(live) >= self._most or self._hub.draining:
            return False
        arrays = known.tensors(payload, header_end)
        if arrays is None:
            return False
        order, kind, timeout_s = known.context
        if order is not None:
            arrays = [arrays[index] for index in order]
        request = Request(kind, (id_, MSGPACK), arrays, self, self.client, now, now + timeout_s)
        self.begun = True
        self._received["msgpack"] += 1
        try:
            self._enqueue(request, alone=alone)
        except TidegateError as error:
            self._replies.refuse(Subject(id_), MSGPACK, error, known.message.model_name)
        else:
            live[id_] = request
        return True

    def learn(self, kind: Kind, payload: bytes, received: Received) -> None:
        """Remember the header of a request that was admitted, if the next like it needs no look at its values."""
        admission = kind.worker.admission
        if admission.depends_on_values or received.message.publish is not None:
            return
        known = self._hub.known_headers.learn(payload, received.message, list(received.tensors.values()))
        if known is not None:
            order = [known.names.index(name) for name in admission.names]
            known.context = (order if order != sorted(order) else None, kind, _timeout_s(received.message))

    def _check_room(self) -> None:
        if self._hub.draining:
            self._hub.metrics.refused.add("draining")
            raise ShuttingDown("the gateway is about to stop; not executed")
        self._check_in_flight()

    def _check_in_flight(self) -> None:
        if len(self.live) >= self._most:
            why = f"{self._most} requests of this connection are in flight, and no more may be; not executed"
            raise Overloaded(why, bound="in_flight")

    def ask(self, id_: Id) -> None:
        """Let an id be live that is no request's; see ``answered``.

        Raises:
            Overloaded: too many are.
        """
        self._check_in_flight()
        self.live[id_] = Question()

    def answered(self, id_: Id) -> None:
        """Take note that what was asked with ``ask`` has its answer."""
        self.live.pop(id_, None)

    def cancel(self, message: Cancel) -> None:
        """Give a request up, if it has no answer yet."""
        request = self.live.get(message.id) if message.id is not None else None
        if isinstance(request, Request):
            self._cancel(request)
        else:
            self._hub.metrics.model(OTHER).cancelled.add("too_late")

    def cancel_all(self) -> None:
        """Give everything up."""
        for request in tuple(self.live.values()):
            if isinstance(request, Request):
                self._cancel(request)

    def _cancel(self, request: Request) -> None:
        outcome = self._hub.engine.cancel(request)
        self._hub.metrics.model(request.kind.worker.model.name).cancelled.add(outcome)

    # They are answered.

    def finished(self, run: Run, answers: Sequence[Answer]) -> None:
        """Send results (see ``Sink``)."""
        payloads: list[bytes] = []
        texts = 0
        live, write, most = self.live, self._write, self._most_bytes
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
                    self._replies.check_room(len(payload))
            except Exception as error:
                self._replies.refuse(Subject(id_), form, why_not_written(error, run.model.name), run.model.name)
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
        self._replies.write_elsewhere(result, partial(self._written, request, name))
        self.live[id_] = request  # it has no answer yet

    def _written(self, request: Request, model: str, made: Written | Exception) -> None:
        """Send what was written on another thread, unless the request was cancelled meanwhile."""
        id_, form = request.tag
        if self.live.get(id_) is not request:
            return
        del self.live[id_]
        try:
            if isinstance(made, Exception):
                raise made
            self._post_large(form, *made, model)
        except Exception as error:
            self._replies.refuse(Subject(id_), form, why_not_written(error, model), model)

    def _post_large(self, form: Form, pieces: Sequence[bytes | memoryview], surplus: int, model: str) -> None:
        self._replies.post_pieces(form, pieces, surplus)
        self._hub.metrics.model(model).requests.values["ok"] += 1

    def failed(self, request: Request, error: TidegateError) -> None:
        """Send an error that ends a request (see ``Sink``)."""
        id_, form = request.tag
        if self.live.get(id_) is request:
            del self.live[id_]
            self._replies.refuse(Subject(id_), form, error, request.kind.worker.model.name)


def _timeout_s(message: Infer) -> float:
    return NEVER if message.timeout_ms is None else message.timeout_ms / 1000
