"""A small discrete-event simulation of the engine: the real policy (``Service``) with a fake clock, slots and clients.

Knows no thread and no event loop, and computes nothing: a run takes as long as a function of its rows says, which may
differ from what was measured at load, may be noisy and may change. A turn of the loop takes no time, unless ``hop_s``
says how long a batch that is done waits for it. Everything is decided by seeds. Each request is watched: that it gets
exactly one outcome, and that it is never run after its limit.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from fakes import model

from tidegate.errors import ModelFailed, Overloaded
from tidegate.models.backend import WorkerDied
from tidegate.models.batch import Batch, Run
from tidegate.models.bounds import Bounds
from tidegate.models.planner import still_wanted
from tidegate.models.request import NEVER, Kind, Request
from tidegate.models.service import Service
from tidegate.models.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulated_clients import Source

    from tidegate.models.client import Client


MS = 0.001


class Machine:
    """The true cost of a run.

    Args:
        fixed_s: of each run.
        row_s: of each row.
        noise: sigma of a lognormal factor with mean 1.
        stall: probability and seconds of a stall.
        slow_from: from when on everything takes ``slow`` times as long.
    """

    def __init__(
        self,
        fixed_s: float,
        row_s: float,
        *,
        noise: float = 0.0,
        stall: tuple[float, float] = (0.0, 0.0),
        slow_from: float = NEVER,
        slow: float = 2.0,
        seed: int = 1,
    ) -> None:
        self.fixed_s, self.row_s = fixed_s, row_s
        self._noise, self._stall = noise, stall
        self._slow_from, self._slow = slow_from, slow
        self._random = Random(seed)

    def plain_s(self, rows: int) -> float:
        """Return what a run costs without noise, stalls and changes."""
        return self.fixed_s + rows * self.row_s

    def __call__(self, rows: int, now: float) -> float:
        seconds = self.plain_s(rows)
        if self._noise:
            seconds *= self._random.lognormvariate(-(self._noise**2) / 2, self._noise)
        if self._stall[0] and self._random.random() < self._stall[0]:
            seconds += self._stall[1]
        return seconds * self._slow if now >= self._slow_from else seconds

    def worker(self, name: str = "m", largest: int = 128, *, believed: float = 1.0, **options: Any) -> Worker:
        """Build a worker that believes at load that a run costs so many times what it does."""
        sizes = [1 << bit for bit in range(largest.bit_length()) if 1 << bit <= largest]
        cost_s = {size: believed * self.plain_s(size) for size in {*sizes, largest}}
        made = model(name, sizes=range(1, largest + 1), cost_s=cost_s, **options)
        return Worker(replace(made, outputs=()))  # runs give nothing, so there is nothing to put together


class Simulation:
    """The shell of the engine, with a fake clock.

    Attributes:
        now: the time, in seconds.
        closing: whether sources send nothing more.
        runs: how many runs began.
        stopped: how many of them were stopped.
        deaths: how many of them killed their worker.
        rows: how many rows were run to the end.
        violations: what must never happen and did.
    """

    def __init__(
        self,
        machines: dict[Worker, Callable[[int, float], float]],
        *sources: Source,
        slots: int = 1,
        bounds: Bounds | None = None,
        hop_s: float = 0.0,
    ) -> None:
        self.service = Service(machines, slots, Bounds() if bounds is None else bounds)
        self.now = 0.0
        self.closing = False
        self.runs = self.stopped = self.deaths = 0
        self.rows = 0
        self.poisoned: set[int] = set()  # tags of requests that fail inside the graph
        self.killers: set[int] = set()  # and of those that kill their worker
        self.violations: list[str] = []
        self._machines = machines
        self._sources = sources
        self._slots = slots
        self._hop_s = hop_s
        self._events: list[tuple[float, int, Callable[..., None], Any]] = []
        self._number = 0
        self._open = bytearray()  # by tag: 1 while the request has no outcome
        self._running: dict[Batch, tuple[float, float]] = {}  # began, ends
        self._ahead: deque[Batch] = deque()
        self._timer_at = NEVER

    # Time.

    def at(self, time: float, what: Callable[..., None], argument: Any = None) -> None:
        """Let something happen at a time."""
        self._number += 1
        heapq.heappush(self._events, (time, self._number, what, self if argument is None else argument))

    def run(self, seconds: float, warm_up_s: float = 0.0) -> Simulation:
        """Let the sources ask for so long, of which the end is counted; then let everything come to its end."""
        for source in self._sources:
            source.counts_from, source.counts_to = warm_up_s, seconds
            source.start(self)
        self.go_on(until=seconds)
        self.closing = True
        self.go_on()
        return self

    def go_on(self, until: float = NEVER) -> None:
        """Let happen what happens until then."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, what, argument = heapq.heappop(events)
            what(argument)
            while events and events[0][0] <= self.now:
                _, _, what, argument = heapq.heappop(events)
                what(argument)
            self._turn()
        if until != NEVER:
            self.now = until

    def assert_clean(self) -> None:
        """Check that everything has come to its end, exactly once, and that nothing is held any more."""
        assert self.violations == []
        assert not any(self._open)
        held = self.service._held
        assert (held.requests, held.nbytes) == (0, 0)
        assert len(self.service._deadlines) == 0
        for worker in self._machines:
            queue = worker.queue
            assert (queue.rows, queue.requests, queue.nbytes, queue.limited) == (0, 0, 0, 0)
            assert worker.running == 0
        assert not self.service.at_slots
        assert self.service._dispatcher.used == 0

    # Requests.

    def ask(self, source: Source, kind: Kind, client: Client, limit_s: float = NEVER) -> Request | None:
        """Send a request; return it if it was admitted."""
        request = Request(kind, len(self._open), (), source, client, self.now, self.now + limit_s)  # type: ignore[arg-type]
        try:
            batch = self.service.arrive(request)
        except Overloaded as error:
            self._open.append(0)
            source.refused(self, request, error)
            return None
        self._open.append(1)
        if batch is not None:
            self._submit(batch)
        return request

    def cancel(self, request: Request) -> str:
        """Cancel a request; return what came of it."""
        outcome = self.service.cancel(request)
        self._finish()
        return outcome

    def _ended(self, request: Request, outcome: str) -> None:
        if not self._open[request.tag]:
            self.violations.append(f"{request} ended twice")
        self._open[request.tag] = 0
        request.sink.ended(self, request, outcome)  # type: ignore[attr-defined]

    def _tell(self) -> None:
        failed = self.service.failed
        if failed:
            self.service.failed = []
            for request, error in failed:
                self._ended(request, error.code)

    # What ``Scheduler`` does.

    def _turn(self) -> None:
        self._expire()
        self._dispatch()
        self._finish()

    def _expire(self) -> None:
        while self.service.expire(self.now, 256):
            pass

    def _dispatch(self) -> None:
        while (batch := self.service.next(self.now)) is not None:
            self._submit(batch)

    def _finish(self) -> None:
        self._tell()
        for batch in self.service.stop_unwanted():
            if batch in self._running:
                self.stopped += 1
                self._running[batch] = (self._running[batch][0], self.now)
                batch.error = ModelFailed("the run was stopped")
                self.at(self.now, self._ends, batch)
        at = self.service.next_check(self.now)
        if at < self._timer_at:
            self._timer_at = at
            self.at(max(self.now, at) + MS, self._timer, at)

    def _timer(self, at: float) -> None:
        if at == self._timer_at:
            self._timer_at = NEVER

    def _submit(self, batch: Batch) -> None:
        for request, _, _ in batch.pieces:
            if request.deadline < self.now:
                self.violations.append(f"{request} is run {self.now - request.deadline} s after its limit")
        if len(self._running) < self._slots:
            self._begins(batch)
        else:
            self._ahead.append(batch)
            if len(self._ahead) > self._slots:
                self.violations.append("more than one batch for each slot is ahead")

    def _begins(self, batch: Batch) -> None:
        self.runs += 1
        now = self.now
        wanted = bool(still_wanted(batch.pieces))
        ends = now + self._machines[batch.worker](batch.rows, now) if wanted else now
        if not wanted:
            batch.error = ModelFailed("every request of the batch was cancelled")
        self._running[batch] = (now, ends)
        self.at(ends, self._ends, batch)

    def _ends(self, batch: Batch) -> None:
        started, ends = self._running.get(batch, (NEVER, NEVER))
        if ends > self.now:
            return  # it was stopped before
        del self._running[batch]
        if batch.error is None:
            self._give_result(batch, self.now - started)
        if self._ahead:
            self._begins(self._ahead.popleft())
        if self._hop_s:
            self.at(self.now + self._hop_s, self._done, batch)
        else:
            self._done(batch)

    def _give_result(self, batch: Batch, seconds: float) -> None:
        members = {request.tag for request, _, _ in batch.pieces} if self.killers or self.poisoned else ()
        if not self.killers.isdisjoint(members):
            batch.error = WorkerDied("the worker process died")
            self.deaths += 1
        elif not self.poisoned.isdisjoint(members):
            batch.error = ModelFailed("a row is bad")
        else:
            self.rows += batch.rows
            batch.run = Run(batch.worker.model, batch.rows, (), self.now - seconds, seconds)

    def _done(self, batch: Batch) -> None:
        self.service.came_back(batch, self.now)
        self._expire()
        self._dispatch()
        if batch.run is not None:
            ready = self.service.answers(batch.run, batch.pieces, 0)
            merges, self.service.merges = self.service.merges, []
            for merge in merges:
                merge.run = batch.run  # in place of putting it together
            whole = [merge.request for merge in merges if self.service.merged(merge)]
            for request in (*[request for answers in ready.values() for request, _, _ in answers], *whole):
                self._ended(request, "in time" if self.now <= request.deadline else "late")
        self._finish()
