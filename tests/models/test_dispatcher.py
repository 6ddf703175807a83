"""The rules at the top of dispatcher.py, one test each."""

from __future__ import annotations

from fakes import model, request

from tidegate.models.batch import Batch, Run
from tidegate.models.dispatcher import Dispatcher
from tidegate.models.worker import Worker

SLOW, FAST = 0.4, 0.0005


def worker(name: str, cost: float, **options: object) -> Worker:
    """Build a worker whose runs of 1 to 8 rows all cost the same."""
    return Worker(model(name, cost_s=dict.fromkeys(range(1, 9), cost), **options))  # type: ignore[arg-type]


def load(dispatcher: Dispatcher, target: Worker, count: int, now: float = 0.0) -> None:
    for tag in range(count):
        target.queue.push(request(tag, client=tag))
    dispatcher.wake(target, now)


def finish(dispatcher: Dispatcher, batch: Batch, seconds: float) -> None:
    batch.run = Run(batch.worker.model, batch.rows, [], 0.0, seconds)
    dispatcher.release(batch, 0.0)
    batch.worker.settle(batch)


def test_runs_never_take_more_slots_than_there_are() -> None:
    """Rule 1: with long batches nothing is handed over beyond the slots."""
    dispatcher = Dispatcher(2)
    slow = worker("slow", SLOW)
    load(dispatcher, slow, 64)
    batches = [dispatcher.next(0.0), dispatcher.next(0.0)]
    assert all(batches)
    assert dispatcher.next(0.0) is None
    assert dispatcher.used == 2


def test_a_run_with_several_threads_takes_several_slots() -> None:
    """Rule 1: a model with two threads a run leaves no slot of two."""
    dispatcher = Dispatcher(2)
    load(dispatcher, worker("wide", SLOW, threads=2), 20)
    assert dispatcher.next(0.0) is not None
    assert dispatcher.next(0.0) is None


def test_a_slow_model_does_not_starve_a_fast_one() -> None:
    """Rule 2: with one slot, compute time is shared evenly, so the fast model runs many times for each slow run."""
    dispatcher = Dispatcher(1)
    slow, fast = worker("slow", SLOW), worker("fast", FAST)
    used = {"slow": 0.0, "fast": 0.0}
    longest = 0.0
    wait = 0.0
    for _ in range(2000):
        for target in (slow, fast):
            if len(target.queue) < 8:
                load(dispatcher, target, 8)
        batch = dispatcher.next(0.0)
        assert batch is not None
        cost = SLOW if batch.worker is slow else FAST
        used[batch.worker.model.name] += cost
        wait = 0.0 if batch.worker is fast else wait + cost
        longest = max(longest, wait)
        finish(dispatcher, batch, cost)
        while dispatcher._ahead:
            finish(dispatcher, next(iter(dispatcher._ahead)), FAST)
    assert longest <= SLOW
    assert abs(used["slow"] - used["fast"]) <= 2 * SLOW


def test_weights_share_compute_time() -> None:
    """Rule 2: a model with weight 3 gets three times the compute time."""
    dispatcher = Dispatcher(1)
    heavy, light = worker("heavy", 0.05, weight=3.0), worker("light", 0.05)
    used = {"heavy": 0.0, "light": 0.0}
    for _ in range(400):
        for target in (heavy, light):
            if len(target.queue) < 8:
                load(dispatcher, target, 8)
        batch = dispatcher.next(0.0)
        assert batch is not None
        used[batch.worker.model.name] += 0.05
        finish(dispatcher, batch, 0.05)
    assert 2.9 <= used["heavy"] / used["light"] <= 3.1


def test_idleness_saves_nothing_up() -> None:
    """Rule 3: a model that slept while another ran a hundred times gets every second turn, not the next hundred."""
    dispatcher = Dispatcher(1)
    busy, sleeper = worker("busy", 0.05), worker("sleeper", 0.05)
    for _ in range(100):
        load(dispatcher, busy, 8)
        batch = dispatcher.next(0.0)
        assert batch is not None
        finish(dispatcher, batch, 0.05)
    turns = []
    for _ in range(20):
        for target in (busy, sleeper):
            if len(target.queue) < 8:
                load(dispatcher, target, 8)
        batch = dispatcher.next(0.0)
        assert batch is not None
        turns.append(batch.worker.model.name)
        finish(dispatcher, batch, 0.05)
    assert 9 <= turns.count("sleeper") <= 11


def test_one_full_short_batch_may_go_ahead() -> None:
    """Rule 4: a slot has its next batch at hand if that is full and short, and no more than one."""
    dispatcher = Dispatcher(1)
    fast = worker("fast", FAST)
    load(dispatcher, fast, 40)
    first, ahead = dispatcher.next(0.0), dispatcher.next(0.0)
    assert first is not None
    assert ahead is not None
    assert dispatcher.next(0.0) is None
    finish(dispatcher, first, FAST)
    assert dispatcher.used == 1
    assert dispatcher.next(0.0) is not None


def test_a_batch_that_is_not_full_waits_for_the_slot() -> None:
    """Rule 4: handing over less than a full batch would only keep later requests out of it."""
    dispatcher = Dispatcher(1)
    fast = worker("fast", FAST)
    load(dispatcher, fast, 8 + 7)
    assert dispatcher.next(0.0) is not None
    assert dispatcher.next(0.0) is None


def test_a_wait_for_company_ends() -> None:
    """With max_delay_ms a batch waits until it is full or its first request has waited that long."""
    dispatcher = Dispatcher(1)
    patient = worker("patient", FAST, delay_ms=20.0)
    load(dispatcher, patient, 3)
    assert dispatcher.next(0.010) is None
    assert dispatcher.next_check(0.010) == 0.020
    batch = dispatcher.next(0.021)
    assert batch is not None
    assert batch.rows == 3


def after_a_short_run() -> tuple[Dispatcher, Worker, Worker]:
    """Give two slots, a slow model, and a fast one that has just run."""
    dispatcher = Dispatcher(2)
    slow, fast = worker("slow", SLOW), worker("fast", FAST)
    load(dispatcher, fast, 1)
    first = dispatcher.next(0.0)
    assert first is not None
    finish(dispatcher, first, FAST)
    return dispatcher, slow, fast


def test_long_runs_leave_a_slot_to_short_ones() -> None:
    """Rule 5: beside a fast model that had work lately, a slow one takes all slots but one."""
    dispatcher, slow, fast = after_a_short_run()
    load(dispatcher, slow, 64, 1.0)
    assert dispatcher.next(1.0) is not None
    assert dispatcher.next(1.0) is None
    load(dispatcher, fast, 1, 1.0)
    batch = dispatcher.next(1.0)
    assert batch is not None
    assert batch.worker is fast


def test_long_runs_take_all_slots_when_nobody_is_in_a_hurry() -> None:
    """Rule 5: ten seconds after the last short run, and without any, no slot is kept free."""
    dispatcher, slow, _ = after_a_short_run()
    load(dispatcher, slow, 64, 11.0)
    assert [dispatcher.next(11.0), dispatcher.next(11.0)].count(None) == 0


def test_runs_in_processes_are_no_more_than_the_processes() -> None:
    """Rule 6: with one of two processes up, one run of an isolated model is handed out, and others are not kept waiting."""
    up = [1]
    dispatcher = Dispatcher(2, lambda: up[0])
    isolated, other = worker("isolated", SLOW, executor="process"), worker("other", SLOW)
    load(dispatcher, isolated, 64)
    load(dispatcher, other, 64)
    batches = [dispatcher.next(0.0), dispatcher.next(0.0)]
    assert {batch.worker.model.name for batch in batches if batch} == {"isolated", "other"}
    up[0] = 0
    for batch in batches:
        assert batch is not None
        finish(dispatcher, batch, SLOW)
    after = [dispatcher.next(0.0), dispatcher.next(0.0)]
    assert [batch.worker.model.name for batch in after if batch] == ["other", "other"]


def test_it_knows_when_a_slot_will_be_free() -> None:
    """A slot is free now, or when the first of the runs is expected to end."""
    dispatcher = Dispatcher(2)
    slow, other = worker("slow", SLOW), worker("other", SLOW)
    assert dispatcher.free_at(other, 5.0) == 5.0
    for at in (5.0, 5.1):
        load(dispatcher, slow, 8, at)
        assert dispatcher.next(at) is not None
    assert abs(dispatcher.free_at(other, 5.2) - (5.0 + SLOW)) < 0.001
    assert dispatcher.free_at(other, 6.0) == 6.0
