"""Models without onnxruntime, for tests of the runtime: plain functions, and a gate that holds a run until it is opened."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tidegate.models.client import Client
from tidegate.models.config import ModelConfig
from tidegate.models.model import Model
from tidegate.models.request import Kind, Piece, Request, Sink
from tidegate.models.signature import Batching, TensorSpec

CLIENTS: defaultdict[Any, Client] = defaultdict(Client)  # by name; emptied after each test
Compute = Callable[[list[Any]], list[Any]]


def double(arrays: list[Any]) -> list[Any]:
    """Give twice the input."""
    return [arrays[0] * 2]


class FakeBackend:
    """Runs a function; remembers the rows of each run; may be held at a gate."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self.sizes: list[int] = []
        self.started = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def run(self, arrays: Sequence[Any], /, control: Any = None) -> list[Any]:
        self.sizes.append(len(arrays[0]))
        self.started.release()
        if not self.gate.wait(10):
            raise TimeoutError("the gate was never opened")
        return self._compute(list(arrays))

    def close(self) -> None:
        pass


def model(
    name: str = "double",
    compute: Compute = double,
    *,
    sizes: Sequence[int] = range(1, 9),
    verdict: Any = "exact",
    weight: float = 1.0,
    delay_ms: float = 0.0,
    objective_ms: float | None = None,
    pure: bool = True,
    executor: Any = "thread",
    cost_s: dict[int, float] | None = None,
    threads: int = 1,
) -> Model:
    """Build a model with one input ``x`` [N, 2] and one output ``y`` [N, 2]."""
    axis = None if verdict == "none" else 0
    return Model(
        name,
        "1",
        (TensorSpec("x", "FP32", (-1, 2), axis),),
        (TensorSpec("y", "FP32", (-1, 2), axis),),
        Batching(verdict, "made up", tuple(sizes), cost_s or {}),
        FakeBackend(compute),
        ModelConfig(
            weight=weight,
            max_delay_ms=delay_ms,
            intra_op_threads=threads,
            objective_p99_ms=objective_ms,
            pure=pure,
            executor=executor,
        ),
    )


class Answers:
    """A sink that keeps what it was told, once for each request."""

    def __init__(self) -> None:
        self.outputs: dict[Any, Any] = {}
        self.errors: dict[Any, Any] = {}

    def finished(self, run: Any, answers: Any) -> None:
        for request, start, stop in answers:
            assert request.tag not in self.outputs
            assert request.tag not in self.errors
            self.outputs[request.tag] = np.array(run.rows(0, start, stop))

    def failed(self, request: Request, error: Any) -> None:
        assert request.tag not in self.outputs
        assert request.tag not in self.errors
        self.errors[request.tag] = error


def request(
    tag: Any = 0,
    rows: int = 1,
    key: Any = "k",
    *,
    worker: Any = None,
    client: Any = "c",
    priority: int = 0,
    deadline: float = float("inf"),
    arrival: float = 0.0,
    sink: Sink | None = None,
) -> Request:
    """Build a request whose rows hold its tag."""
    array = np.full((rows, 2), tag if isinstance(tag, int) else 0, np.float32)
    kind = Kind(worker, key, rows, nbytes=array.nbytes, priority=priority)
    return Request(kind, tag, [array], sink or Answers(), CLIENTS[client], arrival, deadline)


def tags(pieces: Sequence[Piece]) -> list[Any]:
    """Name the requests of a batch in order."""
    return [request.tag for request, _, _ in pieces]
