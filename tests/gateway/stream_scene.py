"""Sessions with streams, without sockets and without models: streams tell what the test lets them tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from fakes import model

from tidegate.codecs.errors import Form
from tidegate.codecs.known_headers import KnownHeaders
from tidegate.codecs.known_steps import KnownSteps
from tidegate.codecs.messages import Open, Resume, Step
from tidegate.codecs.parts import LastSeen
from tidegate.codecs.reader import client_messages, server_messages
from tidegate.codecs.writer import encode
from tidegate.errors import TidegateError, UnexpectedStep, UnknownModel
from tidegate.gateway.answers import Answers
from tidegate.gateway.metrics import Metrics
from tidegate.gateway.residences import Residences
from tidegate.gateway.session import Session
from tidegate.gateway.settings import Settings
from tidegate.gateway.stream_results import StreamResults
from tidegate.models.catalogue import Catalogue
from tidegate.models.streams.audience import Attached
from tidegate.models.streams.items import Ended, Failed, Produced
from tidegate.models.streams.ring import ring_of
from tidegate.models.worker import Worker
from tidegate.results import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

_READER = server_messages()
MODEL = model("double")


class Stream:
    """A stream that counts its steps and runs none."""

    model = MODEL

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.receiver = options["receiver"]
        self.ring = ring_of(options.get("watcher"), options.get("overflow", "block"), 4, 1 << 20, options.get("until"))
        self.next_step = 1
        self.status = "open"
        self.ended: Ended | None = None
        self.tag: Any = None
        self.busy = False
        self.steps: list[tuple[Any, dict[str, Any]]] = []
        self.cancelled: list[int] = []
        self.dropped: str | None = None

    @property
    def ready(self) -> bool:
        return self.ring.ready or (self.ended is not None and not self.ring.waiting)

    def take(self, most: int) -> list[Any]:
        taken: list[Any] = [*self.ring.take(most)]
        if self.ended is not None and not self.ring.waiting:
            taken.append(self.ended)
            self.ended = None
        return taken

    def tell(self) -> None:
        if self.receiver is not None and self.ready:
            self.receiver.stream_has(self)

    def make(self, value: float = 0.0, *, step: int = 1, final: bool = True, size: int = 1, **more: Any) -> None:
        """Let a step make a result."""
        self.ring.add(Produced(step, final, {"y": np.full((1, size), value, np.float32)}, Timing(1, 2, 3), **more))
        self.tell()

    def produced(
        self, step: int = 1, size: int = 1, *, final: bool = False, text: str | None = None
    ) -> tuple[Stream, Produced]:
        """Return what a step has made, which mostly goes on, and the stream, as a receiver is told."""
        return self, Produced(step, final, {"y": np.zeros((1, size), np.float32)}, Timing(1, 2, 3), text)

    def fail(self, error: TidegateError, step: int = 1) -> None:
        """Let a step fail."""
        self.ring.add(Failed(step, error, step))
        self.tell()

    def end(self, reason: str) -> None:
        """Let the stream end."""
        self.status = "closed"
        self.ended = Ended(reason)
        self.tell()


class Host:
    """The streams of an engine that runs nothing."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.full: TidegateError | None = None
        self.copies: list[tuple[str, Any, Callable[[Any], None]]] = []

    def open(self, name: str, version: str | None, **options: Any) -> Stream:
        if self.full is not None:
            raise self.full
        if name != "double":
            raise UnknownModel("no such model")
        self.streams.append(Stream(options))
        return self.streams[-1]

    def step(self, stream: Stream, number: int, inputs: Any, **options: Any) -> None:
        if number < stream.next_step:
            return
        if number > stream.next_step:
            raise UnexpectedStep("not yet", expected_step=stream.next_step)
        stream.next_step += 1
        stream.steps.append((inputs, options))

    def cancel(self, stream: Stream, number: int, now: float) -> None:
        stream.cancelled.append(number)

    def credit(self, stream: Stream, until: int, seen: int | None, now: float) -> None:
        stream.ring.grant(until, seen)
        stream.tell()

    def close_stream(self, stream: Stream, now: float) -> None:
        stream.end("closed")

    def drop(self, stream: Stream, reason: str) -> None:
        assert stream.dropped is None
        stream.dropped = reason

    def snapshot(self, stream: Stream, done: Callable[[Any], None], now: float) -> None:
        self.copies.append(("snapshot", stream, done))

    def fork(self, stream: Stream, receiver: Any, done: Callable[[Any], None], now: float) -> None:
        self.copies.append(("fork", receiver, done))

    def detach(self, stream: Stream) -> None:
        stream.receiver = None

    def attach(self, stream: Stream, receiver: Any, last_seq: int, now: float) -> Attached:
        replay_from = stream.ring.rewind(last_seq)
        stream.receiver = receiver
        stream.tell()
        return Attached(stream.next_step, replay_from, stream.ring.seq, stream.status)  # type: ignore[arg-type]


class Link:
    """Where a session's messages go: each is read as a client would."""

    def __init__(self) -> None:
        self.backlog = 0
        self.owed = 0
        self.flushes = 0
        self.soon = 0
        self.sent: list[Any] = []
        self.ended: str | None = None

    def post(self, payload: bytes, *, text: bool) -> None:
        self.sent.append(_READER.text(payload) if text else _READER.binary(payload))

    def post_pieces(self, pieces: list[Any], surplus: int, *, text: bool) -> None:
        self.post(b"".join(pieces), text=text)

    def owe(self, nbytes: int) -> None:
        self.owed += nbytes

    def post_all(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.post(payload, text=False)

    def post_soon(self, payloads: list[bytes]) -> None:
        self.soon += len(payloads)
        for payload in payloads:
            self.post(payload, text=False)

    def send_now(self, payloads: list[bytes]) -> None:
        self.flushes += 1
        for payload in payloads:
            self.post(payload, text=False)

    def of_no_use(self, count: int, now: float) -> None:
        """Nobody counts."""

    def superseded(self) -> None:
        self.ended = "superseded"


class Client:
    """One connection: what it sends, and what it was sent."""

    def __init__(self, scene: Scene, form: Form) -> None:
        self.link = Link()
        self.scene = scene
        self.form = form
        self.session = Session(scene.hub, self.link)  # type: ignore[arg-type]
        self.session.hello()
        self.token: str = self.link.sent.pop().message.resume_token

    def send(self, message: Any, tensors: Any = None) -> list[Any]:
        """Send a message; return what is answered at once."""
        payload = encode(message, self.form, tensors)
        if self.form is Form.TEXT:
            self.session.text(payload.decode(), self.scene.now)
        else:
            self.session.binaries([payload], self.scene.now)
        return self.heard()

    def open(self, name: int | str, id_: int = 1, **fields: Any) -> Stream:
        """Open a stream."""
        (opened,) = self.send(Open(id=id_, stream=name, **{"model_name": "double", **fields}))
        assert opened.message.stream == name
        return self.scene.host.streams[-1]

    def step(self, name: int | str, number: int = 1, **fields: Any) -> list[Any]:
        """Send a step."""
        return self.send(Step(stream=name, step=number, **fields), {"x": np.zeros((1, 2), np.float32)})

    def resume(self, token: str, **seen: int) -> list[Any]:
        """Resume streams that have names of letters."""
        streams = [LastSeen(stream=name, last_seq=last) for name, last in seen.items()]
        return self.send(Resume(token=token, streams=streams))

    def heard(self) -> list[Any]:
        """Return what was sent to it since the last time."""
        sent, self.link.sent = self.link.sent, []
        return sent

    def lost(self) -> None:
        """Lose the connection."""
        self.session.close(self.scene.now)


class Scene:
    """What connections share; turns of the loop happen when the test says so."""

    def __init__(self, **options: Any) -> None:
        self.now = 0.0
        self.host = Host()
        self.metrics = Metrics({"double"})
        self.turns: list[Callable[[], None]] = []
        self.jobs: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        settings = Settings(**options)
        engine = SimpleNamespace(
            catalogue=Catalogue([Worker(MODEL)], ()), streams=self.host, enqueue=lambda *_, **__: None, models=list
        )
        self.hub: Any = SimpleNamespace(
            engine=engine,
            reader=client_messages(),
            known_headers=KnownHeaders(),
            known_steps=KnownSteps(),
            answers=Answers(),
            stream_results=StreamResults(),
            metrics=self.metrics,
            settings=settings,
            draining=False,
            encode=lambda _, write, done: self.jobs.append((write, done)),
            encoder=SimpleNamespace(forget=lambda _: None),
            send_streams=self.turns.append,
            residences=Residences(settings.resume_window_s),
            park=lambda residence, now: self.hub.residences.leave(residence, now),
            stream_bounds=SimpleNamespace(steps=64, results=256),
        )

    def connect(self, form: Form = Form.MSGPACK) -> Client:
        """Let a client connect."""
        return Client(self, form)

    def turn(self) -> None:
        """Let one turn of the loop pass."""
        turns, self.turns[:] = [*self.turns], []
        for turn in turns:
            turn()

    def turn_until_quiet(self) -> None:
        """Let turns pass until nothing more is sent."""
        while self.turns:
            self.turn()

    def encode(self) -> None:
        """Let the thread write all that it was asked to write."""
        jobs, self.jobs = self.jobs, []
        for write, done in jobs:
            try:
                made = write()
            except Exception as error:
                made = error
            done(made)

    def expire(self, most: int = 100) -> bool:
        """Let what has waited for too long be dropped; tell whether there is more."""
        streams, more = self.hub.residences.expire(self.now, most)
        for stream in streams:
            self.host.drop(stream, "expired")
        return more


def said(messages: list[Any]) -> list[tuple[Any, ...]]:
    """Say messages of streams in short: op, stream, and what tells them apart."""
    return [_short(each.message) for each in messages]


def _short(message: Any) -> tuple[Any, ...]:
    op = message.__struct_config__.tag
    fields = {
        "result": ("stream", "step", "seq"),
        "error": ("stream", "step", "seq", "code"),
        "gap": ("stream", "first", "last"),
        "closed": ("stream", "reason"),
        "opened": ("stream", "id"),
    }
    return (op, *(getattr(message, field) for field in fields.get(op, ())))
