"""Whose turn it is at the compute slots. Pure; knows nothing of threads, requests or time beyond ``now``.

Rules, each with a test:

1. Runs never take more slots than there are; a model whose runs use k threads takes k of them.
2. The next turn belongs to the model that has used the least compute time, divided by its weight, among those with work.
   The estimate is charged when a run starts and put right when it ends.
3. A model that had nothing to do saves nothing up: it starts where the model stood that had the last turn
   (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996).
4. One batch for each slot may be handed over ahead of its turn at the thread, but only if it is full (waiting would gain
   nothing) and short (nobody waits noticeably longer): so a slot does not idle for the way there and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .request import NEVER

if TYPE_CHECKING:
    from .batch import Batch
    from .worker import Worker

_AHEAD_LIMIT_S = 0.010


class Dispatcher:
    """Turns of the models at a fixed number of slots."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.used = 0
        self._ahead: dict[Batch, None] = {}
        self._active: dict[Worker, None] = {}
        self._last_start = 0.0

    def wake(self, worker: Worker) -> None:
        """Let a worker that has work take part."""
        if worker not in self._active:
            worker.used_s = max(worker.used_s, self._last_start)
            self._active[worker] = None

    def next(self, now: float) -> Batch | None:
        """Return a batch to hand to the slots now, if there is one and room for it."""
        while (worker := self._pick(now)) is not None:
            batch = worker.next_batch()
            if batch is not None:
                self.start(batch)
                return batch
        return None

    def is_idle(self) -> bool:
        """Tell whether nothing runs and nothing waits: whoever comes now is alone."""
        return self.used == 0 and not self._active

    def has_work(self) -> bool:
        """Tell whether anything may be waiting for a slot."""
        return bool(self._active)

    def next_check(self, now: float) -> float:
        """Return when a worker that waits for a fuller batch will be ready; ``NEVER`` if none does."""
        return min([at for worker in self._active if worker.delays and (at := worker.ready_at()) > now], default=NEVER)

    def start(self, batch: Batch) -> None:
        """Take note that a batch goes to the slots."""
        worker = batch.worker
        batch.estimate_s = worker.costs.estimate_s(batch.rows)
        # A model that comes back from doing nothing begins here (rule 3).
        worker.used_s = self._last_start = max(self._last_start, worker.used_s)
        worker.used_s += batch.estimate_s * self._units(worker) / worker.weight
        if self.used + self._units(worker) <= self.slots:
            self.used += self._units(worker)
        else:
            self._ahead[batch] = None

    def is_ahead(self, batch: Batch) -> bool:
        """Tell whether a batch was handed over ahead of its turn (rule 4)."""
        return batch in self._ahead

    def release(self, batch: Batch) -> None:
        """Take note that a batch came back from its slot."""
        worker = batch.worker
        if self._ahead and batch in self._ahead:
            del self._ahead[batch]
        else:
            self.used -= self._units(worker)
            self._promote()
        if batch.run is not None:
            worker.used_s += (batch.run.compute_s - batch.estimate_s) * self._units(worker) / worker.weight

    def _promote(self) -> None:
        """Let a batch that was handed over ahead take the room that became free."""
        for batch in self._ahead:
            if self.used + self._units(batch.worker) <= self.slots:
                self.used += self._units(batch.worker)
                del self._ahead[batch]
            return

    def _pick(self, now: float) -> Worker | None:
        """Choose whose turn it is; None if nobody is ready or there is no room."""
        best = None
        for worker in tuple(self._active):
            if not worker.has_work():
                del self._active[worker]
            elif (best is None or worker.used_s < best.used_s) and (not worker.delays or worker.ready_at() <= now):
                best = worker
        if best is None or self.used + self._units(best) <= self.slots:
            return best
        ahead = len(self._ahead) < self.slots and best.units == 1 and best.is_full() and best.estimate_s() <= _AHEAD_LIMIT_S
        return best if ahead else None

    def _units(self, worker: Worker) -> int:
        return min(worker.units, self.slots)
