"""The rules at the top of worker.py, one by one, and what becomes of batches that fail."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import model, request, tags
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import ModelFailed
from tidegate.models.backend import WorkerDied
from tidegate.models.batch import Batch, Run
from tidegate.models.queue import rows_of
from tidegate.models.worker import Worker

OVERHEAD_S, ROW_S = 0.010, 0.001


def made(overhead_s: float = OVERHEAD_S, row_s: float = ROW_S, largest: int = 64, **options: Any) -> Worker:
    """Build a worker whose runs take a fixed time and some more for each row."""
    sizes = range(1, largest + 1)
    return Worker(model(sizes=sizes, cost_s={size: overhead_s + size * row_s for size in sizes}, **options))


def fill(worker: Worker, count: int, client: Any = "c", **options: Any) -> None:
    for tag in range(count):
        one = request(f"{client}{tag}", worker=worker, client=client, **options)
        one.client.nbytes += one.kind.nbytes  # as the service counts it
        worker.queue.push(one)


def batch_of(worker: Worker, now: float = 0.0) -> Batch:
    batch = worker.next_batch(now)
    assert batch is not None
    return batch


def test_it_takes_all_that_waits() -> None:
    """Rule 1: what is there makes one batch, and is not kept waiting for more."""
    worker = made()
    fill(worker, 37)
    assert batch_of(worker).rows == 37
    assert worker.next_batch(0.0) is None


def test_a_batch_is_not_larger_than_it_is_worth() -> None:
    """Rule 1: where rows per second do not rise any more, a larger batch would only make its members wait."""
    worker = made(overhead_s=0.0)
    fill(worker, 64)
    assert batch_of(worker).rows <= 4


def test_a_batch_is_cut_short_for_its_most_urgent_member() -> None:
    """Rule 2: whose limit is in 20 ms goes into a run of at most 20 ms; the others wait, and nobody is given up."""
    worker = made()
    worker.queue.push(request("urgent", worker=worker, deadline=0.020))
    fill(worker, 40, client="other")
    batch = batch_of(worker)
    assert "urgent" in tags(batch.pieces)
    assert worker.costs.estimate_s(batch.rows, "k") <= 0.020
    assert worker.queue.rows == 41 - batch.rows
    assert worker.late == []


def test_places_that_are_given_up_are_filled_again() -> None:
    """Rule 2: members that cannot be in time make room for others that wait, so that the batch is as full as before."""
    worker = made()
    for tag in range(20):
        fill(worker, 1, client=tag, deadline=0.005)
        fill(worker, 5, client=tag)
    batch = batch_of(worker)
    assert len(worker.late) == 20
    assert batch.rows == 64
    assert worker.queue.rows == 100 - 64


def test_what_is_given_up_leaves_no_rows_behind() -> None:
    """Rule 2: of a request larger than a batch nothing waits any more once its first rows were given up."""
    worker = made(largest=4)
    worker.queue.push(request("large", rows=10, worker=worker, deadline=0.005))
    fill(worker, 4, client="other")
    assert "large" not in tags(batch_of(worker).pieces)
    assert [one.tag for one, _, _ in worker.late] == ["large"]
    assert (worker.queue.rows, worker.queue.requests) == (0, 0)


@pytest.mark.parametrize("objective_ms", [40.0, 60.0, 150.0, 1000.0])
def test_with_an_objective_a_batch_takes_a_third_of_it(objective_ms: float) -> None:
    """Rule 3: a run takes at most a third of the objective, and is not shorter than it has to be."""
    worker = made(objective_ms=objective_ms)
    fill(worker, 64)
    rows = batch_of(worker).rows
    assert worker.costs.estimate_s(rows, "k") <= objective_ms / 3000
    assert rows == 64 or worker.costs.estimate_s(rows + 1, "k") > objective_ms / 3000


def test_a_light_client_does_not_wait_for_a_flood() -> None:
    """Rule 4: beside a flood a batch is as long as one of the light clients' rows, but makes two fifths of the best rate."""
    worker = made()
    fill(worker, 1000, client="flood")
    fill(worker, 4, client="light")
    batch = batch_of(worker)
    assert 5 <= batch.rows <= 16
    assert sum(str(tag).startswith("light") for tag in tags(batch.pieces)) >= min(4, batch.rows // 2)


def test_a_flood_keeps_short_while_light_ones_may_come() -> None:
    """Rule 4: the batches between two requests of light clients are short as well, for a second."""
    worker = made()
    fill(worker, 1000, client="flood")
    fill(worker, 1, client="light")
    short = batch_of(worker).rows
    assert batch_of(worker, 0.9).rows <= short + 1
    assert batch_of(worker, 1.1).rows == 64


def test_clients_that_are_alike_do_not_limit_each_other() -> None:
    """Rule 4: with eight times as much waiting as another's a client is no flood."""
    worker = made()
    fill(worker, 80, client="a")
    fill(worker, 10, client="b")
    assert batch_of(worker).rows == 64


def test_one_of_many_equals_does_not_limit_the_others() -> None:
    """Rule 4: a client that had as much as the others a moment ago is not taken for a light one when it has one request."""
    worker = made()
    fill(worker, 40, client="a")
    fill(worker, 1, client="b")
    (one,) = worker.queue.firsts("k")[1:]
    one.client.most_nbytes = 30 * one.kind.nbytes
    assert batch_of(worker).rows == 41


def test_short_batches_are_in_nobodys_way() -> None:
    """Rule 4: what takes less than a millisecond is not cut."""
    worker = made(overhead_s=0.0005, row_s=0.000001)
    fill(worker, 1000, client="flood")
    fill(worker, 1, client="light")
    assert batch_of(worker).rows == 64


def test_two_floods_do_not_hide_a_light_client() -> None:
    """Rule 4: that most of those who wait are floods makes no difference."""
    worker = made()
    for client in ("flood", "another"):
        fill(worker, 500, client=client)
    fill(worker, 1, client="light")
    assert batch_of(worker).rows <= 16


def run_all(worker: Worker, bad: set[Any], error: type[ModelFailed]) -> tuple[list[Any], list[Any], int]:
    """Run everything, failing where a bad request is a member; return who was answered, who failed, and the runs."""
    answered, failed, runs = [], [], 0
    while (batch := worker.next_batch(0.0)) is not None:
        runs += 1
        if bad.intersection(tags(batch.pieces)):
            batch.error = error("bad")
        else:
            batch.run = Run(worker.model, batch.rows, (), 0.0, 0.01)
            answered += tags(batch.pieces)
        failed += [one.tag for one in worker.settle(batch)]
    return answered, failed, runs


@given(st.sets(st.integers(0, 31), max_size=4), st.integers(1, 32))
def test_a_failed_batch_is_halved_until_the_guilty_are_alone(guilty: set[int], largest: int) -> None:
    """Whoever fails: exactly these get the error, all others are answered once, in few runs."""
    worker = made(largest=largest)
    for tag in range(32):
        worker.queue.push(request(tag, worker=worker))
    answered, failed, runs = run_all(worker, guilty, ModelFailed)
    assert sorted(failed) == sorted(guilty)
    assert sorted(answered) == sorted(set(range(32)) - guilty)
    assert runs <= -(-32 // largest) + 2 * 5 * max(1, len(guilty))


def test_after_a_death_each_member_runs_alone() -> None:
    """A batch that killed its worker is run again one by one: the second death shows who is guilty."""
    worker = made()
    for tag in range(8):
        worker.queue.push(request(tag, worker=worker))
    answered, failed, runs = run_all(worker, {3}, WorkerDied)
    assert (sorted(answered), failed, runs) == ([0, 1, 2, 4, 5, 6, 7], [3], 9)


def test_a_run_that_never_began_is_run_again_as_it_was() -> None:
    """A worker that died before it began its run proves nothing against the members, even of a model that is not pure."""
    worker = made(pure=False)
    fill(worker, 8)
    batch = batch_of(worker)
    batch.error = WorkerDied("it was killed", began=False)
    assert worker.settle(batch) == []
    again = batch_of(worker)
    assert (again.rows, again.suspect) == (8, False)


def test_a_model_that_is_not_pure_is_not_run_again_after_a_death() -> None:
    """What may have been executed is not executed twice, and its requests are told so."""
    worker = made(pure=False)
    fill(worker, 8)
    batch = batch_of(worker)
    batch.error = WorkerDied("it was killed")
    assert len(worker.settle(batch)) == 8
    assert batch.error is not None
    assert "may have been executed" in batch.error.message
    assert worker.next_batch(0.0) is None


def test_nobody_runs_again_who_has_gone() -> None:
    """A member of a failed batch that was cancelled meanwhile is not run again."""
    worker = made()
    members = [request(tag, worker=worker) for tag in range(4)]
    for one in members:
        worker.queue.push(one)
    batch = batch_of(worker)
    batch.error = ModelFailed("bad")
    members[0].status = type(members[0].status).DONE
    worker.settle(batch)
    again = [batch_of(worker), batch_of(worker)]
    assert sorted(tag for one in again for tag in tags(one.pieces)) == [1, 2, 3]
    assert worker.next_batch(0.0) is None


def test_with_a_delay_it_waits_for_company_but_not_past_a_limit() -> None:
    """A batch that may wait is ready when it is full, when its time is over, or in time for its most urgent member."""
    worker = made(delay_ms=50.0)
    worker.queue.push(request(1, worker=worker, arrival=1.0))
    assert worker.ready_at() == pytest.approx(1.050)
    worker.queue.push(request(2, worker=worker, arrival=1.01, deadline=1.180))
    assert worker.ready_at() == pytest.approx(1.180 - 2 * (OVERHEAD_S + 64 * ROW_S), abs=0.002)
    fill(worker, 64)
    assert worker.ready_at() == 0.0


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([0.004, 0.02, 0.05, 9.0, float("inf")])), max_size=40))
def test_every_row_is_run_or_given_up_once(plan: list[tuple[int, float]]) -> None:
    """Whatever limits there are: each request is in batches with all of its rows, or given up; batches have proved sizes."""
    worker = made(largest=6)
    for tag, (rows, deadline) in enumerate(plan):
        worker.queue.push(request(tag, rows=rows, worker=worker, client=tag % 3, deadline=deadline))
    run = dict.fromkeys(range(len(plan)), 0)
    now = 0.0
    while (batch := worker.next_batch(now)) is not None:
        assert batch.rows == rows_of(batch.pieces) <= 6
        for one, start, stop in batch.pieces:
            run[one.tag] += stop - start
        now += OVERHEAD_S + batch.rows * ROW_S
    late = {one.tag for one, _, _ in worker.late}
    assert all(tag in late or run[tag] == rows for tag, (rows, _) in enumerate(plan))
    assert worker.queue.rows == 0
