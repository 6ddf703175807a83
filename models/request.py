"""A request as the engine sees it: tensors, rows, a time limit, and somebody who waits for the answer.

Knows nothing of queues, batches or sockets. A request is a cursor over its own rows, so a large one is simply served
in several pieces and put together again in order.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from tidegate.errors import TidegateError
    from tidegate.results import Array

    from .appended import Appended
    from .batch import Run
    from .client import Client
    from .worker import Worker

NEVER = float("inf")


class Status(IntEnum):
    """Where a request is: it moves only downwards in this list."""

    QUEUED = 0
    RUNNING = 1
    DONE = 2


QUEUED, RUNNING, DONE = Status  # looking a member up in its class costs more than all else that is done with it


class Sink(Protocol):
    """Who waits for requests. Each request is handed to one of the two methods, once, on the event loop.

    One that has room for several steps is handed over after each of them (see ``Request.steps``).
    """

    def finished(self, run: Run, answers: Sequence[Answer]) -> None:
        """Take the answers to all requests of this sink that one run has finished, or has brought a step further."""

    def failed(self, request: Request, error: TidegateError) -> None:
        """Take the error that ends a request."""


class Together(Protocol):
    """How requests of one kind share a run, where that is more than joining them along batch axes.

    Called at a compute slot; several runs may go on at once.
    """

    def gather(self, pieces: Sequence[Piece]) -> tuple[list[Array], Any]:
        """Return the inputs of a run, and whatever ``finish`` needs to know of them.

        Raises:
            ModelFailed: they cannot be put together.
        """
        ...

    def finish(self, gathered: Any, outputs: Sequence[Array]) -> Any:
        """Return what is made of the outputs before anybody is told; it becomes ``Run.extra``.

        Raises:
            ModelFailed: they are not what they should be.
        """
        ...

    def again(self, gathered: Any, extra: Any) -> tuple[list[Array], Any] | None:
        """Return what ``gather`` would for the next step of the same requests; None if they do not all go on as they are.

        Args:
            gathered: what went into the last step.
            extra: what ``finish`` made of it; it keeps nothing of the outputs afterwards.
        """

    def settle(self, extra: Any) -> None:
        """Let requests that have ended keep nothing of the others; called when everybody is being told.

        Args:
            extra: what ``finish`` made of the last step.
        """

    def give_back(self, pieces: Sequence[Piece], gathered: Any) -> None:
        """Have requests begin where a step was to begin that failed, when they are run again.

        Args:
            pieces: the requests.
            gathered: what was to go into the step.
        """


class Kind:
    """What all requests have in common that look the same; made once for many of them.

    Attributes:
        worker: who serves them.
        key: only requests with equal keys may share a batch.
        rows: how many rows each holds; 1 for a model that is not batched.
        nbytes: bytes of each one's tensors.
        outputs: indices of the outputs that are wanted; None for all.
        priority: larger is served first.
        together: how they share a run; None if their arrays are joined along the batch axes.
    """

    __slots__ = ("key", "nbytes", "outputs", "priority", "rows", "together", "worker")

    def __init__(
        self,
        worker: Worker,
        key: Hashable,
        rows: int = 1,
        *,
        nbytes: int = 0,
        outputs: tuple[int, ...] | None = None,
        priority: int = 0,
        together: Together | None = None,
    ) -> None:
        self.worker = worker
        self.key = key
        self.rows = rows
        self.nbytes = nbytes
        self.outputs = outputs
        self.priority = priority
        self.together = together


class Request:
    """One inference that was admitted.

    Attributes:
        kind: what it has in common with others of its shape.
        tag: the caller's own name for it; the engine never looks at it.
        arrays: the inputs in the order of the model's signature; of one row, an input may be in two parts.
        sink: who waits for the answer.
        client: whose turn it uses; clients take turns.
        arrival: when it came, in seconds of the monotonic clock.
        deadline: when its answer is no longer wanted, or ``NEVER``.
        forecast: when its answer was expected when it was admitted; ``NEVER`` if nobody asked.
        rows: how many rows it holds.
        taken: rows that were already given to batches.
        status: where it is.
        parts: answers of a request that was split, by first row: the run and the rows of it.
        steps: how many runs it has room for, if it goes on from one to the next by itself. After each of them it is 0, and
            whoever takes what came of the run says how many more there is room for, and sets ``arrays`` to what the next
            one begins with; if it stays 0, the request has ended.
    """

    __slots__ = (
        "arrays",
        "arrival",
        "client",
        "deadline",
        "forecast",
        "kind",
        "parts",
        "rows",
        "sink",
        "status",
        "steps",
        "tag",
        "taken",
    )

    def __init__(
        self,
        kind: Kind,
        tag: Any,
        arrays: Sequence[Array | Appended],
        sink: Sink,
        client: Client,
        arrival: float,
        deadline: float = NEVER,
        steps: int = 1,
    ) -> None:
        self.kind = kind
        self.tag = tag
        self.arrays = arrays
        self.sink = sink
        self.client = client
        self.arrival = arrival
        self.deadline = deadline
        self.forecast = NEVER
        self.rows = kind.rows
        self.taken = 0
        self.status = QUEUED
        self.steps = steps
        self.parts: dict[int, tuple[Run, int, int]] | None = None

    def __repr__(self) -> str:
        return f"<Request {self.tag!r} rows={self.taken}/{self.rows} {self.status.name.lower()}>"


Piece = tuple[Request, int, int]
"""Rows ``start`` to ``stop`` of a request, as they are placed in a batch."""

Answer = tuple[Request, int, int]
"""A request, and rows ``start`` to ``stop`` of a run's outputs that are its answer."""
