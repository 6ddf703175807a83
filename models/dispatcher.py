"""Whose turn it is at the compute slots. Pure; knows nothing of threads, requests or time beyond ``now``.

Rules, each with a test:

1. Runs never take more slots than there are; a model whose runs use k threads takes k of them.
2. The next turn belongs to the model that has used the least compute time, divided by its weight, among those with work.
   The estimate is charged when a run starts and put right when it ends.
3. A model that had nothing to do saves nothing up: it starts where the model stood that had the last turn
   (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996).
4. One batch for each slot may be handed over ahead of its turn at the thread, but only if it is full (waiting would gain
   nothing) and short (nobody waits noticeably longer): so a slot does not idle for the way there and back.
5. Long runs leave one slot to short ones: while another model whose runs usually are much shorter has had work within the
   last seconds, long runs take all slots but one, so that a fast model never waits for a slow one to finish. With one
   slot it waits for one run.
6. Runs that need a worker process are never more than the processes that are up.
7. What could run together with a batch that stays at its slot (see ``burst``) waits for it instead of taking another slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .request import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batch import Batch
    from .worker import Worker

_AHEAD_LIMIT_S = 0.010
_AHEAD_OF_LIGHT_S = 0.001  # while a light client may come, who would have to wait for it
_LONG_S = 0.010  # a run shorter than this is never in anybody's way
_MUCH_LONGER = 4.0  # than what runs of the other model usually take
_REMEMBERED_S = 10.0  # that a model with short runs had work


class Dispatcher:
    """Turns of the models at a fixed number of slots.

    Attributes:
        used: slots that are taken.
        version: changes with everything that a forecast depends on, but for the clock.
    """

    def __init__(self, slots: int, processes: Callable[[], int] | None = None) -> None:
        self.slots = slots
        self.used = 0
        self.version = 0
        self._processes = processes
        self._isolated = 0  # batches handed out that need a process
        self._ahead: dict[Batch, None] = {}
        self._running: dict[Batch, float] = {}  # when each is expected to end
        self._active: dict[Worker, None] = {}
        self._last_start = 0.0
        self._had_work: dict[Worker, float] = {}  # when each was last seen with work

    def wake(self, worker: Worker, now: float) -> None:
        """Let a worker that has work take part."""
        if worker not in self._active:
            self.version += 1
            worker.used_s = max(worker.used_s, self._last_start)
            self._active[worker] = None
            self._had_work[worker] = now

    def next(self, now: float) -> Batch | None:
        """Return a batch to hand to the slots now, if there is one and room for it."""
        while (worker := self._pick(now)) is not None:
            batch = worker.next_batch(now)
            if batch is not None:
                self.start(batch, now)
                return batch
        return None

    def may_go_alone(self, worker: Worker) -> bool:
        """Tell whether nothing runs and nothing waits: what comes now for this worker is alone and may run at once."""
        return self.used == 0 and not self._active and (not worker.isolated or self._has_process())

    def has_work(self) -> bool:
        """Tell whether anything may be waiting for a slot."""
        return bool(self._active)

    def next_check(self, now: float) -> float:
        """Return when a worker that waits for a fuller batch will be ready; ``NEVER`` if none does."""
        return min([at for worker in self._active if worker.delays and (at := worker.ready_at()) > now], default=NEVER)

    def has_slot(self, worker: Worker, now: float) -> bool:
        """Tell whether a run of this worker could begin at once."""
        return self.used + self._units(worker) <= self.slots and self._may_begin(worker, now)

    def free_at(self, worker: Worker, now: float) -> float:
        """Return when a slot is expected to be free for a run of this worker, after what was handed over already."""
        if self.has_slot(worker, now):
            return now
        room = self.used + self._units(worker) <= self.slots  # kept from it by rule 5 or 6: it waits for one of its like
        ends = [
            max(end, now)
            for batch, end in self._running.items()
            if batch not in self._ahead and (not room or batch.estimate_s > _LONG_S or batch.worker.isolated)
        ]
        for batch in self._ahead if ends else ():
            first = min(range(len(ends)), key=ends.__getitem__)
            ends[first] += batch.estimate_s
        return min(ends, default=now)

    def share(self, worker: Worker, now: float) -> float:
        """Return how many runs of this worker go on at a time, if all that have work now go on having it."""
        weights = sum([other.weight for other in self._active]) + (0.0 if worker in self._active else worker.weight)
        slots = self.slots - 1 if self.slots > 1 and self._is_in_the_way(worker, now) else self.slots
        return max(min(slots, self.slots * worker.weight / weights) / self._units(worker), 1e-3)

    def start(self, batch: Batch, now: float) -> None:
        """Take note that a batch goes to the slots."""
        worker = batch.worker
        batch.estimate_s = worker.costs.estimate_s(batch.rows, batch.key)
        # A model that comes back from doing nothing begins here (rule 3).
        worker.used_s = self._last_start = max(self._last_start, worker.used_s)
        worker.used_s += batch.estimate_s * self._units(worker) / worker.weight
        worker.running += 1
        worker.remember(batch.estimate_s)
        self.version += 1
        self._isolated += worker.isolated
        self._running[batch] = now + batch.estimate_s
        if self.used + self._units(worker) <= self.slots:
            self.used += self._units(worker)
        else:
            self._ahead[batch] = None

    def stepped(self, batch: Batch, step_s: float, now: float) -> None:
        """Take note that a batch took a step of so many seconds and stays at its slot for another."""
        worker = batch.worker
        self.version += 1
        worker.used_s += step_s * self._units(worker) / worker.weight
        worker.remember(step_s)
        self._running[batch] = now + batch.estimate_s

    def waits(self, now: float) -> bool:
        """Tell whether anything waits only for a slot."""
        if self._ahead:
            return True
        return any(worker.has_work() and (not worker.delays or worker.ready_at() <= now) for worker in self._active)

    def is_ahead(self, batch: Batch) -> bool:
        """Tell whether a batch was handed over ahead of its turn (rule 4)."""
        return batch in self._ahead

    def release(self, batch: Batch, now: float) -> None:
        """Take note that a batch came back from its slot."""
        worker = batch.worker
        worker.running -= 1
        self.version += 1
        self._isolated -= worker.isolated
        del self._running[batch]
        if self._ahead and batch in self._ahead:
            del self._ahead[batch]
        else:
            self.used -= self._units(worker)
            self._promote(now)
        if batch.run is not None:
            worker.used_s += (batch.run.compute_s - batch.estimate_s) * self._units(worker) / worker.weight

    def _promote(self, now: float) -> None:
        """Let a batch that was handed over ahead take the room that became free."""
        for batch in self._ahead:
            if self.used + self._units(batch.worker) <= self.slots:
                self.used += self._units(batch.worker)
                self._running[batch] = now + batch.estimate_s
                del self._ahead[batch]
            return

    def _pick(self, now: float) -> Worker | None:
        """Choose whose turn it is; None if nobody is ready or there is no room."""
        best = None
        for worker in tuple(self._active):
            if not worker.has_work():
                del self._active[worker]
            elif (best is None or worker.used_s < best.used_s) and self._may_run(worker, now):
                best = worker
        if best is None or self.used + self._units(best) <= self.slots:
            return best
        limit_s = _AHEAD_OF_LIGHT_S if best.expects_light(now) else _AHEAD_LIMIT_S
        ahead = len(self._ahead) < self.slots and best.units == 1 and best.is_full() and best.estimate_s() <= limit_s
        return best if ahead else None

    def _may_run(self, worker: Worker, now: float) -> bool:
        return (not worker.delays or worker.ready_at() <= now) and not worker.joins() and self._may_begin(worker, now)

    def _may_begin(self, worker: Worker, now: float) -> bool:
        if worker.isolated and not self._has_process():
            return False
        return self.slots == 1 or self._leaves_a_slot(worker, now)

    def _has_process(self) -> bool:
        return self._processes is None or self._isolated < self._processes()

    def _leaves_a_slot(self, worker: Worker, now: float) -> bool:
        """Tell whether a short run still finds a slot beside this worker's next run (rule 5)."""
        self._had_work[worker] = now
        if not self._is_in_the_way(worker, now):
            return True
        long = sum([self._units(batch.worker) for batch in self._running if batch.estimate_s > _LONG_S])
        return not long or long + self._units(worker) < self.slots

    def _is_in_the_way(self, worker: Worker, now: float) -> bool:
        """Tell whether a worker's next run is so long that short ones of another model must not wait for it."""
        return worker.estimate_s() > _LONG_S and any(
            now - at <= _REMEMBERED_S and worker.usual_s() > _MUCH_LONGER * other.usual_s()
            for other, at in self._had_work.items()
            if other is not worker
        )

    def _units(self, worker: Worker) -> int:
        return min(worker.units, self.slots)
