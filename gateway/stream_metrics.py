"""What is counted of streams, by model: plain numbers, and who adds to them when the engine tells. Knows no Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.models.model import Model
    from tidegate.models.streams.stream import Stream

    from .metrics import Metrics

CLOSE_REASONS = ("closed", "idle", "expired", "shutting_down", "model_unavailable")
RESUMES = ("resumed", "superseded", "lost", "failed")


class StreamNumbers:
    """Numbers of one model's streams, all its versions together.

    Attributes:
        opened: streams that were opened.
        closed: streams that ended, by reason (``CLOSE_REASONS``).
        steps: steps that ended, or were not accepted, by outcome: ``ok`` or an error code.
        results: results and errors of steps that were sent, those that were sent again included.
        gaps: results that were not sent, since they were dropped or are kept no more.
    """

    __slots__ = ("closed", "gaps", "opened", "results", "steps")

    def __init__(self, outcomes: Iterable[str]) -> None:
        self.opened = 0
        self.closed = Counts(CLOSE_REASONS)
        self.steps = Counts(outcomes)
        self.results = 0
        self.gaps = 0

    @property
    def open(self) -> int:
        """How many are open."""
        return self.opened - sum(self.closed.values.copy().values())


class StreamCounter:
    """Counts what the engine tells of streams (see ``streams.audience.Observer``)."""

    __slots__ = ("_metrics",)

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def stream_opened(self, stream: Stream) -> None:
        """Count a stream that was opened."""
        self._metrics.model(stream.model.name).streams.opened += 1

    def stream_closed(self, stream: Stream, reason: str) -> None:
        """Count a stream that has ended."""
        self._metrics.model(stream.model.name).streams.closed.add(reason)

    def steps_ended(self, model: Model, code: str, count: int = 1) -> None:
        """Count steps that have ended."""
        self._metrics.model(model.name).streams.steps.add(code, count)
