"""The rules at the top of service.py, one by one; what follows from them under load is simulated elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import CLIENTS, model, request

from tidegate.errors import ModelFailed, Overloaded, ShuttingDown
from tidegate.models.batch import Batch, Run
from tidegate.models.bounds import Bounds
from tidegate.models.request import DONE, RUNNING, Request
from tidegate.models.service import Service
from tidegate.models.worker import Worker

RUN_S = 0.010


def made(largest: int = 8, bounds: Bounds | None = None, **options: Any) -> tuple[Service, Worker]:
    """Build a service of one model whose runs of 1 to 8 rows all take 10 ms."""
    sizes = range(1, largest + 1)
    worker = Worker(model(sizes=sizes, cost_s=dict.fromkeys(sizes, RUN_S), **options))
    return Service([worker], 1, bounds or Bounds()), worker


def fill(service: Service, worker: Worker, count: int, now: float = 0.0, **options: Any) -> list[Request]:
    """Let so many requests of one client arrive."""
    requests = [request(tag, worker=worker, arrival=now, **options) for tag in range(count)]
    for one in requests:
        service.arrive(one)
    return requests


def handed_out(service: Service, now: float = 0.0) -> Batch:
    batch = service.next(now)
    assert batch is not None
    return batch


def finish(service: Service, batch: Batch, now: float, error: Any = None) -> None:
    if error is None:
        batch.run = Run(batch.worker.model, batch.rows, (), now - RUN_S, RUN_S)
    batch.error = error
    service.came_back(batch, now)
    if batch.run is not None:
        service.answers(batch.run, batch.pieces, 0)


def told(service: Service) -> dict[Any, str]:
    return {one.tag: error.code for one, error in service.failed}


def late(service: Service, worker: Worker, left_s: float, now: float = 0.0) -> Overloaded:
    """Send a request that is refused."""
    with pytest.raises(Overloaded) as info:
        service.arrive(request("late", worker=worker, client="other", arrival=now, deadline=now + left_s))
    return info.value


def test_who_could_not_be_answered_in_time_is_refused_at_once() -> None:
    """Rule 1: with a run under way and one full batch waiting, 15 ms do not suffice, and 50 ms do."""
    service, worker = made()
    fill(service, worker, 8)
    handed_out(service)
    fill(service, worker, 8)
    error = late(service, worker, 0.015)
    assert error.bound == "deadline"
    assert "not executed" in error.message
    service.arrive(request("in time", worker=worker, client="other", deadline=0.050))
    assert CLIENTS["other"].requests == 1


def test_the_time_to_retry_after_is_when_the_work_before_is_done() -> None:
    """Rule 1: whoever asks again, alone, after ``retry_after_ms`` is admitted."""
    service, worker = made()
    fill(service, worker, 8)
    batch = handed_out(service)
    fill(service, worker, 16)
    retry_s = (late(service, worker, 0.015).retry_after_ms or 0) / 1000
    assert 0.01 <= retry_s <= 0.1
    now = 0.0
    while (now := now + RUN_S) <= retry_s:
        finish(service, batch, now)
        if (following := service.next(now)) is None:
            break
        batch = following
    service.arrive(request("again", worker=worker, client="other", arrival=retry_s, deadline=retry_s + 0.025))


def test_who_is_alone_is_always_admitted() -> None:
    """Rule 1: with nothing before it a request is tried, even if it can hardly be in time: else nothing would be learned."""
    service, worker = made()
    service.arrive(request(1, worker=worker, deadline=0.001))
    assert handed_out(service).rows == 1


def test_an_objective_refuses_like_a_limit_and_says_so() -> None:
    """Rule 1: with a latency objective a request without a limit is refused where it would not be met."""
    service, worker = made(objective_ms=40.0)
    fill(service, worker, 8)
    handed_out(service)
    fill(service, worker, 8)
    with pytest.raises(Overloaded, match="objective is 40 ms") as info:
        fill(service, worker, 16, client="other")
    assert info.value.bound == "objective"


def test_a_refused_request_leaves_nothing() -> None:
    """Rule 1: whatever the reason, nothing of it is counted or watched."""
    service, worker = made(bounds=Bounds(queue_requests=1))
    fill(service, worker, 1)
    with pytest.raises(Overloaded) as info:
        fill(service, worker, 1)
    assert info.value.bound == "queue_requests"
    assert (service._held.requests, CLIENTS["c"].requests, len(worker.queue)) == (1, 1, 1)
    assert service.next_check(0.0) == float("inf")


def test_what_runs_out_of_time_while_it_waits_is_never_run() -> None:
    """Rule 2: it ends at its limit, though no slot becomes free, and is in no batch afterwards."""
    service, worker = made()
    fill(service, worker, 8)
    first = handed_out(service)
    waiting = [request(f"late{n}", worker=worker, deadline=0.5) for n in range(3)]
    for one in waiting:
        service.arrive(one)
    assert not service.expire(0.499, 10)
    assert service.expire(0.501, 2)
    assert not service.expire(0.501, 2)
    assert told(service) == {"late0": "deadline_exceeded", "late1": "deadline_exceeded", "late2": "deadline_exceeded"}
    finish(service, first, 0.502)
    assert service.next(0.502) is None


def test_rows_that_could_only_be_late_are_given_up_if_there_is_other_work() -> None:
    """Rule 2: a request with 5 ms left does not take a place in a run of 10 ms; one without a limit does."""
    service, worker = made()
    service.arrive(request("hopeless", worker=worker, deadline=1.0))
    fill(service, worker, 9, client="other")
    batch = handed_out(service, 0.995)
    assert "hopeless" not in [one.tag for one, _, _ in batch.pieces]
    assert batch.rows == 8
    assert told(service) == {"hopeless": "deadline_exceeded"}


def test_cancelling_says_the_truth() -> None:
    """Rule 3: removed before it is handed out, dropped afterwards, too late once it is answered; nobody else notices."""
    service, worker = made(largest=2)
    first, second, third = fill(service, worker, 3)
    batch = handed_out(service)
    assert service.cancel(third) == "removed"
    assert service.cancel(first) == "dropped"
    assert service.next(0.0) is None
    assert service.stop_unwanted() == []
    assert batch.run is None
    finish(service, batch, 0.01)
    assert second.status == DONE
    assert [service.cancel(one) for one in (first, second, third)] == ["too_late"] * 3
    assert told(service) == {0: "cancelled", 2: "cancelled"}


def test_a_part_that_ran_makes_it_dropped() -> None:
    """Rule 3: a request of which a part has run was not removed."""
    service, worker = made(largest=2)
    large = request(1, rows=3, worker=worker)
    service.arrive(large)
    finish(service, handed_out(service), 0.01)
    assert large.status == RUNNING
    assert service.cancel(large) == "dropped"
    assert service.next(0.01) is None


def test_a_batch_that_nobody_wants_is_told_to_stop_once() -> None:
    """Rule 4: when its last member is gone, and not before."""
    service, worker = made()
    first, second = fill(service, worker, 2)
    batch = handed_out(service)
    service.cancel(first)
    assert service.stop_unwanted() == []
    service.cancel(second)
    assert service.stop_unwanted() == [batch]
    assert batch.control.stopped
    assert service.stop_unwanted() == []
    finish(service, batch, 0.01, ModelFailed("stopped"))
    assert service.next(0.01) is None


def test_members_that_expire_stop_their_batch_as_well() -> None:
    """Rule 4: a run whose members have all run out of time is stopped."""
    service, worker = made()
    service.arrive(request(1, worker=worker, deadline=0.02))
    batch = handed_out(service)
    service.expire(0.03, 10)
    assert service.stop_unwanted() == [batch]


def test_closing_ends_what_waits_and_lets_what_runs_go_on() -> None:
    """Rule 5: the queue is told that nothing was executed; what runs is answered; what comes is turned away."""
    service, worker = made(largest=2)
    fill(service, worker, 3)
    batch = handed_out(service)
    service.close()
    assert told(service) == {2: "shutting_down"}
    with pytest.raises(ShuttingDown):
        fill(service, worker, 1)
    finish(service, batch, 0.01)
    assert service.is_idle()
    assert (service._held.requests, service._held.nbytes) == (0, 0)


def test_giving_up_tells_what_runs_that_it_may_have_been_executed() -> None:
    """Rule 5: whoever is at a slot when the time is over is told so, once, and the run is stopped."""
    service, worker = made()
    fill(service, worker, 2)
    batch = handed_out(service)
    service.close()
    service.give_up()
    service.give_up()
    assert [error.code for _, error in service.failed] == ["cancelled", "cancelled"]
    assert batch.control.stopped
    assert service._held.requests == 0


def test_who_is_alone_goes_to_a_slot_without_delay() -> None:
    """A request that nobody could join is handed out as it arrives; the next one is queued."""
    service, worker = made()
    batch = service.arrive(request(1, worker=worker), alone=True)
    assert batch is not None
    assert batch.rows == 1
    assert service.arrive(request(2, worker=worker), alone=True) is None
    assert service.next(0.0) is None
