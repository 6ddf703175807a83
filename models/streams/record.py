"""What a stream is made of, and what can be told by looking. Changes nothing; what happens to it is ``Stream``'s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tidegate.errors import UnknownStream

from .row_state import bytes_of
from .snapshot import Snapshot

if TYPE_CHECKING:
    from ..client import Client
    from ..model import Model
    from ..request import Request, Sink
    from ..worker import Worker
    from .agenda import State
    from .items import Ended
    from .ring import Ring
    from .runs import Runs
    from .steps import Step, Steps

Status = Literal["open", "closing", "closed"]


class StreamRecord:
    """What one stream is made of.

    Attributes:
        worker: who serves its model.
        fixed: what was settled when it was opened (see ``StreamSpec.begin``).
        client: whose share its steps use.
        outputs: names of the outputs that are wanted; None for the usual ones.
        priority: of its steps.
        state: what the last step left.
        ring: what it has told and has to tell.
        status: ``closing`` finishes what was accepted.
        receiver: who is told that there is something to take; None while nobody listens.
        tag: the receiver's own.
        touched: when something last happened.
        placed_until: what happens to it later than that gives it another place among the others (see ``Population``).
        step_done: the last step that the state knows of.
        weight: its bytes when they were last counted.
    """

    __slots__ = (
        "_before",
        "_request",
        "_room",
        "_running",
        "_runs",
        "_sink",
        "_state_bytes",
        "_steps",
        "client",
        "ended",
        "fixed",
        "outputs",
        "placed_until",
        "priority",
        "receiver",
        "ring",
        "state",
        "status",
        "step_done",
        "tag",
        "touched",
        "weight",
        "worker",
    )

    def __init__(
        self,
        worker: Worker,
        fixed: Any,
        state: State,
        steps: Steps,
        ring: Ring,
        *,
        runs: Runs,
        sink: Sink,
        client: Client,
        outputs: tuple[str, ...] | None = None,
        priority: int = 0,
    ) -> None:
        self.worker = worker
        self.fixed = fixed
        self.state = state
        self.ring = ring
        self.client = client
        self.outputs = outputs
        self.priority = priority
        self.status: Status = "open"
        self.ended: Ended | None = None
        self.receiver: Any = None
        self.tag: Any = None
        self.touched = 0.0
        self.placed_until = 0.0
        self.step_done = 0
        self.weight = 0
        self._runs = runs
        self._sink = sink
        self._steps = steps
        self._running: Step | None = None
        self._request: Request | None = None
        self._room = 0  # for what a step makes that goes on at its slot, when it was last looked
        self._before: State = state
        self._state_bytes = bytes_of(state)

    @property
    def model(self) -> Model:
        """The model that it talks to."""
        return self.worker.model

    @property
    def busy(self) -> bool:
        """Whether a step runs or waits."""
        return self._running is not None or bool(self._steps.waiting)

    @property
    def backlog(self) -> bool:
        """Whether steps wait behind the one that runs."""
        return bool(self._steps.waiting)

    @property
    def next_step(self) -> int:
        """The number that the next step must have."""
        return self._steps.next

    def snapshot(self) -> Snapshot | UnknownStream:
        """Return its state as it is, or why there is none."""
        if self.status == "closed":
            return UnknownStream("the stream has ended")
        model = self.model
        return Snapshot(model.name, model.sha256, self.step_done, model.stream.constants_of(self.fixed), self.state)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes: its state as the last step left it, what waits and what is kept."""
        return self.ring.nbytes + self._steps.nbytes + self._state_bytes

    @property
    def ready(self) -> bool:
        """Whether there is something to take."""
        return self.ring.ready or (self.ended is not None and not self.ring.waiting)
