"""One model's worker: its queue, what it learned of its costs, and what has to be run again. Pure; takes ``now``.

Knows nothing of threads, slots or other models. ``next_batch`` says what to run; ``settle`` says what came of it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .admission import Admission
from .batch import Batch
from .costs import Costs
from .planner import Sizes, cut, split_failed, still_wanted, take_batch
from .queue import RequestQueue

if TYPE_CHECKING:
    from .model import Model
    from .request import Piece, Request


class Worker:
    """The serving side of one model.

    Attributes:
        model: what it serves.
        queue: requests that wait.
        costs: what a batch of each size costs.
        admission: the check of its inputs.
        units: compute slots that a run takes.
        used_s: compute seconds used, divided by the model's weight: its place in the turns between models.
    """

    __slots__ = ("_delay_s", "_retries", "_sizes", "admission", "costs", "model", "queue", "units", "used_s", "weight")

    def __init__(self, model: Model) -> None:
        self.model = model
        self.queue = RequestQueue()
        self.costs = Costs(model.batching.sizes, model.batching.cost_s)
        self.admission = Admission(self)
        self.weight = model.config.weight
        self.units = model.config.intra_op_threads
        self.used_s = 0.0
        self._sizes = Sizes(model.batching.sizes)
        self._delay_s = model.config.max_delay_ms / 1000
        # Bounded by what is at the slots: a batch goes in only when it comes back from one.
        self._retries: deque[list[Piece]] = deque()

    def has_work(self) -> bool:
        """Tell whether anything waits."""
        return bool(self.queue) or bool(self._retries)

    @property
    def delays(self) -> bool:
        """Whether its batches may wait for company."""
        return self._delay_s > 0

    def ready_at(self) -> float:
        """Return when the next batch may run; only meaningful when there is work.

        Without the opt-in ``max_delay_ms`` that is always at once. With it a batch waits until it is full, until its
        first request has waited that long, or until that request could otherwise miss its time limit.
        """
        if not self._delay_s or self._retries:
            return 0.0
        key = self.queue.next_key()
        if self.queue.rows_with(key) >= self.costs.cap():
            return 0.0
        first = self.queue.first(key)
        return min(first.arrival + self._delay_s, first.deadline - 2 * self.costs.estimate_s(self.costs.cap()))

    def is_full(self) -> bool:
        """Tell whether a batch that is taken now would gain nothing by waiting."""
        return self.queue.rows >= self.costs.cap()

    def estimate_s(self) -> float:
        """Return the seconds that the next batch is expected to take."""
        return self.costs.estimate_s(max(1, min(self.queue.rows, self.costs.cap())))

    def lone_batch(self, request: Request) -> Batch | None:
        """Make a batch of a request that nobody could join; None if it has to be queued all the same."""
        if self._delay_s or self._sizes.floor(request.rows) != request.rows:
            return None
        request.taken = request.rows
        return Batch(self, [(request, 0, request.rows)])

    def next_batch(self) -> Batch | None:
        """Take the next batch; None when all that waited was cancelled meanwhile."""
        while self._retries:
            pieces = still_wanted(self._retries.popleft())
            if pieces:
                first, *others = cut(pieces, self._sizes)
                self._retries.extendleft(reversed(others))
                return Batch(self, first)
        if not self.queue:
            return None
        return Batch(self, take_batch(self.queue, self._sizes, self.costs.cap()))

    def waiting(self) -> list[Request]:
        """Return every request that is not at a slot."""
        again = (request for pieces in self._retries for request, _, _ in pieces)
        return list(dict.fromkeys([*self.queue, *again]))

    def settle(self, batch: Batch) -> list[Request]:
        """Take note of a batch that came back; return the requests for which its error is final."""
        if batch.run is not None:
            self.costs.observe(batch.rows, batch.run.compute_s)
            return []
        parts = split_failed(still_wanted(batch.pieces), self._sizes)
        self._retries.extend(parts)
        return [] if parts else [request for request, _, _ in still_wanted(batch.pieces)[:1]]
