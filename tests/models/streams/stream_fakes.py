"""Stand-ins for what a stream needs: a model that adds up what it is given, and somebody who runs it by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from tidegate.models.client import Client
from tidegate.models.request import Kind
from tidegate.models.streams.agenda import Made
from tidegate.models.streams.ring import Ring
from tidegate.models.streams.steps import Steps
from tidegate.models.streams.stream import Stream

ZERO = {"state:sum": np.zeros(1)}


class Adding:
    """A step that adds ``value`` to the state as often as it is told, and tells the sum each time."""

    def __init__(self, value: float, runs: int = 1, nbytes: int = 8) -> None:
        self.nbytes = nbytes
        self.is_one_run = runs == 1
        self.ran_changes = runs != 1
        self._value = value
        self._left = runs

    def nothing(self, state: Any) -> Made | None:
        return Made(state, {}, True) if not self._left else None

    def arrays(self, state: Any) -> tuple[list[Any], Kind]:
        return [state["state:sum"] + self._value], Kind(None, None)  # type: ignore[arg-type]

    def ran(self, state: Any, run: Any, start: int, stop: int) -> Made:
        self._left -= 1
        total = run.outputs[0][start:stop].copy()
        return Made({"state:sum": total}, {"sum": total}, self._left <= 0)

    def stop(self) -> None:
        self._left = 1


class Hand:
    """Runs requests when it is told to."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.given_up: list[Any] = []
        self.ended: list[str] = []
        self.refuse: Exception | None = None

    def run(self, request: Any) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.requests.append(request)

    def give_up(self, request: Any) -> None:
        self.given_up.append(request)

    def soon(self, stream: Stream) -> None:
        stream.go_on(0.0)

    def step_ended(self, stream: Stream, code: str) -> None:
        self.ended.append(code)

    def finish(self, now: float = 0.0) -> None:
        """Let the request that waits longest run."""
        request = self.requests.pop(0)
        stream: Stream = request.tag
        run = self.run_of(request, now)
        item = stream.finished(request, run, 0, 1, now)
        if item is None:
            stream.ran(request, run, 0, 1, now)
        else:
            stream.ring.add(item)
            self.ended.append("ok")
            stream.go_on(now)

    def run_of(self, request: Any, now: float = 0.0) -> Any:
        """Return the run of a request."""
        return SimpleNamespace(outputs=[request.arrays[0]], started=now, compute_s=0.0, size=1, context=None, stays=False)

    def fail(self, error: Any, now: float = 0.0) -> None:
        """Let the request that waits longest fail."""
        request = self.requests.pop(0)
        request.tag.failed(request, error, now)


def make_stream(hand: Hand, *, overflow: Any = "block", most: int = 4, until: int | None = None, steps: int = 8) -> Stream:
    """Make a stream over the adding model."""
    ring = Ring(overflow, most, 1 << 20, until)
    worker: Any = SimpleNamespace(model=SimpleNamespace(name="adding"))
    sink: Any = None
    return Stream(worker, None, ZERO, Steps(steps, 1 << 20), ring, runs=hand, sink=sink, client=Client())
