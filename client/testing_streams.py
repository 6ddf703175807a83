"""The streams of a gateway without models, for tests: each model is a Python function. Plain calls, no I/O and no clock.

What it is not: it has no time limits, runs steps in no batches, and keeps results by number and not by size.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.codecs.messages import (
    Cancel,
    Close,
    Closed,
    Credit,
    Fork,
    Open,
    Opened,
    Resume,
    Resumed,
    Snapshot,
    SnapshotTaken,
    Step,
)
from tidegate.codecs.parts import ResumedStream
from tidegate.errors import DuplicateStream, ResumeFailed, TidegateError, UnknownModel, UnknownStream

from .testing_stream import Behaviour, FakeStream, Tensors, failure

if TYPE_CHECKING:
    from tidegate.codecs.messages import ServerMessage
    from tidegate.codecs.parts import Id

StreamModel = Callable[[Tensors], Behaviour]
"""What opens a stream, given its constants. What it returns is copied for a snapshot and for a fork."""


class FakeSession:
    """The streams of one client, over its connections.

    Attributes:
        token: with which it is resumed.
        streams: the streams by name.
        out: what is to be sent to the client now, in order.
    """

    def __init__(self, host: FakeStreams, token: str) -> None:
        self.token = token
        self.streams: dict[Id, FakeStream] = {}
        self.out: list[tuple[ServerMessage, Tensors]] = []
        self._host = host
        self._connection = 1

    def receive(self, message: Any, tensors: Tensors) -> FakeSession:
        """Take a message about streams; return the session to which the connection belongs from now on."""
        try:
            if isinstance(message, Resume):
                return self._resume(message)
            self._receive(message, tensors)
        except TidegateError as error:
            known = {name: getattr(message, name, None) for name in ("id", "step")}
            stream = None if known["id"] is not None else getattr(message, "stream", None)
            self.out.append((failure(error, stream=stream, **known), {}))
        return self

    def advance(self) -> bool:
        """Let each stream make one result; return whether any of them did."""
        moved = [stream.advance() for stream in tuple(self.streams.values())]
        self.collect()
        return any(moved)

    def collect(self) -> None:
        """Put what may be sent into ``out``."""
        for stream in tuple(self.streams.values()):
            self.out += stream.take()
            if stream.closing and not stream.busy:
                del self.streams[stream.name]
                self.out.append((Closed(stream=stream.name, reason="closed"), {}))

    def end(self, name: Id, reason: str) -> None:
        """End a stream, as a gateway does when it is idle for too long."""
        del self.streams[name]
        self.out.append((Closed(stream=name, reason=reason), {}))

    def _receive(self, message: Any, tensors: Tensors) -> None:
        match message:
            case Open():
                self._check_free(message.stream)
                behaviour = self._host.open(message, tensors)
                opened = FakeStream(
                    message.stream,
                    message.model_name,
                    behaviour,
                    overflow=message.overflow,
                    until=message.until,
                    results=self._host.results,
                )
                self._opened(message.id, opened)
            case Step():
                self._stream(message).step(message, tensors)
            case Cancel() if message.stream is not None and message.step is not None:
                if message.stream in self.streams:
                    self.streams[message.stream].cancel(message.step)
            case Close():
                self._stream(message).closing = True
            case Credit():
                self._stream(message).grant(message.until, message.seen)
            case Snapshot():
                stream = self._stream(message)
                stream.then(self._unless_gone(lambda: self._snapshot(message, stream)))
            case Fork():
                self._check_free(message.to)
                stream = self._stream(message)
                stream.then(self._unless_gone(lambda: self._fork(message, stream)))

    def _unless_gone(self, errand: Callable[[], None]) -> Callable[[], None]:
        """Let something be done only if the connection that asked for it is still there."""
        asked_by = self._connection
        return lambda: errand() if asked_by == self._connection else None

    def _stream(self, message: Any) -> FakeStream:
        if message.stream not in self.streams:
            raise UnknownStream(f"no stream {message.stream!r}")
        return self.streams[message.stream]

    def _check_free(self, name: Id) -> None:
        if name in self.streams:
            raise DuplicateStream(f"stream {name!r} is open")

    def _opened(self, id: Id, stream: FakeStream) -> None:  # noqa: A002 - the name on the wire
        self.streams[stream.name] = stream
        self._host.opened.append(stream)
        opened = Opened(
            id=id,
            stream=stream.name,
            model_name=stream.model,
            model_version="1",
            next_step=stream.next_step,
            steps=self._host.steps,
            results=self._host.results,
        )
        self.out.append((opened, {}))

    def _snapshot(self, message: Snapshot, stream: FakeStream) -> None:
        data = self._host.keep(stream.behaviour)
        taken = SnapshotTaken(id=message.id, stream=stream.name, step=stream.next_step - 1)
        self.out.append((taken, {"snapshot": np.frombuffer(data, "u1")}))

    def _fork(self, message: Fork, stream: FakeStream) -> None:
        behaviour = copy.deepcopy(stream.behaviour)
        child = FakeStream(
            message.to, stream.model, behaviour, overflow=stream.overflow, until=None, results=self._host.results
        )
        self._opened(message.id, child)

    def _resume(self, message: Resume) -> FakeSession:
        session = self._host.sessions.get(message.token)
        if session is None:
            raise ResumeFailed("the token is unknown", lost=[each.stream for each in message.streams])
        session.out.clear()
        session._connection += 1  # noqa: SLF001 - of this class
        named = {each.stream for each in message.streams}
        session.streams = {name: stream for name, stream in session.streams.items() if name in named}
        there = []
        for each in message.streams:
            stream = session.streams.get(each.stream)
            if stream is not None:
                first = stream.rewind(each.last_seq)
                status = "closing" if stream.closing else "open"
                entry = ResumedStream(
                    stream=each.stream, next_step=stream.next_step, replay_from=first, seq=stream.seq, status=status
                )
                there.append(entry)
        lost = [each.stream for each in message.streams if each.stream not in session.streams]
        session.out.append((Resumed(token=session.token, streams=there, lost=lost), {}))
        return session


class FakeStreams:
    """All sessions of a fake gateway.

    Attributes:
        models: what opens a stream, by name of the model.
        steps: how many steps of a stream may wait, as ``opened`` says.
        results: how many results of a stream are kept.
        sessions: the sessions by token; one that is removed cannot be resumed.
        opened: all streams that ever were, in order.
    """

    def __init__(self, models: Mapping[str, StreamModel], *, steps: int = 64, results: int = 256) -> None:
        self.models = dict(models)
        self.steps = steps
        self.results = results
        self.sessions: dict[str, FakeSession] = {}
        self.opened: list[FakeStream] = []
        self._snapshots: list[Behaviour] = []
        self._tokens = count(1)

    def new_session(self) -> FakeSession:
        """Begin the session of a new connection."""
        token = f"token {next(self._tokens)}"
        self.sessions[token] = FakeSession(self, token)
        return self.sessions[token]

    def open(self, message: Open, tensors: Tensors) -> Behaviour:
        """Make what a stream does."""
        if message.from_snapshot:
            return copy.deepcopy(self._snapshots[int(tensors["snapshot"].tobytes())])
        if message.model_name not in self.models:
            raise UnknownModel(f"no model {message.model_name!r}")
        return self.models[message.model_name](tensors)

    def keep(self, behaviour: Behaviour) -> bytes:
        """Keep a copy of what a stream does now; return what names it."""
        self._snapshots.append(copy.deepcopy(behaviour))
        return str(len(self._snapshots) - 1).encode()
