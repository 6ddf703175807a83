"""What becomes of each request, from its arrival to its answer: all decisions of the engine, for all models. Pure.

Takes ``now``; knows no event loop, no thread and no sink, so that a million requests can be simulated in seconds. The
shell around it (``scheduler``) hands batches to the slots, and tells whoever waits.

Rules, each with a test; the order of service is in ``queue``, ``worker`` and ``dispatcher``:

1. A request whose answer is expected after its time limit, or after its model's latency objective, is refused at once,
   with the time after which a lone retry is expected to be admitted. One that nothing stands before is always admitted.
2. A request that runs out of time while it waits is never run, and one whose rows could only be late is given up before
   they run, if there is other work to do.
3. Cancelling says the truth: ``removed`` was never run and never will be, ``dropped`` ran or runs and its result is thrown
   away, ``too_late`` has its answer already. The other members of its batch notice nothing.
4. A batch whose every member is gone is told to stop.
5. Whatever happens, every request that was admitted leaves exactly once, and what it held is given back.
6. A batch that stays at its slot (see ``burst``) is called back as soon as anybody else wants the slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import Cancelled, CancelOutcome, DeadlineExceeded, InternalError, Overloaded, ShuttingDown

from .bounds import Bounds, Held
from .burst import room_of
from .deadlines import Deadlines
from .dispatcher import Dispatcher
from .forecast import expected_s
from .merging import Merge
from .planner import still_wanted
from .request import DONE, NEVER, RUNNING, Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tidegate.errors import TidegateError

    from .batch import Batch, Run
    from .request import Kind, Piece, Sink
    from .worker import Worker

_AIM = 0.9  # of a latency objective: admitting up to the objective itself, one in a hundred would just miss it


class Service:
    """Decides about requests and batches.

    Attributes:
        at_slots: batches that were handed out and did not come back yet.
        failed: requests that ended with an error, for the shell to tell; it takes them out.
        merges: answers to be put together out of parts; the shell takes them out, and hands them to ``merged``.
    """

    def __init__(
        self, workers: Iterable[Worker], slots: int, bounds: Bounds, processes: Callable[[], int] | None = None
    ) -> None:
        self.at_slots: dict[Batch, None] = {}
        self.failed: list[tuple[Request, TidegateError]] = []
        self.merges: list[Merge] = []
        self._merging: set[Request] = set()
        self._staying: dict[Batch, None] = {}  # those that may take more than one step
        self._workers = tuple(workers)
        self._dispatcher = Dispatcher(slots, processes)
        self._deadlines = Deadlines()
        self._held = Held(bounds)
        self._closing = False
        self._dropped = False
        self._seen: tuple[float, int, Kind | None] = (0.0, -1, None)
        self._ahead = (0.0, 1, 0.0, 1.0)  # for what was seen last: when a slot is free, a full batch's size and seconds, share

    # Requests come and go.

    def arrive(self, request: Request, *, alone: bool = False) -> Batch | None:
        """Take a request in at the time of its arrival.

        Args:
            request: the request.
            alone: whether it need not wait for others that may come in the same turn of the loop.

        Returns:
            A batch to hand to the slots at once; usually None.

        Raises:
            Overloaded: a bound is reached, or it could not be answered in time; the request is not kept.
            ShuttingDown: nothing is taken in any more.
        """
        kind, client, now = request.kind, request.client, request.arrival
        worker, held, nbytes = kind.worker, self._held, kind.nbytes
        if self._closing:
            raise ShuttingDown("the gateway is shutting down")
        if not held.has_room(worker.queue, client, nbytes):
            raise _no_room(worker, *held.why_not(worker, client, nbytes))
        if request.deadline != NEVER or worker.objective_s != NEVER:
            self._check_time(request, worker, now)
            self._deadlines.add(request)
        held.requests += 1
        held.nbytes += nbytes
        client.requests += 1
        client.nbytes += nbytes
        if client.nbytes > client.most_nbytes:
            client.most_nbytes = client.nbytes
        if alone and self._dispatcher.may_go_alone(worker) and (batch := worker.lone_batch(request)) is not None:
            self._dispatcher.start(batch, now)
            self._hand_out(batch)
            return batch
        worker.queue.push(request)
        self._dispatcher.wake(worker, now)
        return None

    def cancel(self, request: Request) -> CancelOutcome:
        """Cancel a request (rule 3)."""
        if request.status is DONE:
            return "too_late"
        outcome: CancelOutcome = "dropped" if request.taken else "removed"
        self._fail(request, Cancelled(f"cancelled: {outcome}", outcome=outcome))
        return outcome

    def expire(self, now: float, most: int) -> bool:
        """End requests whose time is over, at most so many; tell whether there may be more of them."""
        late = self._deadlines.expired(now, most) if self._deadlines else ()
        for request in late:
            self._too_late(request, now)
        return len(late) == most

    def close(self) -> None:
        """Take nothing in any more, and end what waits."""
        self._closing = True
        self._call_back()
        for worker in self._workers:
            for request in worker.waiting():
                self._fail(request, _ended(request))

    def give_up(self) -> None:
        """End what runs as well, and stop the runs."""
        for batch in self.at_slots:
            for request, _, _ in batch.pieces:
                self._fail(request, _ended(request))
            batch.control.stop()
        for request in tuple(self._merging):
            self._fail(request, _ended(request))

    # Batches go out and come back.

    def next(self, now: float) -> Batch | None:
        """Return the next batch to hand to the slots, if there is one and room for it."""
        batch = self._dispatcher.next(now)
        for worker in self._workers:
            if worker.late:
                late, worker.late = worker.late, []
                for piece in late:
                    self._give_up(piece)
        if batch is not None:
            self._hand_out(batch)
        elif self._staying and self._dispatcher.waits(now):
            self._call_back()
        return batch

    def is_idle(self) -> bool:
        """Tell whether nothing is at the slots."""
        return not self.at_slots and not self._merging

    def has_work(self) -> bool:
        """Tell whether anything may be waiting for a slot."""
        return self._dispatcher.has_work()

    def is_ahead(self, batch: Batch) -> bool:
        """Tell whether a batch has to wait for its slot."""
        return self._dispatcher.is_ahead(batch)

    def next_check(self, now: float) -> float:
        """Return when something has to be decided even if nothing happens until then; ``NEVER`` if nothing has."""
        return min(self._deadlines.next_check(), self._dispatcher.next_check(now))

    def stepped(self, batch: Batch, run: Run, now: float) -> dict[Sink, list[Answer]]:
        """Take note of a step of a batch that stays; return what came of it, by sink. When that was told, call ``go_on``."""
        batch.burst.told += 1
        self._dispatcher.stepped(batch, run.compute_s, now)
        batch.worker.stepped(batch, run)
        _observe_margin(batch, now)
        told: dict[Sink, list[Answer]] = {}
        for row, (request, _, _) in enumerate(batch.pieces):
            request.forecast = NEVER  # which was of its first answer
            if request.status is not DONE:
                request.steps = 0
                told.setdefault(request.sink, []).append((request, row, row + 1))
        return told

    def go_on(self, batch: Batch) -> None:
        """Let a batch that stays take further steps, and those of its requests leave that need none."""
        for request, _, _ in batch.pieces:
            if not request.steps and request.status is not DONE:
                self._leave(request)
                batch.burst.called_back = self._dropped = True
        batch.burst.allow(room_of(batch.pieces), batch.estimate_s)

    def came_back(self, batch: Batch, now: float) -> None:
        """Take note of a batch that came back from its slot; its answers are taken with ``answers``."""
        worker = batch.worker
        del self.at_slots[batch]
        if batch in self._staying:
            del self._staying[batch], worker.staying[batch]
        self._dispatcher.release(batch, now)
        final = worker.settle(batch)
        if batch.run is not None:
            _observe_margin(batch, now)
        if worker.has_work():
            self._dispatcher.wake(worker, now)
        for request in final:
            self._fail(request, batch.error or InternalError("the batch ended without a result"))

    def answers(self, run: Run, pieces: Sequence[Piece], first: int) -> dict[Sink, list[Answer]]:
        """Return what can be answered now that pieces of requests have run, by sink, and let those requests leave.

        What was split is not among it: when all parts are there, it goes to ``merges``.

        Args:
            run: what ran.
            pieces: some of its pieces, in order.
            first: the row of the run at which they begin.
        """
        ready: dict[Sink, list[Answer]] = {}
        row = first
        leave = self._leave
        for request, start, stop in pieces:
            begins, row = row, row + stop - start
            if request.status is DONE:
                continue
            if row - begins < request.rows:
                self._gather(request, start, run, begins, row)
                continue
            leave(request)
            answers = ready.get(request.sink)
            if answers is None:
                ready[request.sink] = [(request, begins, row)]
            else:
                answers.append((request, begins, row))
        return ready

    def merged(self, merge: Merge) -> bool:
        """Take note that the parts of a request were put together; tell whether it can be answered now, and has left."""
        request = merge.request
        self._merging.discard(request)
        if merge.run is None:
            self._fail(request, merge.error or InternalError("the answer was not put together"))
        if request.status is DONE:
            return False
        self._leave(request)
        return True

    def stop_unwanted(self) -> list[Batch]:
        """Stop the runs that nobody waits for any more (rule 4); return them."""
        if not self._dropped:
            return []
        self._dropped = False
        unwanted = [batch for batch in self.at_slots if not batch.control.stopped and not still_wanted(batch.pieces)]
        for batch in unwanted:
            batch.control.stop()
        return unwanted

    def _hand_out(self, batch: Batch) -> None:
        for request, _, _ in batch.pieces:
            request.status = RUNNING
        self.at_slots[batch] = None
        if batch.goes_on and (room := room_of(batch.pieces)) > 1:
            self._staying[batch] = batch.worker.staying[batch] = None
            batch.burst.allow(room, batch.estimate_s)

    def _call_back(self) -> None:
        """Let no batch stay at its slot."""
        for batch in self._staying:
            batch.burst.called_back = True

    def _gather(self, request: Request, at: int, run: Run, start: int, stop: int) -> None:
        """Keep one part of a request that was split; when all of it is here, have it put together."""
        if request.parts is None:
            request.parts = {}
        request.parts[at] = (run, start, stop)
        if sum(b - a for _, a, b in request.parts.values()) == request.rows:
            self._merging.add(request)
            self.merges.append(Merge(request))

    def _fail(self, request: Request, error: TidegateError) -> None:
        if request.status is DONE:
            return
        if request.taken < request.rows:
            request.kind.worker.queue.remove(request)
        if request.taken:
            self._dropped = True
            self._call_back()
        self._leave(request)
        self.failed.append((request, error))

    def _too_late(self, request: Request, now: float) -> None:
        if request.forecast != NEVER:
            request.kind.worker.margin.missed(now - request.forecast)
        self._fail(request, _exceeded(request, executed=request.taken > 0))

    def _give_up(self, piece: Piece) -> None:
        """End a request that was taken for a batch which could only answer it too late."""
        request, start, _ = piece
        if request.status is not DONE:
            self._dropped |= start > 0
            self._leave(request)
            if request.forecast != NEVER:
                request.kind.worker.margin.missed(request.deadline - request.forecast)
            self.failed.append((request, _exceeded(request, executed=start > 0)))

    def _leave(self, request: Request) -> None:
        request.status = DONE
        request.parts = None
        held, client, nbytes = self._held, request.client, request.kind.nbytes
        held.requests -= 1
        held.nbytes -= nbytes
        client.requests -= 1
        client.nbytes -= nbytes
        if request.deadline != NEVER:
            self._deadlines.discard(request)

    # Admission.

    def _check_time(self, request: Request, worker: Worker, now: float) -> None:
        """Refuse a request that is expected to be late (rule 1)."""
        limit = min(request.deadline, now + _AIM * worker.objective_s)
        margin_s = worker.margin.within(limit - now)
        request.forecast = self._at_worst(request.kind, worker, now)
        if request.forecast + margin_s <= limit:
            return
        request.forecast = self._forecast(request, worker)
        behind_s = request.forecast + margin_s - limit
        if behind_s <= 0 or (not worker.has_work() and not worker.running and self._dispatcher.has_slot(worker, now)):
            return
        key = request.kind.key
        wait_s = behind_s + margin_s + worker.costs.estimate_s(worker.cap(key), key)
        if limit == request.deadline:
            bound, wanted = "deadline", f"its time limit is {_ms(limit - now)} ms"
        else:
            bound, wanted = "objective", f"the model's latency objective is {_ms(worker.objective_s)} ms"
        told = f"the answer is expected after {_ms(request.forecast - now)} ms, {wanted}; not executed"
        raise Overloaded(told, retry_after_ms=_ms_up(wait_s), bound=bound)

    def _at_worst(self, kind: Kind, worker: Worker, now: float) -> float:
        """Return a time by which the answer is expected, whatever the order of service; quick, and often good enough."""
        seen = (now, self._dispatcher.version, kind)
        if seen != self._seen:
            cap = worker.cap(kind.key)
            share = self._dispatcher.share(worker, now)
            batch_s = worker.costs.estimate_s(cap, kind.key) / min(share, 1.0)
            self._seen, self._ahead = seen, (self._dispatcher.free_at(worker, now), cap, batch_s, share)
        free_at, cap, batch_s, _ = self._ahead
        return free_at + ((worker.queue.rows + kind.rows) // cap + 2) * batch_s

    def _forecast(self, request: Request, worker: Worker) -> float:
        """Return when the answer is expected, by what is before it and the batch that it would join."""
        queue, kind = worker.queue, request.kind
        free_at, cap, _, share = self._ahead
        if not queue.rows and not worker.running:
            # Nothing of the model is under way: believe the better of two estimates, so that one which was spoilt by a
            # slow moment is put right.
            return free_at + min(worker.costs.estimate_s(kind.rows, kind.key), worker.costs.at_load_s(kind.rows))
        return free_at + expected_s(
            worker.costs,
            kind.key,
            cap=cap,
            before=queue.rows_before(request.client, kind.rows, kind.priority),
            waiting=queue.rows,
            rows=kind.rows,
            share=share,
        )


def _observe_margin(batch: Batch, now: float) -> None:
    """Take note of how far answers came behind their forecasts."""
    batch.worker.margin.observe([now - request.forecast for request, _, _ in batch.pieces if request.forecast != NEVER])


def _no_room(worker: Worker, bound: str, why: str) -> Overloaded:
    rate = worker.costs.best_rate()
    wait_s = worker.queue.rows / rate if rate else 0.0
    return Overloaded(f"{why}; not executed, send it again later", retry_after_ms=_ms_up(wait_s), bound=bound)


def _exceeded(request: Request, *, executed: bool) -> DeadlineExceeded:
    limit = f"{_ms(request.deadline - request.arrival)} ms"
    return DeadlineExceeded(f"no answer within {limit}" + ("" if executed else "; not executed"))


def _ended(request: Request) -> TidegateError:
    """Say what became of a request when the gateway stops: ``shutting_down`` promises that it was not executed."""
    if request.taken:
        return Cancelled("the gateway is shutting down; what ran of the request is thrown away", outcome="dropped")
    return ShuttingDown("the gateway is shutting down; not executed")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f}"


def _ms_up(seconds: float) -> int:
    return int(1000 * seconds) + 1
