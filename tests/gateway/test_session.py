"""One connection's conversation without a socket: whatever comes, in any order, every request gets exactly one answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import model
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.codecs.errors import Form
from tidegate.codecs.known_headers import KnownHeaders
from tidegate.codecs.known_steps import KnownSteps
from tidegate.codecs.messages import Cancel, Error, Hello, Infer, ModelList, Models, Ping, Pong, Result
from tidegate.codecs.reader import client_messages, server_messages
from tidegate.codecs.steps import finish
from tidegate.codecs.writer import encode
from tidegate.errors import Cancelled, CancelOutcome, ModelFailed, Overloaded
from tidegate.gateway.answers import Answers
from tidegate.gateway.counts import OTHER
from tidegate.gateway.metrics import Metrics
from tidegate.gateway.session import Session
from tidegate.gateway.settings import Settings
from tidegate.models.batch import Run
from tidegate.models.catalogue import Catalogue
from tidegate.models.request import Request, Status
from tidegate.models.worker import Worker

IN_FLIGHT = 4
_READER = server_messages()


class Link:
    """Where the session's messages go: each is read as a client would."""

    backlog = 0

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.useless = 0
        self._put: list[Any] = []

    def post(self, payload: bytes, *, text: bool) -> None:
        self.sent.append(_READER.text(payload) if text else _READER.binary(payload))

    def put(self, payload: bytes, *, text: bool) -> None:
        self.post(payload, text=text)

    def flush(self) -> None:
        """Everything is sent already."""

    def of_no_use(self, count: int, now: float) -> None:
        self.useless += count

    def send_now(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.post(payload, text=False)


class Engine:
    """An engine that runs a request when the test says so."""

    def __init__(self) -> None:
        self.catalogue = Catalogue([Worker(model("double"))], ())
        self.waiting: list[Request] = []
        self.full = False

    def enqueue(self, request: Request, *, alone: bool = False) -> None:
        if self.full:
            raise Overloaded("full", retry_after_ms=5)
        self.waiting.append(request)

    def go_if_alone(self) -> None:
        """Nothing is run unasked."""

    def models(self) -> list[dict[str, Any]]:
        return self.catalogue.describe()

    def finish(self, request: Request) -> None:
        self.waiting.remove(request)
        request.status = Status.DONE
        run = Run(request.kind.worker.model, 1, [2 * request.arrays[0]], 0.0, 0.001)
        request.sink.finished(run, [(request, 0, request.rows)])

    def fail(self, request: Request, error: Any) -> None:
        self.waiting.remove(request)
        request.status = Status.DONE
        request.sink.failed(request, error)

    def cancel(self, request: Request) -> CancelOutcome:
        if request.status is Status.DONE:
            return "too_late"
        outcome: CancelOutcome = "dropped" if request.status is Status.RUNNING else "removed"
        self.fail(request, Cancelled("cancelled", outcome=outcome))
        return outcome


class Desk:
    """A session, with what it talks to on both sides."""

    def __init__(self, **options: Any) -> None:
        self.engine = Engine()
        self.link = Link()
        self.metrics = Metrics({"double"})
        self.hub: Any = SimpleNamespace(
            engine=self.engine,
            reader=client_messages(),
            known_headers=KnownHeaders(),
            known_steps=KnownSteps(),
            answers=Answers(),
            encoder=SimpleNamespace(forget=lambda _: None),
            metrics=self.metrics,
            settings=Settings(in_flight=IN_FLIGHT, **options),
            draining=False,
        )
        self.session = Session(self.hub, self.link)
        self.now = 0.0

    def send(self, message: Any, form: Form = Form.MSGPACK, tensors: Any = None) -> list[Any]:
        """Let the client send a message; return what is answered at once."""
        return self.raw(encode(message, form, tensors), text=form is Form.TEXT)

    def infer(self, id_: int | str, form: Form = Form.MSGPACK, **fields: Any) -> list[Any]:
        """Let the client send a good request whose tensor holds its id."""
        x = np.full((1, 2), id_ if isinstance(id_, int) else len(id_), np.float32)
        return self.send(Infer(id=id_, model_name="double", **fields), form, {"x": x})

    def large(self, payload: bytes, *, text: bool) -> list[Any]:
        """Let the client send a large message, and let it be decoded."""
        before = len(self.link.sent)
        steps = self.session.large([payload], is_text=text, now=self.now)
        assert steps is not None
        self.now += 1
        self.session.decoded(finish(steps), self.now - 1)
        return self.link.sent[before:]

    def raw(self, payload: bytes, *, text: bool = False) -> list[Any]:
        """Let the client send bytes."""
        before = len(self.link.sent)
        if text:
            self.session.text(payload.decode(), self.now)
        else:
            self.session.binaries([payload], self.now)
        return self.link.sent[before:]


def test_hello_comes_first() -> None:
    """The first message is ``hello``, as text, with the limits."""
    desk = Desk()
    desk.session.hello()
    (hello,) = desk.link.sent
    assert isinstance(hello.message, Hello)
    assert hello.message.limits.in_flight == IN_FLIGHT
    assert hello.form is Form.TEXT


@pytest.mark.parametrize("form", Form)
def test_a_request_and_its_answer(form: Form) -> None:
    """A request is queued with what it says, and answered in its form with its id."""
    desk = Desk()
    desk.now = 10.0
    assert desk.infer(7, form, timeout_ms=500, priority=-2) == []
    (request,) = desk.engine.waiting
    assert (request.arrival, request.deadline, request.kind.priority) == (10.0, 10.5, -2)
    assert desk.session.live == 1
    desk.engine.finish(request)
    (answer,) = desk.link.sent
    assert (answer.message.id, answer.form, answer.tensors["y"].tolist()) == (7, form, [[14.0, 14.0]])
    assert desk.session.live == 0


def test_ids_are_of_two_kinds() -> None:
    """7 and "7" are different ids, and each gets its own answer."""
    desk = Desk()
    desk.infer(7)
    desk.infer("7")
    for request in list(desk.engine.waiting):
        desk.engine.finish(request)
    assert [answer.message.id for answer in desk.link.sent] == [7, "7"]


@pytest.mark.parametrize("id_", [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 - 1, "x", "é" * 32])
def test_requests_that_look_like_earlier_ones(id_: int | str) -> None:
    """The tenth request of a kind is answered as the first, whatever its id; so is one that differs a little."""
    desk = Desk()
    for number in range(10):
        desk.send(Infer(id=number, model_name="double"), Form.MSGPACK, {"x": np.full((1, 2), number, np.float32)})
        desk.engine.finish(desk.engine.waiting[0])
    desk.send(Infer(id=id_, model_name="double"), Form.MSGPACK, {"x": np.full((1, 2), 5, np.float32)})
    desk.engine.finish(desk.engine.waiting[0])
    answer = desk.link.sent[-1]
    assert (answer.message.id, answer.tensors["y"].tolist()) == (id_, [[10.0, 10.0]])
    (error,) = desk.send(Infer(id=3, model_name="double"), Form.MSGPACK, {"x": np.zeros((1, 3), np.float32)})
    assert (error.message.id, error.message.code, error.message.param) == (3, "invalid_input", "inputs[0].shape")


def test_known_requests_keep_to_the_limits() -> None:
    """Requests that look like earlier ones are refused like others: taken ids, too many in flight, a full engine, draining."""
    desk = Desk()
    for number in range(10):
        desk.infer(number)
        desk.engine.finish(desk.engine.waiting[0])
    desk.infer(1)
    (duplicate,) = desk.infer(1)
    assert (duplicate.message.code, duplicate.message.id, duplicate.message.duplicate_of) == ("duplicate_id", None, 1)
    for number in range(2, 1 + IN_FLIGHT):
        assert desk.infer(number) == []
    (surplus,) = desk.infer(50)
    assert (surplus.message.code, surplus.message.id) == ("overloaded", 50)
    desk.engine.finish(desk.engine.waiting[0])
    desk.engine.full = True
    (full,) = desk.infer(51)
    assert (full.message.code, full.message.id, full.message.retry_after_ms) == ("overloaded", 51, 5)
    desk.hub.draining = True
    (draining,) = desk.infer(52)
    assert (draining.message.code, draining.message.id, draining.message.retryable) == ("shutting_down", 52, True)
    assert desk.session.live == IN_FLIGHT - 1


def test_an_unreadable_message_with_a_live_id_is_no_end() -> None:
    """A bad message that carries the id of a live request gets an error without id; the request gets its answer."""
    desk = Desk()
    desk.infer(7)
    (error,) = desk.raw(b'{"op":"infer","id":7,"model_name":7}', text=True)
    assert (error.message.id, error.message.duplicate_of) == (None, 7)
    desk.engine.finish(desk.engine.waiting[0])
    assert isinstance(desk.link.sent[-1].message, Result)


@pytest.mark.parametrize("form", Form)
def test_control_messages(form: Form) -> None:
    """``ping`` and ``models`` are answered with their id in their form; ``pong`` and a cancel of nobody's are not answered."""
    desk = Desk()
    (pong,) = desk.send(Ping(id="a"), form)
    assert (type(pong.message), pong.message.id, pong.form) == (Pong, "a", form)
    (models,) = desk.send(Models(id=2), form)
    assert (type(models.message), models.message.id, models.message.models[0]["name"]) == (ModelList, 2, "double")
    assert desk.send(Pong(id=1), form) == []
    assert desk.send(Cancel(id=1), form) == []
    assert desk.metrics.model(OTHER).cancelled.values["too_late"] == 1
    assert desk.metrics.messages_received.values[form.value] == 4


@pytest.mark.parametrize("form", [Form.MSGPACK, Form.JSON])
def test_a_list_of_models_beyond_a_header(form: Form) -> None:
    """A list of models that no header can hold is an error with the id of the question, not the end of the connection."""
    desk = Desk()
    desk.engine.models = lambda: [{"name": "x" * 70_000}]  # type: ignore[method-assign]
    (error,) = desk.send(Models(id=2), form)
    assert (error.message.id, error.message.code) == (2, "too_large")
    assert error.message.expected == "the question as text, or GET /models"
    (whole,) = desk.send(Models(id=2), Form.TEXT)
    assert isinstance(whole.message, ModelList)


def test_an_answer_beyond_the_bound() -> None:
    """A result larger than a client may have waiting becomes an error with its id."""
    desk = Desk(outbound_bytes=4096, message_bytes=4096, text_bytes=4096)
    desk.send(Infer(id=7, model_name="double"), Form.MSGPACK, {"x": np.zeros((450, 2), np.float32)})
    request = desk.engine.waiting[0]
    run = Run(request.kind.worker.model, 450, [np.zeros((450, 20), np.float32)], 0.0, 0.1)
    request.sink.finished(run, [(request, 0, 450)])
    (error,) = desk.link.sent
    assert (error.message.id, error.message.code) == (7, "too_large")


def test_a_defect_is_an_answer_too(caplog: pytest.LogCaptureFixture) -> None:
    """A result that cannot be written, for a reason that nobody thought of, is an ``internal`` error, and is logged."""
    desk = Desk()
    desk.infer(7)
    request = desk.engine.waiting[0]
    run = Run(request.kind.worker.model, 1, ["no array"], 0.0, 0.1)  # type: ignore[list-item]
    request.sink.finished(run, [(request, 0, 1)])
    (error,) = desk.link.sent
    assert (error.message.id, error.message.code) == (7, "internal")
    assert caplog.records
    assert desk.session.live == 0


@pytest.mark.parametrize("form", Form)
def test_a_large_request(form: Form) -> None:
    """A large request is decoded in steps, and then is like any other, admitted as of when it was complete."""
    desk = Desk()
    payload = encode(Infer(id=7, model_name="double"), form, {"x": np.ones((30_000, 2), np.float32)})
    assert desk.large(payload, text=form is Form.TEXT) == []
    (request,) = desk.engine.waiting
    assert (request.arrival, request.tag, request.rows, desk.session.live) == (0.0, (7, form), 30_000, 1)
    assert request.arrays[0].all()


def test_a_large_request_that_looks_like_earlier_ones() -> None:
    """A large binary request whose header is known is served at once."""
    desk = Desk()
    for number in range(3):
        payload = encode(Infer(id=number, model_name="double"), Form.MSGPACK, {"x": np.ones((30_000, 2), np.float32)})
        steps = desk.session.large([payload[:100_000], payload[100_000:]], is_text=False, now=0.0)
        assert (steps is None) == (number == 2)
        if steps is not None:
            desk.session.decoded(finish(steps), 0.0)
    assert [request.tag[0] for request in desk.engine.waiting] == [0, 1, 2]


def test_a_large_message_that_is_wrong() -> None:
    """A large message that cannot be read, or whose decoding failed for no known reason, is answered; a live id is no end."""
    desk = Desk()
    desk.infer(7)
    payload = encode(Infer(id=7, model_name=""), Form.TEXT, {"x": np.ones((30_000, 2), np.float32)})
    (duplicate,) = desk.large(payload, text=True)
    assert (duplicate.message.id, duplicate.message.duplicate_of) == (None, 7)
    (wrong,) = desk.large(payload.replace(b'"id":7', b'"id":8'), text=True)
    assert (wrong.message.id, wrong.message.param) == (8, "model_name")
    desk.session.decoded(MemoryError(), 0.0)
    assert (desk.link.sent[-1].message.id, desk.link.sent[-1].message.code) == (None, "internal")


def test_what_cannot_be_read_is_counted() -> None:
    """Only messages that cannot be read count as useless; refused requests, duplicates and late cancels do not."""
    desk = Desk()
    for number in range(IN_FLIGHT + 2):
        desk.infer(number)
    desk.infer(1)
    desk.send(Cancel(id=99))
    desk.send(Infer(id=50, model_name="nobody"), tensors={})
    assert desk.link.useless == 0
    desk.raw(b"1234567")
    desk.raw(b"{", text=True)
    assert desk.link.useless == 2


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("question", [Ping(id=7), Models(id=7)])
def test_questions_with_a_live_id(question: Any, form: Form) -> None:
    """``ping`` and ``models`` with a request's id are refused without an id, so that they do not seem to end it."""
    desk = Desk()
    desk.infer(7)
    (error,) = desk.send(question, form)
    assert (error.message.code, error.message.id, error.message.duplicate_of, error.form) == ("duplicate_id", None, 7, form)
    desk.engine.finish(desk.engine.waiting[0])
    (answer,) = desk.send(question, form)
    assert answer.message.id == 7


class Conversation(RuleBasedStateMachine):
    """One connection under any order of events, against a model that only counts."""

    ids = st.sampled_from([0, 1, 2, 300, 2**40, "a", "b"])
    forms = st.sampled_from(list(Form))

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.live: dict[int | str, Form] = {}
        self.open = True

    def expect(self, got: list[Any], *wanted: tuple[type, int | str | None, str | None]) -> None:
        """Check what was said just now: kind, id, and code of errors."""
        said = [(type(one.message), one.message.id, getattr(one.message, "code", None)) for one in got]
        assert said == [*wanted]

    @precondition(lambda self: self.open)
    @rule(id_=ids, form=forms)
    def infer(self, id_: int | str, form: Form) -> None:
        """A good request: accepted, a duplicate, or refused for a reason of the moment."""
        got = self.desk.infer(id_, form)
        if id_ in self.live:
            self.expect(got, (Error, None, "duplicate_id"))
            assert got[0].message.duplicate_of == id_
        elif self.desk.hub.draining:
            self.expect(got, (Error, id_, "shutting_down"))
        elif len(self.live) >= IN_FLIGHT or self.desk.engine.full:
            self.expect(got, (Error, id_, "overloaded"))
        else:
            self.expect(got)
            self.live[id_] = form

    @precondition(lambda self: self.open)
    @rule(id_=ids, form=forms)
    def infer_wrongly(self, id_: int | str, form: Form) -> None:
        """A request for a model that does not exist: the id stays free, or its request undisturbed."""
        got = self.desk.send(Infer(id=id_, model_name="nobody"), form, {})
        code = "shutting_down" if self.desk.hub.draining else "overloaded" if len(self.live) >= IN_FLIGHT else "unknown_model"
        self.expect(got, (Error, None, "duplicate_id") if id_ in self.live else (Error, id_, code))

    @precondition(lambda self: self.open)
    @rule(id_=ids, form=forms)
    def cancel(self, id_: int | str, form: Form) -> None:
        """A cancel: the target's own end at once, in the target's form, or nothing."""
        got = self.desk.send(Cancel(id=id_), form)
        if id_ in self.live:
            self.expect(got, (Error, id_, "cancelled"))
            assert got[0].form is self.live.pop(id_)
        else:
            self.expect(got)

    @precondition(lambda self: self.open)
    @rule(id_=ids, form=forms)
    def ping(self, id_: int | str, form: Form) -> None:
        """A ping: answered, unless its id is a request's."""
        got = self.desk.send(Ping(id=id_), form)
        self.expect(got, (Error, None, "duplicate_id") if id_ in self.live else (Pong, id_, None))

    @precondition(lambda self: self.open)
    @rule(data=st.binary(max_size=40))
    def garbage(self, data: bytes) -> None:
        """Any bytes: one error."""
        (got,) = self.desk.raw(data)
        assert isinstance(got.message, Error)

    @precondition(lambda self: self.desk.engine.waiting)
    @rule(data=st.data(), good=st.booleans())
    def answer(self, data: st.DataObject, *, good: bool) -> None:
        """The engine answers any of its requests; if the client is gone, nobody hears it."""
        request = data.draw(st.sampled_from(self.desk.engine.waiting))
        id_, _ = request.tag
        before = len(self.desk.link.sent)
        if good:
            self.desk.engine.finish(request)
        else:
            self.desk.engine.fail(request, ModelFailed("no"))
        got = self.desk.link.sent[before:]
        self.expect(got, (Result, id_, None) if good else (Error, id_, "model_failed"))
        assert got[0].form is self.live.pop(id_)
        if good:
            assert got[0].tensors["y"][0, 0] == 2 * (id_ if isinstance(id_, int) else len(id_))

    @precondition(lambda self: self.desk.engine.waiting)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """The engine begins to run a request: a cancel drops it from now on."""
        data.draw(st.sampled_from(self.desk.engine.waiting)).status = Status.RUNNING

    @rule(full=st.booleans())
    def fill(self, *, full: bool) -> None:
        """The engine has room, or has none."""
        self.desk.engine.full = full

    @precondition(lambda self: self.open)
    @rule()
    def drain(self) -> None:
        """The gateway is about to stop."""
        self.desk.hub.draining = True

    @precondition(lambda self: self.open)
    @rule()
    def close(self) -> None:
        """The connection is gone: everything is cancelled, nothing is said."""
        before = len(self.desk.link.sent)
        self.desk.session.close(self.desk.now)
        assert len(self.desk.link.sent) == before
        assert not self.desk.engine.waiting
        self.live.clear()
        self.open = False

    @invariant()
    def agree(self) -> None:
        """The session, the engine and the model of both have the same requests, never more than may be in flight."""
        assert self.desk.session.live == len(self.live) == len(self.desk.engine.waiting) <= IN_FLIGHT
        assert {request.tag[0] for request in self.desk.engine.waiting} == set(self.live)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
