"""Results that are too large for the event loop: written elsewhere, in any order, and still one answer for each request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes import model
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.codecs.errors import Form
from tidegate.codecs.known_headers import KnownHeaders
from tidegate.codecs.known_steps import KnownSteps
from tidegate.codecs.messages import Cancel, Infer
from tidegate.codecs.reader import client_messages, server_messages
from tidegate.codecs.writer import encode
from tidegate.gateway.answers import Answers
from tidegate.gateway.counts import OTHER
from tidegate.gateway.metrics import Metrics
from tidegate.gateway.session import Session
from tidegate.gateway.settings import Settings
from tidegate.models.batch import Run
from tidegate.models.catalogue import Catalogue
from tidegate.models.request import Request, Status
from tidegate.models.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

_READER = server_messages()
LIMITS = {"outbound_bytes": 1 << 20, "message_bytes": 1 << 20, "text_bytes": 1 << 18}
MANY = 50_000  # elements: too many for text on the event loop


class Link:
    """Where messages go; each is read as a client would."""

    def __init__(self) -> None:
        self.backlog = 0
        self.owed = 0
        self.surplus: list[int] = []
        self.sent: list[Any] = []

    def post(self, payload: bytes, *, text: bool) -> None:
        self.sent.append(_READER.text(payload) if text else _READER.binary(payload))

    def post_pieces(self, pieces: list[Any], surplus: int, *, text: bool) -> None:
        self.surplus.append(surplus)
        self.post(b"".join(pieces), text=text)

    def owe(self, nbytes: int) -> None:
        self.owed += nbytes
        assert self.owed >= 0

    def send_now(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.post(payload, text=False)


class Scene:
    """A session between a link, an engine that runs what it is told to, and a thread that writes when it is told to."""

    def __init__(self, **options: Any) -> None:
        self.link = Link()
        self.waiting: list[Request] = []
        self.jobs: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self.metrics = Metrics({"double"})
        self.engine = SimpleNamespace(
            catalogue=Catalogue([Worker(model("double"))], ()),
            enqueue=lambda request, **_: self.waiting.append(request),
            cancel=self.cancel,
        )
        self.hub: Any = SimpleNamespace(
            engine=self.engine,
            reader=client_messages(),
            known_headers=KnownHeaders(),
            known_steps=KnownSteps(),
            answers=Answers(),
            metrics=self.metrics,
            settings=Settings(**LIMITS, **options),
            draining=False,
            encode=lambda _, write, done: self.jobs.append((write, done)),
            encoder=SimpleNamespace(forget=lambda _: None),
        )
        self.session = Session(self.hub, self.link)  # type: ignore[arg-type]

    def ask(self, id_: int | str, form: Form = Form.MSGPACK) -> Request | None:
        """Let the client ask; return the request if it was taken."""
        before = len(self.waiting)
        self.say(Infer(id=id_, model_name="double"), form, {"x": np.ones((1, 2), np.float32)})
        return self.waiting[-1] if len(self.waiting) > before else None

    def say(self, message: Any, form: Form = Form.MSGPACK, tensors: Any = None) -> None:
        """Let the client say something."""
        payload = encode(message, form, tensors)
        if form is Form.TEXT:
            self.session.text(payload.decode(), 0.0)
        else:
            self.session.binaries([payload], 0.0)

    def finish(self, request: Request, output: Any, size: int = 1) -> None:
        """Let a request be answered with the first row of an output."""
        self.waiting.remove(request)
        request.status = Status.DONE
        run = Run(request.kind.worker.model, size, [output], 0.0, 0.001)
        request.sink.finished(run, [(request, 0, 1)])

    def cancel(self, request: Request) -> str:
        assert request.status is Status.DONE, "nothing else is cancelled here"
        return "too_late"

    def write(self, index: int = 0, error: Exception | None = None) -> None:
        """Let the thread do one of its jobs, which may fail."""
        write, done = self.jobs.pop(index)
        done(write() if error is None else error)

    @property
    def said(self) -> list[tuple[int | str, str]]:
        """What the client was told: ids, and ``ok`` or a code."""
        return [(one.message.id, getattr(one.message, "code", "ok")) for one in self.link.sent]


def test_a_long_text_is_written_elsewhere() -> None:
    """A text with many elements is answered when the thread has written it; until then the request is live and its id taken."""
    scene = Scene()
    output = np.arange(MANY, dtype=np.float32).reshape(1, -1)
    request = scene.ask("a", Form.TEXT)
    assert request is not None
    scene.finish(request, output)
    assert (scene.said, scene.session.live) == ([], 1)
    assert scene.link.owed >= MANY
    assert scene.ask("a") is None
    assert [one.message.code for one in scene.link.sent] == ["duplicate_id"]
    scene.write()
    assert (scene.link.sent[-1].message.id, scene.link.sent[-1].form, scene.session.live) == ("a", Form.TEXT, 0)
    assert np.array_equal(scene.link.sent[-1].tensors["y"], output)
    assert scene.link.owed == 0
    assert scene.metrics.model("double").requests.values["ok"] == 1
    assert scene.ask("a") is not None


@pytest.mark.parametrize("form", [Form.MSGPACK, Form.JSON])
def test_a_large_tensor_is_sent_as_it_lies(form: Form) -> None:
    """An answer that is all of a run's output needs no thread and no copy; the result is the same."""
    scene = Scene()
    output = np.random.default_rng(1).standard_normal((1, MANY)).astype(np.float32)
    request = scene.ask(1, form)
    assert request is not None
    scene.finish(request, output)
    assert (scene.said, scene.jobs, scene.link.surplus) == ([(1, "ok")], [], [0])
    assert np.array_equal(scene.link.sent[0].tensors["y"], output)


def test_half_of_a_batch_counts_for_all_of_it() -> None:
    """A view of a row keeps its batch in memory, and is counted for it; a row of a larger batch is copied elsewhere."""
    scene = Scene()
    for size, in_place in ((2, True), (3, False)):
        output = np.random.default_rng(size).standard_normal((size, MANY)).astype(np.float32)
        request = scene.ask(size)
        assert request is not None
        scene.finish(request, output, size)
        assert bool(scene.jobs) is not in_place
        if not in_place:
            scene.write()
        assert np.array_equal(scene.link.sent[-1].tensors["y"], output[:1])
    assert scene.link.surplus == [4 * MANY, 0]


@pytest.mark.parametrize("error", [MemoryError("no more"), ValueError("a defect")])
def test_what_cannot_be_written_is_told(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """A thread that fails leaves nobody without an answer."""
    scene = Scene()
    request = scene.ask(7, Form.TEXT)
    assert request is not None
    scene.finish(request, np.ones((1, MANY), np.float32))
    scene.write(error=error)
    assert (scene.said, scene.session.live, scene.link.owed) == ([(7, "internal")], 0, 0)
    assert caplog.records


def test_unread_answers_leave_no_room() -> None:
    """An answer beyond the bound, or one more for a client that has twice the bound unread, is an error instead."""
    scene = Scene()
    requests = [scene.ask(number, Form.TEXT) for number in range(4)]
    large, text = np.ones((1, 300_000), np.float32), np.ones((1, 20_000), np.float32)
    for request, output in zip(requests, (large, large, text, text), strict=True):
        assert request is not None
        if request is requests[1]:
            request.tag = (1, Form.MSGPACK)
        scene.link.backlog = (2 << 20) + 1 if request is requests[3] else 0
        scene.finish(request, output)
    assert scene.said == [(0, "too_large"), (1, "too_large"), (3, "too_large")]
    scene.link.backlog = (2 << 20) + 1
    scene.write()
    assert scene.said[-1] == (2, "too_large")
    assert (scene.session.live, scene.link.owed) == (0, 0)


def test_cancels_are_counted_by_model() -> None:
    """A cancel counts for the model whose request it is about, one about nothing for ``other``."""
    scene = Scene()
    request = scene.ask(1, Form.TEXT)
    assert request is not None
    scene.finish(request, np.ones((1, MANY), np.float32))
    scene.say(Cancel(id=1))
    scene.say(Cancel(id=2))
    assert scene.metrics.model("double").cancelled.values["too_late"] == 1
    assert scene.metrics.model(OTHER).cancelled.values["too_late"] == 1
    scene.write()
    assert scene.said == [(1, "ok")]


class Deliveries(RuleBasedStateMachine):
    """Requests are answered small, large or slowly, the thread works in any order and may fail; the client may go."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.live: set[int | str] = set()
        self.told = 0
        self.open = True

    @precondition(lambda self: self.open)
    @rule(id_=st.sampled_from([1, 2, "x", 2**40]), form=st.sampled_from(list(Form)))
    def ask(self, id_: int | str, form: Form) -> None:
        """A request is taken if its id is free."""
        taken = self.scene.ask(id_, form)
        assert (taken is None) == (id_ in self.live)
        if taken is None:
            assert self.scene.link.sent[-1].message.duplicate_of == id_
            self.told += 1
        self.live.add(id_)

    @precondition(lambda self: self.open and self.scene.waiting)
    @rule(data=st.data(), elements=st.sampled_from([2, MANY, 300_000]), size=st.sampled_from([1, 3]))
    def answer(self, data: st.DataObject, elements: int, size: int) -> None:
        """A run ends."""
        request = data.draw(st.sampled_from(self.scene.waiting))
        self.scene.finish(request, np.ones((size, elements), np.float32), size)
        self.expect()

    @precondition(lambda self: self.scene.jobs)
    @rule(data=st.data(), fails=st.booleans())
    def write(self, data: st.DataObject, *, fails: bool) -> None:
        """The thread does one of its jobs."""
        index = data.draw(st.integers(0, len(self.scene.jobs) - 1))
        self.scene.write(index, OSError("no") if fails else None)
        self.expect()

    @precondition(lambda self: self.open)
    @rule()
    def leave(self) -> None:
        """The client goes: nothing is said to it any more."""
        for request in self.scene.waiting:
            request.status = Status.DONE
        self.scene.session.close(0.0)
        self.open = False

    @rule()
    def wait(self) -> None:
        """Nothing happens, and nothing is said."""
        self.expect()

    def expect(self) -> None:
        """Check that what was said just now ends a request that was live, once."""
        new = self.scene.link.sent[self.told :]
        assert len(new) <= self.open
        for message in new:
            self.live.remove(message.message.id)
        self.told += len(new)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Who was not answered is waiting, or being written; what is owed is what is being written."""
        if self.open:
            assert self.scene.session.live == len(self.live) == len(self.scene.waiting) + len(self.scene.jobs)
        assert (self.scene.link.owed > 0) == bool(self.scene.jobs)


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
