"""The shell around the workers: it asks the clock, hands batches to the compute slots and answers whoever waits.

All decisions are made by the pure objects (worker, dispatcher, deadlines); everything here runs on the event loop and
awaits nothing. Bounds: requests per model and bytes in the process; at the bound a request is refused as ``overloaded``.
Every request that was admitted gets exactly one answer, whatever happens: the only way out is ``_leave``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol

from tidegate.errors import (
    Cancelled,
    CancelOutcome,
    DeadlineExceeded,
    InternalError,
    ModelFailed,
    Overloaded,
    ShuttingDown,
    TidegateError,
)

from .batch import Batch, Run, merge
from .deadlines import Deadlines
from .dispatcher import Dispatcher
from .request import DONE, NEVER, RUNNING, Answer, Request, Sink
from .slots import ComputeSlots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .worker import Worker

_log = logging.getLogger("tidegate.models")

_STOP_S = 1.0  # for runs that were told to stop


class Observer(Protocol):
    """Whoever counts. Called on the event loop; must be quick."""

    def ran(self, batch: Batch, run: Run) -> None:
        """A batch has run."""


class Scheduler:
    """Requests in, answers out."""

    def __init__(
        self, workers: Iterable[Worker], *, slots: int, queue_requests: int, queue_bytes: int, observer: Observer | None
    ) -> None:
        self._workers = tuple(workers)
        self._loop = asyncio.get_running_loop()
        self._dispatcher = Dispatcher(slots)
        self._deadlines = Deadlines()
        self._queue_requests = queue_requests
        self._queue_bytes = queue_bytes
        self._nbytes = 0
        self._observer = observer
        self._due: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._closing = False
        self._idle = asyncio.Event()
        self._at_slots: set[Batch] = set()
        self.slots: ComputeSlots[Batch] = ComputeSlots(slots, self._loop, self._done)

    # Requests come in.

    def add(self, request: Request, *, alone: bool = False) -> None:
        """Queue a request that was admitted.

        Args:
            request: the request.
            alone: whether no other request comes in this turn of the loop, as far as the caller knows; then it need not
                wait for one, if nothing else waits or runs either.

        Raises:
            Overloaded: the model's queue or the process's share of memory is full; the request is not kept.
            ShuttingDown: the scheduler is closing.
        """
        kind = request.kind
        worker = kind.worker
        self._check_room(worker, kind.nbytes)
        self._nbytes += kind.nbytes
        if request.deadline != NEVER:
            self._deadlines.add(request)
        if alone and self._dispatcher.is_idle() and (batch := worker.lone_batch(request)) is not None:
            self._dispatcher.start(batch)
            self._submit(batch)
            self._check_timer()
            return
        worker.queue.push(request)
        self._dispatcher.wake(worker)
        if self._due is None:
            # Not at once: what else comes in this turn of the loop joins the same batch.
            self._due = self._loop.call_soon(self._dispatch_due)

    def _check_room(self, worker: Worker, nbytes: int) -> None:
        if self._closing:
            raise ShuttingDown("the gateway is shutting down")
        waiting = worker.queue.requests
        if waiting >= self._queue_requests:
            raise self._overloaded(worker, "queue_requests", f"{waiting} requests wait for {worker.model.name!r}")
        if self._nbytes + nbytes > self._queue_bytes:
            why = f"{self._nbytes} of {self._queue_bytes} bytes of tensors are taken"
            raise self._overloaded(worker, "queue_bytes", why)

    def cancel(self, request: Request) -> CancelOutcome:
        """Cancel a request; its sink is told at once, unless it has its answer already."""
        if request.status is DONE:
            return "too_late"
        outcome: CancelOutcome = "dropped" if request.taken else "removed"
        self._fail(request, Cancelled(f"cancelled: {outcome}", outcome=outcome))
        return outcome

    def _overloaded(self, worker: Worker, bound: str, why: str) -> Overloaded:
        rate = worker.costs.best_rate()
        wait_ms = int(1000 * worker.queue.rows / rate) + 1 if rate else None
        return Overloaded(f"{why}; not executed, send it again later", retry_after_ms=wait_ms, bound=bound)

    # Batches go out.

    def _dispatch_due(self) -> None:
        self._due = None
        self._dispatch()

    def _dispatch(self) -> None:
        now = time.monotonic()
        if self._deadlines:
            for request in self._deadlines.expired(now):
                self._fail(request, DeadlineExceeded(f"no answer within {_ms(request.deadline - request.arrival)} ms"))
        while (batch := self._dispatcher.next(now)) is not None:
            self._submit(batch)
        self._check_timer(now)

    def _submit(self, batch: Batch) -> None:
        for request, _, _ in batch.pieces:
            request.status = RUNNING
        if self._dispatcher.is_ahead(batch):
            batch.prepare()
        self._at_slots.add(batch)
        self.slots.submit(batch)

    def _check_timer(self, now: float | None = None) -> None:
        now = time.monotonic() if now is None else now
        at = min(self._deadlines.next_check(), self._dispatcher.next_check(now))
        if at < self._timer_at:
            self._set_timer(at, now)

    def _set_timer(self, at: float, now: float) -> None:
        """Keep one timer, at the earliest time at which something has to be decided without a message or a result."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - now) + 0.001, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        self._dispatch()

    # Batches come back.

    def _done(self, batch: Batch) -> None:
        worker = batch.worker
        self._at_slots.discard(batch)
        self._dispatcher.release(batch)
        final = worker.settle(batch)
        if worker.has_work():
            self._dispatcher.wake(worker)
        if self._dispatcher.has_work():
            self._dispatch()  # the slot computes again before anybody is answered
        if batch.run is not None:
            self._answer(batch, batch.run)
            self._observe(batch, batch.run)
        for request in final:
            self._fail(request, batch.error or InternalError("the batch ended without a result"))
        if self._closing and not self._at_slots:
            self._idle.set()

    def _observe(self, batch: Batch, run: Run) -> None:
        if self._observer is not None:
            try:
                self._observer.ran(batch, run)
            except Exception:
                _log.exception("a run could not be counted")

    def _answer(self, batch: Batch, run: Run) -> None:
        by_sink: dict[Sink, list[Answer]] = {}
        row = 0
        for request, start, stop in batch.pieces:
            first, row = row, row + stop - start
            if request.status is DONE:
                continue
            if row - first < request.rows:
                self._gather(request, start, run, first, row)
                continue
            self._leave(request)
            answers = by_sink.get(request.sink)
            if answers is None:
                by_sink[request.sink] = [(request, first, row)]
            else:
                answers.append((request, first, row))
        for sink, answers in by_sink.items():
            self._hand_over(sink, run, answers)

    def _gather(self, request: Request, at: int, run: Run, start: int, stop: int) -> None:
        """Keep one part of a request that was split; answer when all of it is here."""
        if request.parts is None:
            request.parts = {}
        request.parts[at] = (run, start, stop)
        if sum(b - a for _, a, b in request.parts.values()) < request.rows:
            return
        try:
            whole, first, last = merge(request)
        except (MemoryError, ValueError) as error:
            self._fail(request, ModelFailed(f"the parts of the answer do not fit together: {error}"))
            return
        self._leave(request)
        self._hand_over(request.sink, whole, [(request, first, last)])

    def _hand_over(self, sink: Sink, run: Run, answers: list[Answer]) -> None:
        """Give a sink its answers; one that cannot take them is told so, since nobody may be left without an answer."""
        try:
            sink.finished(run, answers)
        except Exception:
            _log.exception("results could not be handed over")
            for request, _, _ in answers:
                self._tell(request, InternalError("the result could not be handed over; the log says why"))

    def _fail(self, request: Request, error: TidegateError) -> None:
        if request.status is DONE:
            return
        if request.taken < request.rows:
            request.kind.worker.queue.remove(request)
        self._leave(request)
        self._tell(request, error)

    def _tell(self, request: Request, error: TidegateError) -> None:
        try:
            request.sink.failed(request, error)
        except Exception:
            _log.exception("an error could not be handed over")

    def _leave(self, request: Request) -> None:
        request.status = DONE
        request.parts = None
        self._nbytes -= request.kind.nbytes
        if request.deadline != NEVER:
            self._deadlines.discard(request)

    # The end.

    async def aclose(self, grace_s: float = 10.0) -> None:
        """Refuse what is queued, let what runs come to its end for at most ``grace_s`` seconds, stop the threads.

        A run that is not done by then is told to stop, which it does between two nodes of its graph, and given up.
        """
        self._closing = True
        self._refuse_waiting()
        if not await self._runs_end(grace_s):
            _log.warning("%d runs did not end within %g s", len(self._at_slots), grace_s)
        self._refuse_waiting()
        for batch in self._at_slots:
            for request, _, _ in batch.pieces:
                self._fail(request, _ended(request))
            batch.control.stop()
        await self._runs_end(_STOP_S)
        if self._timer is not None:
            self._timer.cancel()
        self.slots.stop()

    async def _runs_end(self, within_s: float) -> bool:
        if not self._at_slots:
            return True
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _refuse_waiting(self) -> None:
        for worker in self._workers:
            for request in worker.waiting():
                self._fail(request, _ended(request))


def _ended(request: Request) -> TidegateError:
    """Say what became of a request when the gateway stops: ``shutting_down`` promises that it was not executed."""
    if request.taken:
        return Cancelled("the gateway is shutting down; what ran of the request is thrown away", outcome="dropped")
    return ShuttingDown("the gateway is shutting down; not executed")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"
