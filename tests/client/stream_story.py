"""A session with streams, and a server that keeps them: messages travel when the test lets them, and are lost when it cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from story import Story

from tidegate.client.stream_requests import StepRequest, to_close, to_fork, to_open, to_snapshot
from tidegate.client.testing_streams import FakeStreams
from tidegate.codecs.errors import Form
from tidegate.errors import ModelFailed, TidegateError
from tidegate.results import StreamResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.client.stream_log import StreamLog
    from tidegate.client.testing_stream import FakeStream, Parameters, Tensors
    from tidegate.client.testing_streams import FakeSession
    from tidegate.results import Array


class Summing:
    """A stream model: each result is the sum of everything that came so far.

    With the parameter ``results`` a step makes so many, each with one more; a negative number fails and leaves the sum.
    """

    def __init__(self, constants: Tensors) -> None:
        self.sum = int(constants["start"]) if "start" in constants else 0

    def __call__(self, tensors: Tensors, parameters: Parameters) -> Iterator[Tensors]:
        x = int(tensors["x"])
        if x < 0:
            raise ModelFailed("less than nothing")
        for _ in range(int(parameters.get("results", 1))):
            self.sum += x
            yield {"sum": np.array(self.sum)}


def number(value: int) -> Array:
    """Return an input."""
    return np.array(value, "<i8")


class StreamStory(Story):
    """A session and a server with the model ``sum``.

    Attributes:
        server: the server's streams.
        there: the session at the server of the connection that there is; None while there is none.
    """

    def __init__(self, *, steps: int = 64, results: int = 256, **options: Any) -> None:
        super().__init__(**options)
        self.server = FakeStreams({"sum": Summing}, steps=steps, results=results)
        self.there: FakeSession | None = None
        self._travelled = 0

    @property
    def stream(self) -> FakeStream:
        """The stream that was opened last, as the server has it."""
        return self.server.opened[-1]

    # The network.

    def connect(self, **hello: Any) -> None:
        """Let a connection be made."""
        self.session.dial()
        self.there = self.server.new_session()
        self._travelled = len(self.sent)
        self.hello(resume_token=self.there.token, **hello)

    def up(self, most: int = 1_000_000) -> None:
        """Let messages travel to the server."""
        assert self.there is not None
        for received in self.sent[self._travelled : self._travelled + most]:
            self.there = self.there.receive(received.message, received.tensors)
            self._travelled += 1
        self.there.collect()

    def run(self, most: int = 1_000_000) -> None:
        """Let the server make results; each stream one at a time."""
        assert self.there is not None
        while most > 0 and self.there.advance():
            most -= 1

    def down(self, most: int = 1_000_000) -> None:
        """Let messages travel to the client."""
        assert self.there is not None
        out = self.there.out
        while out and most > 0:
            message, tensors = out.pop(0)
            self.say(message, Form.MSGPACK, tensors)
            most -= 1

    def settle(self) -> None:
        """Let everything happen that can happen."""
        self.act()
        while self.there is not None:
            before = len(self.sent)
            self.up()
            self.run()
            self.down()
            self.act()
            if len(self.sent) == before and not self.there.out:
                return

    def cut(self, *, final: bool = False) -> None:
        """Lose the connection and all that is on its way."""
        super().cut(final=final)
        if self.there is not None:
            self.there.out.clear()
        self.there = None

    # The program.

    def open(self, window: int = 256, timeout: float = 60.0, **fields: Any) -> tuple[StreamLog, list[Any]]:
        """Ask for a stream; return it, and where its opening is told."""
        told: list[Any] = []
        streams = self.session.streams
        log = streams.new("sum", window)
        constants = fields.pop("constants", None) or {"start": number(fields.pop("start", 0))}
        streams.open(to_open(self.session.next_id(), log, constants, now=self.now, timeout=timeout, waiter=told, **fields))
        self.act()
        return log, told

    def opened(self, **fields: Any) -> StreamLog:
        """Open a stream at once."""
        log, told = self.open(**fields)
        self.settle()
        assert told == [None]
        return log

    def step(self, log: StreamLog, x: int, timeout: float = 60.0, **parameters: Any) -> Step:
        """Submit a step, and send what can be sent."""
        step = Step(log, {"x": number(x)}, now=self.now, timeout=timeout, parameters=parameters or None, waiter=[])
        self.session.streams.submit(step)
        self.act()
        return step

    def snapshot(self, log: StreamLog, timeout: float = 60.0) -> list[Any]:
        """Ask for a snapshot; return where it is told."""
        told: list[Any] = []
        self.session.streams.ask(to_snapshot(self.session.next_id(), log, now=self.now, timeout=timeout, waiter=told))
        self.act()
        return told

    def fork(self, log: StreamLog, timeout: float = 60.0) -> tuple[StreamLog, list[Any]]:
        """Ask for a fork; return it, and where its opening is told."""
        told: list[Any] = []
        made = self.session.streams.new(log.model, log.sequence.window)
        self.session.streams.ask(to_fork(self.session.next_id(), log, made, now=self.now, timeout=timeout, waiter=told))
        self.act()
        return made, told

    def close(self, log: StreamLog) -> list[Any]:
        """Ask for the end of a stream; return where it is told."""
        told: list[Any] = []
        self.session.streams.close(to_close(self.session.next_id(), log, now=self.now, waiter=told))
        self.act()
        return told


class Step(StepRequest):
    """A step, and what was told of it."""

    @property
    def told(self) -> list[Any]:
        """All outcomes."""
        told: list[Any] = self.waiter
        return told

    @property
    def sums(self) -> list[int]:
        """The results that came."""
        return [int(outcome["sum"]) for outcome in self.told if isinstance(outcome, StreamResult)]

    @property
    def error(self) -> TidegateError:
        """The error with which it ended."""
        error = self.told[-1]
        assert isinstance(error, TidegateError)
        return error
