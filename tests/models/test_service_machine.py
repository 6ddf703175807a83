"""Anything may happen to the service in any order: it is compared with a simple account of what must be true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fakes import model
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.errors import ModelFailed, Overloaded, ShuttingDown
from tidegate.models.backend import WorkerDied
from tidegate.models.batch import Batch, Run
from tidegate.models.bounds import Bounds
from tidegate.models.client import Client
from tidegate.models.request import DONE, NEVER, Kind, Request
from tidegate.models.service import Service
from tidegate.models.worker import Worker

SLOTS = 2
BOUNDS = Bounds(queue_requests=8, queue_bytes=1000, client_bytes=500, max_requests=12)
COSTS = {1: 0.004, 2: 0.005, 4: 0.007}


STAYS: Any = object()


def may_step(batch: Batch) -> bool:
    """Tell whether a slot could take a step of the batch and another one."""
    burst = batch.burst
    return batch.goes_on and burst.taken + 1 < burst.until and not burst.called_back and not batch.control.stopped


def made(name: str, **options: Any) -> Worker:
    return Worker(replace(model(name, **{"cost_s": COSTS, "sizes": range(1, 5), **options}), outputs=()))


class Account(RuleBasedStateMachine):
    """Does to a service what its shell does, and keeps account of requests and batches."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = [
            made("plain"),
            made("gaps", sizes=(1, 2, 4), pure=False),
            made("patient", delay_ms=5.0, objective_ms=30.0),
            made("isolated", executor="process", cost_s={1: 0.1, 4: 0.4}),
            made("staying", cost_s={1: 0.0003, 4: 0.0004}),
        ]
        self.service = Service(self.workers, SLOTS, BOUNDS, lambda: 1)
        self.clients = [Client() for _ in range(3)]
        self.now = 100.0
        self.live: list[Request] = []
        self.ended: set[int] = set()  # tags; each may come here once
        self.began: set[int] = set()  # of requests of which any part was handed out
        self.out: list[Batch] = []
        self.closed = False
        self.had_turn = False  # and nothing came in since, nor has time passed

    def end(self, request: Request) -> None:
        assert request.tag not in self.ended, "it was told twice"
        assert request.status == DONE
        self.ended.add(request.tag)
        self.live.remove(request)

    def tell(self) -> None:
        """Take out what failed, as the shell does."""
        failed, self.service.failed = self.service.failed, []
        for request, error in failed:
            if error.code == "deadline_exceeded":
                assert request.deadline != NEVER
            if error.code == "shutting_down" or getattr(error, "outcome", "") == "removed":
                assert request.tag not in self.began, "it said that it was not executed"
            self.end(request)

    def handed_out(self, batch: Batch) -> None:
        self.out.append(batch)
        assert sum(stop - start for _, start, stop in batch.pieces) == batch.rows
        assert batch.rows in batch.worker.model.batching.sizes
        for request, start, stop in batch.pieces:
            assert request.tag not in self.ended, "what has ended is never run"
            assert request.deadline > self.now, "what is too late is never run"
            assert request.kind.key == batch.key
            assert request.kind.worker is batch.worker
            assert 0 <= start < stop <= request.taken
            self.began.add(request.tag)

    @rule(
        who=st.tuples(st.integers(0, 4), st.integers(0, 2)),
        rows=st.integers(1, 6),
        key=st.sampled_from("kl"),
        priority=st.integers(-1, 0),
        limit_s=st.sampled_from([NEVER, NEVER, 0.001, 0.008, 0.02, 0.05, 0.5]),
        alone=st.booleans(),
    )
    def arrive(self, who: tuple[int, int], rows: int, key: str, priority: int, limit_s: float, alone: bool) -> None:
        """A request comes; if it is refused, nothing of it is kept."""
        together: Any = STAYS if who[0] == 4 else None
        steps, rows = (rows, 1) if together else (1, rows)
        kind = Kind(self.workers[who[0]], key, rows, nbytes=10 * rows, priority=priority, together=together)
        tag = len(self.live) + len(self.ended)
        client, limit = self.clients[who[1]], self.now + limit_s
        request = Request(kind, tag, (), None, client, self.now, limit, steps)  # type: ignore[arg-type]
        refused: Overloaded | ShuttingDown | None = None
        self.had_turn = False
        batch = None
        try:
            batch = self.service.arrive(request, alone=alone)
        except (Overloaded, ShuttingDown) as error:
            refused = error
        assert isinstance(refused, ShuttingDown) == self.closed
        if isinstance(refused, Overloaded):
            assert refused.retry_after_ms
            assert refused.bound
        elif refused is None:
            self.live.append(request)
        if batch is not None:
            assert not self.out
            self.handed_out(batch)

    @rule(seconds=st.sampled_from([0.0005, 0.003, 0.01, 0.1]))
    def time_passes(self, seconds: float) -> None:
        """The clock goes on."""
        self.had_turn = False
        self.now += seconds

    @rule()
    def expire(self) -> None:
        """What is too late ends, at most so many at a time."""
        more = True
        while more:
            more = self.service.expire(self.now, 2)
            assert len(self.service.failed) <= 2
            self.tell()
        assert all(request.deadline > self.now for request in self.live)

    @rule()
    def turn(self) -> None:
        """The shell's turn: what is too late ends, and slots are filled."""
        while self.service.expire(self.now, 2):
            pass
        while (batch := self.service.next(self.now)) is not None:
            self.handed_out(batch)
        self.tell()
        self.had_turn = True

    @precondition(lambda self: self.out)
    @rule(data=st.data(), how=st.sampled_from(["ran", "ran", "failed", "died"]), seconds=st.sampled_from([0.001, 0.01]))
    def came_back(self, data: st.DataObject, how: str, seconds: float) -> None:
        """A batch comes back from its slot in one way or another."""
        self.had_turn = False
        running = [batch for batch in self.out if not self.service.is_ahead(batch)]
        batch = data.draw(st.sampled_from(running))
        self.out.remove(batch)
        if how == "ran" and not batch.control.stopped:
            batch.run = Run(batch.worker.model, batch.rows, (), self.now - seconds, seconds)
        else:
            batch.error = WorkerDied("dead") if how == "died" else ModelFailed("bad")
        self.service.came_back(batch, self.now)
        self.tell()
        if batch.run is not None:
            self.answered(batch)

    @precondition(lambda self: any(may_step(batch) for batch in self.out))
    @rule(data=st.data(), room=st.lists(st.integers(0, 3), min_size=4, max_size=4))
    def stepped(self, data: st.DataObject, room: list[int]) -> None:
        """A batch that stays at its slot takes a step, and some of its requests need no more of them."""
        batch = data.draw(st.sampled_from([batch for batch in self.out if may_step(batch)]))
        assert batch.burst.goes_on()
        told = self.service.stepped(batch, Run(batch.worker.model, batch.rows, (), self.now - 0.0003, 0.0003), self.now)
        done = []
        for (request, start, stop), steps in zip([one for some in told.values() for one in some], room, strict=False):
            assert request.tag not in self.ended, "what has ended is told nothing"
            assert stop - start == 1
            request.steps = steps
            done += [] if steps else [request]
        self.service.go_on(batch)
        for request in done:
            self.end(request)
        assert batch.burst.called_back or not done
        assert batch.burst.until <= batch.burst.told + 8

    def answered(self, batch: Batch) -> None:
        members = [request for request, _, _ in batch.pieces]
        assert batch.run is not None
        ready = self.service.answers(batch.run, batch.pieces, 0)
        for request, start, stop in [answer for answers in ready.values() for answer in answers]:
            assert request in members
            assert stop - start == request.rows
            self.end(request)
        merges, self.service.merges = self.service.merges, []
        for merge in merges:
            merge.run = batch.run  # in place of putting it together
            assert merge.request in members
            assert self.service.merged(merge)
            self.end(merge.request)
        assert not [request for request in members if request in self.live and not self.misses_something(request)]

    def misses_something(self, request: Request) -> bool:
        return sum(stop - start for _, start, stop in (request.parts or {}).values()) < request.rows

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Whoever asked changes his mind, and is told the truth."""
        request = data.draw(st.sampled_from(self.live))
        self.had_turn = False
        assert self.service.cancel(request) == ("dropped" if request.tag in self.began else "removed")
        self.tell()
        assert self.service.cancel(request) == "too_late"

    @rule()
    def stop_unwanted(self) -> None:
        """Exactly the runs that nobody waits for any more are stopped."""
        unwanted = [batch for batch in self.out if all(request.status == DONE for request, _, _ in batch.pieces)]
        before = [batch for batch in self.out if batch.control.stopped]
        told = self.service.stop_unwanted()
        assert set(told) | set(before) >= set(unwanted)
        assert set(told) <= set(unwanted)

    @precondition(lambda self: len(self.ended) > 10)
    @rule(give_up=st.booleans())
    def close(self, give_up: bool) -> None:
        """The end begins: what waits is told, and with ``give_up`` what runs as well."""
        self.closed = True
        self.service.close()
        if give_up:
            self.service.give_up()
        self.tell()
        assert all(any(request is one for batch in self.out for one, _, _ in batch.pieces) for request in self.live)

    @invariant()
    def what_is_held_is_what_lives(self) -> None:
        """The counters of the process and of each client are the truth."""
        held = self.service._held
        assert (held.requests, held.nbytes) == (len(self.live), sum(request.kind.nbytes for request in self.live))
        for client in self.clients:
            own = [request for request in self.live if request.client is client]
            assert (client.requests, client.nbytes) == (len(own), sum(request.kind.nbytes for request in own))

    @invariant()
    def what_is_queued_is_what_lives_and_was_not_taken(self) -> None:
        """The counters of each queue are the truth."""
        for worker in self.workers:
            waiting = [one for one in self.live if one.kind.worker is worker and one.taken < one.rows]
            queue = worker.queue
            assert set(queue) == set(waiting)
            assert queue.requests == len(waiting)
            assert queue.rows == sum(one.rows - one.taken for one in waiting)
            assert queue.nbytes == sum(one.kind.nbytes for one in waiting)
            assert queue.limited == sum(one.deadline != NEVER for one in waiting)

    @invariant()
    def who_waits_for_a_slot_calls_back(self) -> None:
        """Once the shell had its turn, no batch stays at a slot for which others wait."""
        if self.had_turn and self.service._dispatcher.waits(self.now):
            assert not any(may_step(batch) for batch in self.out)

    @invariant()
    def no_more_batches_are_out_than_slots(self) -> None:
        """At each slot one batch runs, and one more at most is ahead; of an isolated model no more than its processes."""
        assert set(self.service.at_slots) == set(self.out)
        ahead = [batch for batch in self.out if self.service.is_ahead(batch)]
        assert len(self.out) - len(ahead) <= SLOTS
        assert len(ahead) <= SLOTS
        assert sum(batch.worker.isolated for batch in self.out) <= 1

    def teardown(self) -> None:
        """Whatever was done: when all slots have done their work, nobody waits and nothing is held."""
        for _ in range(1000):
            self.now += 0.01
            self.turn()
            if not self.out:
                break
            batch = next(batch for batch in self.out if not self.service.is_ahead(batch))
            self.out.remove(batch)
            batch.run = Run(batch.worker.model, batch.rows, (), self.now, 0.001)
            self.service.came_back(batch, self.now)
            self.tell()
            self.answered(batch)
        assert self.live == []
        assert len(self.service._deadlines) == 0
        assert self.service._dispatcher.used == 0
        self.what_is_held_is_what_lives()


TestAccount = Account.TestCase
TestAccount.__doc__ = "Each request that is admitted ends exactly once, and every counter is true at every step."
TestAccount.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
