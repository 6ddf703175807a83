"""What the gateway counts, as plain numbers that cost next to nothing to change.

The hot path only adds to integers; labels, text and Prometheus come in when somebody asks (see ``exposition``). Every
label has a closed set of values, whatever clients send: what is not in it counts as ``other``.

Everything here happens on the event loop; only reading may happen on another thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate import errors

from .counts import OTHER, Counts
from .histogram import Histogram
from .loop_lag import LagReadout, LoopLag
from .slot_share import SlotShare
from .stream_metrics import RESUMES, StreamNumbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


OUTCOMES = (
    "ok",
    *(
        cls.code
        for cls in (
            errors.InvalidMessage,
            errors.InvalidInput,
            errors.TooLarge,
            errors.DuplicateId,
            errors.UnknownModel,
            errors.ModelUnavailable,
            errors.Overloaded,
            errors.ShuttingDown,
            errors.DeadlineExceeded,
            errors.Cancelled,
            errors.ModelFailed,
            errors.UnknownStream,
            errors.DuplicateStream,
            errors.UnexpectedStep,
            errors.StepConflict,
            errors.ResumeFailed,
            errors.Forbidden,
            errors.InternalError,
        )
    ),
)
FORMS = ("text", "msgpack", "json")
CLOSE_REASONS = (
    "client",
    "lost",
    "protocol_error",
    "too_large",
    "flood",
    "unfinished",
    "inbound_bytes",
    "stalled",
    "slow",
    "crowded",
    "keepalive",
    "superseded",
    "drain",
    "error",
)
REFUSAL_REASONS = (
    "host",
    "origin",
    "connections",
    "handshakes",
    "draining",
    "in_flight",
    "queue_requests",
    "queue_bytes",
    "model_bytes",
    "client_bytes",
    "max_requests",
    "streams",
    "streams_per_connection",
    "stream_bytes",
    "stream_steps",
    "subscriptions",
    "subscriptions_per_connection",
    "topics",
    "deadline",
    "objective",
)
CANCEL_OUTCOMES = ("removed", "dropped", "too_late")
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = tuple(2**power for power in range(11))
LATENCY_S = tuple(5e-5 * 2 ** (step / 4) for step in range(81))  # to 52 seconds, each a fifth more than the one before


class ModelMetrics:
    """Numbers of one model, all its versions together.

    Attributes:
        requests: finished requests by outcome: ``ok`` or an error code.
        rows: rows that ran.
        queue_s: seconds that requests waited before their batch ran.
        run_s: seconds that batches ran.
        latency_s: seconds from a request's arrival to the end of its last run, while somebody wants to know.
        batch_rows: rows in a batch.
        cancelled: cancels by outcome (``CANCEL_OUTCOMES``).
        stopped: runs that were told to stop, since nobody waited for them any more.
        streams: numbers of its streams.
    """

    __slots__ = ("batch_rows", "cancelled", "latency_s", "queue_s", "requests", "rows", "run_s", "stopped", "streams")

    def __init__(self) -> None:
        self.requests = Counts(OUTCOMES)
        self.cancelled = Counts(CANCEL_OUTCOMES)
        self.rows = 0
        self.stopped = 0
        self.streams = StreamNumbers(OUTCOMES)
        self.queue_s = Histogram(SECONDS)
        self.run_s = Histogram(SECONDS)
        self.latency_s = Histogram(LATENCY_S)
        self.batch_rows = Histogram(ROWS)

    def batch(self, rows: int, run_s: float, queue_s: Sequence[float]) -> None:
        """Count one batch that ran.

        Args:
            rows: its rows.
            run_s: seconds that it ran.
            queue_s: for each request that started with it, the seconds that it had waited.
        """
        self.rows += rows
        self.batch_rows.observe(rows)
        self.run_s.observe(run_s)
        self.queue_s.observe_many(queue_s)


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is not counted but looked up when somebody asks.

    Attributes:
        outbound_buffer_bytes: bytes of memory that unread answers keep, all connections together.
        models: number of models by state, such as ``ready`` and ``failed``.
        queue_requests: waiting requests by model.
        queue_bytes: bytes of tensors that wait, all models together.
        compute_slots: how many models may run at the same time.
        slot_busy_s: seconds that all slots together have been busy since the start; runs that are under way count too.
        tasks: asyncio tasks of the process.
        choked: connections that are not read from, since too much waits for them.
        worker_processes: worker processes that are up.
        worker_restarts: worker processes that were started again after one died.
        streams_parked: streams that wait for their client to come back.
        stream_bytes: bytes of memory that all streams keep.
        subscriptions: patterns that clients subscribe to.
        topics: topics that are known.
        topic_bytes: bytes of memory that their last events keep.
    """

    outbound_buffer_bytes: int = 0
    models: Mapping[str, int] = field(default_factory=dict)
    queue_requests: Mapping[str, int] = field(default_factory=dict)
    queue_bytes: int = 0
    compute_slots: int = 0
    slot_busy_s: float = 0.0
    tasks: int = 0
    inbound_bytes: int = 0
    choked: int = 0
    worker_processes: int = 0
    worker_restarts: int = 0
    streams_parked: int = 0
    stream_bytes: int = 0
    subscriptions: int = 0
    topics: int = 0
    topic_bytes: int = 0


class Metrics:
    """All numbers of one gateway.

    Attributes:
        connections_opened: WebSocket connections that were opened.
        connections_closed: how they ended, by reason (``CLOSE_REASONS``).
        messages_received: messages by form (``FORMS``).
        refused: what was turned away, by reason (``REFUSAL_REASONS``).
        resumes: clients that wanted to go on with their streams, by what came of it (``RESUMES``).
        events_published: events of all topics.
        events_sent: events that were sent, to each who watches.
        events_conflated: events that were not sent to somebody who watches, since he read too slowly.
        times_answers: whether somebody wants to know how long requests take.
        models: numbers by model, for the models that are served; ``other`` for names that are not.
        loop_lag: how late the event loop is.
        gauges: the last sample.
        slot_busy_share: share of the slots' time that was used lately, as of the last sample.
        lag: percentiles of the loop's lag, as of the last sample.
    """

    def __init__(self, models: Iterable[str] = (), read: Callable[[], Gauges] = Gauges) -> None:
        """Start at zero.

        Args:
            models: names of the models that are served.
            read: looks the gauges up; called on the event loop, by ``sample``.
        """
        self.connections_opened = 0
        self.connections_closed = Counts(CLOSE_REASONS)
        self.messages_received = Counts(FORMS)
        self.refused = Counts(REFUSAL_REASONS)
        self.resumes = Counts(RESUMES)
        self.events_published = 0
        self.events_sent = 0
        self.events_conflated = 0
        self.times_answers = False
        self._other = ModelMetrics()
        self.models = {name: ModelMetrics() for name in models} | {OTHER: self._other}
        self.loop_lag = LoopLag()
        self.gauges = Gauges()
        self.slot_busy_share = 0.0
        self.lag = LagReadout(0.0, 0.0, 0.0)
        self._read = read
        self._share = SlotShare()

    def model(self, name: str) -> ModelMetrics:
        """Give the numbers of a model; those of ``other`` when it is not served."""
        return self.models.get(name, self._other)

    def asked(self) -> int:
        """Return how many messages and connections have come."""
        return self.connections_opened + sum(self.messages_received.values.values())

    def sample(self, now: float) -> None:
        """Look the gauges up, on the event loop; ``now`` in seconds, monotonic."""
        self.gauges = self._read()
        self.slot_busy_share = self._share.read(now, self.gauges.slot_busy_s, self.gauges.compute_slots)
        self.lag = self.loop_lag.readout()
