"""The shell around ``Service``: it asks the clock, hands batches to the compute slots and tells whoever waits.

Decides nothing; everything here runs on the event loop and awaits nothing. Nothing holds the loop for long either:
requests that expire together, and answers of one batch, are told a bounded number in each turn of the loop. What waits to
be told is bounded by what was admitted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from tidegate.errors import InternalError

from .merging import Merge
from .request import NEVER
from .service import Service
from .slots import ComputeSlots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tidegate.errors import CancelOutcome, TidegateError

    from .batch import Batch, Run
    from .bounds import Bounds
    from .request import Answer, Request, Sink
    from .worker import Worker

_log = logging.getLogger("tidegate.models")

_STOP_S = 1.0  # for runs that were told to stop
_TOLD_PER_TURN = 256


class Observer(Protocol):
    """Whoever counts. Called on the event loop; must be quick."""

    def ran(self, batch: Batch, run: Run) -> None:
        """A batch has run."""

    def stopped(self, batch: Batch) -> None:
        """A batch is told to stop, since nobody waits for it any more."""


class Scheduler:
    """Requests in, answers out."""

    def __init__(
        self,
        workers: Iterable[Worker],
        *,
        slots: int,
        bounds: Bounds,
        observer: Observer | None,
        processes: Callable[[], int] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._service = Service(workers, slots, bounds, processes)
        self._observer = observer
        self._due: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._closing = False
        self._idle = asyncio.Event()
        self._answering: deque[tuple[Batch, Run, int, int]] = deque()  # the rest of a batch: its first piece, and its row
        self.slots: ComputeSlots[Batch | Merge] = ComputeSlots(slots, self._loop, self._done)

    # Requests come in.

    def add(self, request: Request, *, alone: bool = False) -> None:
        """Queue a request whose inputs were checked.

        Args:
            request: the request.
            alone: whether no other request comes in this turn of the loop, as far as the caller knows; then it need not
                wait for one, if nothing else waits or runs either.

        Raises:
            Overloaded: a bound is reached, or it could not be answered in time; the request is not kept.
            ShuttingDown: the scheduler is closing.
        """
        batch = self._service.arrive(request, alone=alone)
        if batch is not None:
            self._submit(batch)
            self._check_timer(request.arrival)
        elif self._due is None:
            # Not at once: what else comes in this turn of the loop joins the same batch.
            self._due = self._loop.call_soon(self._turn)

    def cancel(self, request: Request) -> CancelOutcome:
        """Cancel a request; its sink is told at once, unless it has its answer already."""
        outcome = self._service.cancel(request)
        if outcome != "too_late":
            self._tell()
            self.wake()
        return outcome

    def wake(self) -> None:
        """Look again in the next turn of the loop; something has changed."""
        if self._due is None:
            self._due = self._loop.call_soon(self._turn)

    # Batches go out.

    def _turn(self) -> None:
        self._due = None
        now = time.monotonic()
        more = self._service.expire(now, _TOLD_PER_TURN)
        self._dispatch(now)
        if self._answering:
            self._answer(*self._answering.popleft())
        self._finish_turn(now)
        if more:
            self.wake()

    def _dispatch(self, now: float) -> None:
        while (batch := self._service.next(now)) is not None:
            if self._service.is_ahead(batch):
                batch.prepare()
            self._submit(batch)

    def _submit(self, batch: Batch) -> None:
        batch.tell = self._tell_step
        self.slots.submit(batch)

    def _finish_turn(self, now: float) -> None:
        if self._service.merges:
            self._merge()
        self._tell()
        for batch in self._service.stop_unwanted():
            self._observe_stop(batch)
        if self._answering or self._service.failed:
            self.wake()
        self._check_timer(now)

    def _check_timer(self, now: float) -> None:
        """Keep one timer, at the earliest time at which something has to be decided without a message or a result."""
        at = self._service.next_check(now)
        if at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self._loop.call_later(max(0.0, at - now) + 0.001, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        self.wake()

    # Batches take steps.

    def _tell_step(self, batch: Batch, run: Run) -> bool:
        """Have a step of a batch that stays at its slot told; called at the slot. Tells whether the loop still runs."""
        try:
            self._loop.call_soon_threadsafe(self._stepped, batch, run)
        except RuntimeError:
            return False
        return True

    def _stepped(self, batch: Batch, run: Run) -> None:
        now = time.monotonic()
        self._observe(batch, run)  # before its requests begin with the next step
        for sink, answers in self._service.stepped(batch, run, now).items():
            self._hand_over(sink, run, answers)
        self._service.go_on(batch)
        self._finish_turn(now)

    # Batches come back.

    def _done(self, job: Batch | Merge) -> None:
        now = time.monotonic()
        if isinstance(job, Merge):
            self._merged(job)
        else:
            self._came_back(job, now)
        self._finish_turn(now)
        if self._closing and self._service.is_idle():
            self._idle.set()

    def _came_back(self, batch: Batch, now: float) -> None:
        self._service.came_back(batch, now)
        run = batch.run
        if run is not None and batch.goes_on:
            self._answer(batch, run, 0, 0)  # at once: what waits is to join those that go on, in one batch
        if self._service.has_work():
            self._service.expire(now, _TOLD_PER_TURN)
            self._dispatch(now)  # the slot computes again before anybody is answered
        if run is not None:
            if not batch.goes_on:
                self._answer(batch, run, 0, 0)
            self._observe(batch, run)

    def _answer(self, batch: Batch, run: Run, first: int, row: int) -> None:
        """Answer the requests of a batch from one piece on; what is too much for one turn of the loop waits."""
        pieces = batch.pieces if len(batch.pieces) <= _TOLD_PER_TURN else batch.pieces[first : first + _TOLD_PER_TURN]
        rest = first + len(pieces)
        if rest < len(batch.pieces):
            self._answering.append((batch, run, rest, row + sum([stop - start for _, start, stop in pieces])))
        for sink, answers in self._service.answers(run, pieces, row).items():
            self._hand_over(sink, run, answers)

    def _merge(self) -> None:
        """Put answers together: small ones here and now, large ones at a slot."""
        merges, self._service.merges = self._service.merges, []
        for merge in merges:
            if merge.is_small():
                merge.execute()
                self._merged(merge)
            else:
                self.slots.submit(merge)

    def _merged(self, merge: Merge) -> None:
        if self._service.merged(merge) and merge.run is not None:
            self._hand_over(merge.request.sink, merge.run, [(merge.request, 0, merge.request.rows)])

    def _hand_over(self, sink: Sink, run: Run, answers: list[Answer]) -> None:
        """Give a sink its answers; one that cannot take them is told so, since nobody may be left without an answer."""
        try:
            sink.finished(run, answers)
        except Exception:
            _log.exception("results could not be handed over")
            for request, _, _ in answers:
                self._tell_one(request, InternalError("the result could not be handed over; the log says why"))

    def _tell(self) -> None:
        """Tell those whose requests have failed; what is too much for one turn of the loop waits."""
        failed = self._service.failed
        if not failed:
            return
        now, self._service.failed = failed[:_TOLD_PER_TURN], failed[_TOLD_PER_TURN:]
        for request, error in now:
            self._tell_one(request, error)

    def _tell_one(self, request: Request, error: TidegateError) -> None:
        try:
            request.sink.failed(request, error)
        except Exception:
            _log.exception("an error could not be handed over")

    def _observe(self, batch: Batch, run: Run) -> None:
        if self._observer is not None:
            try:
                self._observer.ran(batch, run)
            except Exception:
                _log.exception("a run could not be counted")

    def _observe_stop(self, batch: Batch) -> None:
        if self._observer is not None:
            try:
                self._observer.stopped(batch)
            except Exception:
                _log.exception("a stop could not be counted")

    # The end.

    async def aclose(self, grace_s: float = 10.0) -> None:
        """Refuse what is queued, let what runs come to its end for at most ``grace_s`` seconds, stop the threads.

        A run that is not done by then is told to stop, which it does between two nodes of its graph, and given up.
        """
        self._closing = True
        self._service.close()
        await self._all_told()
        if not await self._runs_end(grace_s):
            _log.warning("%d runs did not end within %g s", len(self._service.at_slots), grace_s)
        self._service.close()
        self._service.give_up()
        await self._all_told()
        await self._runs_end(_STOP_S)
        if self._timer is not None:
            self._timer.cancel()
        self.slots.stop()

    async def _all_told(self) -> None:
        """Let the loop go round until everybody was told."""
        while self._service.failed or self._answering:
            self._tell()
            await asyncio.sleep(0)

    async def _runs_end(self, within_s: float) -> bool:
        if self._service.is_idle():
            return True
        self._idle.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
