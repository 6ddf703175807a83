"""The shell: every request gets exactly one answer, whatever happens. Real threads, held at gates; no sleeps."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes import Answers, FakeBackend, double, model, request
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.errors import ModelFailed, Overloaded, ShuttingDown
from tidegate.models.bounds import Bounds
from tidegate.models.scheduler import Scheduler
from tidegate.models.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tidegate.models.model import Model


@asynccontextmanager
async def running(*models: Model, slots: int = 1, queue_requests: int = 1000, queue_bytes: int = 10**6) -> AsyncIterator[Any]:
    workers = [Worker(one) for one in models]
    bounds = Bounds(queue_requests, queue_bytes, queue_bytes, queue_bytes)
    scheduler = Scheduler(workers, slots=slots, bounds=bounds, observer=None)
    try:
        yield (scheduler, *workers)
    finally:
        for worker in workers:
            backend(worker).gate.set()
        await scheduler.aclose(5.0)


def backend(worker: Worker) -> FakeBackend:
    assert isinstance(worker.model.backend, FakeBackend)
    return worker.model.backend


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (the loop has to go round for anything to happen)
            await asyncio.sleep(0)


async def hold(scheduler: Scheduler, worker: Worker, sink: Answers) -> None:
    """Let one request occupy the slot until the gate is opened."""
    backend(worker).gate.clear()
    scheduler.add(request("held", worker=worker, sink=sink))
    async with asyncio.timeout(10):
        await asyncio.to_thread(backend(worker).started.acquire)


async def test_what_comes_in_one_turn_of_the_loop_runs_together() -> None:
    """Greedy batching: requests that were added without a pause make one batch, and each gets its own rows."""
    sink = Answers()
    async with running(model()) as (scheduler, worker):
        for tag in range(6):
            scheduler.add(request(tag, worker=worker, sink=sink))
        await until(lambda: len(sink.outputs) == 6)
        assert backend(worker).sizes == [6]
        assert all((sink.outputs[tag] == 2 * tag).all() for tag in range(6))


async def test_two_slots_really_run_at_the_same_time() -> None:
    """Two runs of two models meet at a barrier that neither could pass alone."""
    barrier = threading.Barrier(2, timeout=10)

    def meet(arrays: list[Any]) -> list[Any]:
        barrier.wait()
        return double(arrays)

    sink = Answers()
    async with running(model("a", meet), model("b", meet), slots=2) as (scheduler, first, second):
        scheduler.add(request(1, worker=first, sink=sink))
        scheduler.add(request(2, worker=second, sink=sink))
        await until(lambda: len(sink.outputs) == 2)


async def test_cancelling_tells_the_truth() -> None:
    """Queued: removed, and never run. Running: dropped. Answered: too late."""
    sink = Answers()
    async with running(model()) as (scheduler, worker):
        await hold(scheduler, worker, sink)
        queued = request("queued", worker=worker, sink=sink)
        scheduler.add(queued)
        assert scheduler.cancel(queued) == "removed"
        held = next(iter(scheduler._service.at_slots)).pieces[0][0]
        assert scheduler.cancel(held) == "dropped"
        assert scheduler.cancel(held) == "too_late"
        backend(worker).gate.set()
        await until(lambda: not scheduler._service.at_slots)
        assert {tag: error.outcome for tag, error in sink.errors.items()} == {"queued": "removed", "held": "dropped"}
        assert backend(worker).sizes == [1]


async def test_a_request_whose_time_is_up_is_never_run() -> None:
    """A time limit that passes in the queue gives deadline_exceeded, though no slot becomes free and nothing else comes."""
    sink = Answers()
    async with running(model()) as (scheduler, worker):
        await hold(scheduler, worker, sink)
        now = time.monotonic()
        scheduler.add(request("late", worker=worker, sink=sink, arrival=now, deadline=now + 0.02))
        await until(lambda: "late" in sink.errors)
        assert sink.errors["late"].code == "deadline_exceeded"
        assert "20 ms" in sink.errors["late"].message
        backend(worker).gate.set()
        await until(lambda: "held" in sink.outputs)
        assert backend(worker).sizes == [1]


async def test_one_poisoned_row_fails_alone() -> None:
    """Of 32 requests in one batch the guilty one gets model_failed, the other 31 their own right answers."""

    def fussy(arrays: list[Any]) -> list[Any]:
        if (arrays[0] == 13).any():
            raise ModelFailed("unlucky")
        return double(arrays)

    sink = Answers()
    async with running(model(compute=fussy, sizes=range(1, 33))) as (scheduler, worker):
        for tag in range(32):
            scheduler.add(request(tag, worker=worker, sink=sink))
        await until(lambda: len(sink.outputs) + len(sink.errors) == 32)
        assert {tag: error.code for tag, error in sink.errors.items()} == {13: "model_failed"}
        assert all((sink.outputs[tag] == 2 * tag).all() for tag in range(32) if tag != 13)
        assert backend(worker).sizes[0] == 32
        assert len(backend(worker).sizes) <= 1 + 2 * 5


async def test_an_unexpected_failure_completes_everybody() -> None:
    """A backend that raises nonsense costs each request an error, and the worker goes on."""

    def broken(arrays: list[Any]) -> list[Any]:
        raise ZeroDivisionError

    sink = Answers()
    async with running(model(compute=broken)) as (scheduler, worker):
        for tag in range(5):
            scheduler.add(request(tag, worker=worker, sink=sink))
        await until(lambda: len(sink.errors) == 5)
        assert {error.code for error in sink.errors.values()} == {"internal"}


async def test_outputs_without_a_row_for_each_row_are_refused() -> None:
    """A model that gives back other than it was given cannot be taken apart, so nobody gets a stranger's rows."""
    sink = Answers()
    async with running(model(compute=lambda arrays: [arrays[0][:1]])) as (scheduler, worker):
        for tag in range(4):
            scheduler.add(request(tag, worker=worker, sink=sink))
        await until(lambda: len(sink.outputs) + len(sink.errors) == 4)
        assert all((rows == tag).all() for tag, rows in sink.outputs.items())


async def test_a_large_request_is_split_and_put_together_in_order() -> None:
    """More rows than a batch may hold come back as one answer, in order, whatever ran beside them."""
    sink = Answers()
    async with running(model(), slots=2) as (scheduler, worker):
        big = request("big", rows=37, worker=worker, sink=sink)
        big.arrays[0][:, 0] = np.arange(37)
        for tag in range(3):
            scheduler.add(request(tag, worker=worker, sink=sink))
        scheduler.add(big)
        await until(lambda: len(sink.outputs) == 4)
        assert sink.outputs["big"][:, 0].tolist() == [2.0 * row for row in range(37)]
        assert max(backend(worker).sizes) <= 8


async def test_a_part_of_a_large_request_that_fails_ends_it_once() -> None:
    """One bad row ends the whole request with one error, and what is left of it in the queue never runs."""

    def fussy(arrays: list[Any]) -> list[Any]:
        if (arrays[0] == 3).any():
            raise ModelFailed("unlucky")
        return double(arrays)

    sink = Answers()
    async with running(model(compute=fussy)) as (scheduler, worker):
        big = request("big", rows=40, worker=worker, sink=sink)
        big.arrays[0][:, 0] = np.arange(40)
        scheduler.add(big)
        await until(lambda: sink.errors)
        assert sink.errors["big"].code == "model_failed"
        assert worker.queue.rows == 0


async def test_bounds_are_kept() -> None:
    """Beyond the number of requests or of bytes a request is refused as overloaded, with a hint; room comes back."""
    sink = Answers()
    async with running(model(cost_s={1: 0.01}), queue_requests=2, queue_bytes=8 * 20) as (scheduler, worker):
        await hold(scheduler, worker, sink)
        scheduler.add(request(1, worker=worker, sink=sink))
        with pytest.raises(Overloaded, match="bytes of tensors"):
            scheduler.add(request("fat", rows=19, worker=worker, sink=sink))
        scheduler.add(request(2, worker=worker, sink=sink))
        with pytest.raises(Overloaded, match="2 requests wait") as caught:
            scheduler.add(request(3, worker=worker, sink=sink))
        assert caught.value.retryable
        assert caught.value.retry_after_ms is not None
        backend(worker).gate.set()
        await until(lambda: len(sink.outputs) == 3)
        scheduler.add(request("fat", rows=19, worker=worker, sink=sink))
        await until(lambda: len(sink.outputs) == 4)
        assert scheduler._service._held.nbytes == 0


async def test_a_sink_that_raises_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """An error in one consumer is logged; the others of the batch have their answers."""

    class Broken(Answers):
        def finished(self, *_: Any) -> None:
            raise RuntimeError("broken sink")

    sink = Answers()
    async with running(model()) as (scheduler, worker):
        scheduler.add(request(0, worker=worker, sink=Broken()))
        scheduler.add(request(1, worker=worker, sink=sink))
        await until(lambda: sink.outputs)
    assert "broken sink" in caplog.text


async def test_closing_answers_everybody() -> None:
    """What is queued is refused at once, what runs may finish, and nothing is accepted any more."""
    sink = Answers()
    async with running(model()) as (scheduler, worker):
        await hold(scheduler, worker, sink)
        scheduler.add(request("queued", worker=worker, sink=sink))
        closing = asyncio.ensure_future(scheduler.aclose(10.0))
        await until(lambda: "queued" in sink.errors)
        assert sink.errors["queued"].code == "shutting_down"
        with pytest.raises(ShuttingDown):
            scheduler.add(request("new", worker=worker, sink=sink))
        backend(worker).gate.set()
        await closing
        assert "held" in sink.outputs


async def test_closing_does_not_wait_for_ever() -> None:
    """A run that does not end costs its requests an error once the grace time is over."""
    sink = Answers()
    async with running(model()) as (scheduler, worker):
        await hold(scheduler, worker, sink)
        await scheduler.aclose(0.01)
        assert (sink.errors["held"].code, sink.errors["held"].outcome) == ("cancelled", "dropped")


@settings(max_examples=40, deadline=None)
@given(
    plan=st.lists(
        st.tuples(
            st.integers(1, 12), st.integers(0, 1), st.integers(0, 2), st.sampled_from(["run", "cancel", "late", "poison"])
        ),
        max_size=24,
    ),
    sizes=st.sampled_from([(1,), (1, 2, 4, 8), tuple(range(1, 9)), (1, 3, 5)]),
    slots=st.integers(1, 3),
)
def test_exactly_one_answer(plan: list[tuple[int, int, int, str]], sizes: tuple[int, ...], slots: int) -> None:
    """Whatever mix of sizes, keys, clients, cancels, limits and poison: each request ends once, and rightly."""

    def fussy(arrays: list[Any]) -> list[Any]:
        if (arrays[0][:, 1] == -1).any():
            raise ModelFailed("poison")
        return double(arrays)

    async def scenario() -> None:
        sink = Answers()
        async with running(model(compute=fussy, sizes=sizes), slots=slots) as (scheduler, worker):
            for tag, (rows, key, client, kind) in enumerate(plan):
                deadline = 0.0 if kind == "late" else float("inf")
                one = request(tag, rows, key, worker=worker, client=client, sink=sink, deadline=deadline)
                one.arrays[0][0, 1] = -1 if kind == "poison" else tag
                scheduler.add(one)
                if kind == "cancel":
                    assert scheduler.cancel(one) == "removed"
            await until(lambda: len(sink.outputs) + len(sink.errors) == len(plan))
            await until(lambda: not scheduler._service.at_slots)
            assert (worker.queue.rows, scheduler._service._held.nbytes, len(scheduler._service._deadlines)) == (0, 0, 0)
        codes = {"cancel": "cancelled", "late": "deadline_exceeded", "poison": "model_failed"}
        for tag, (rows, _, _, kind) in enumerate(plan):
            if kind == "run":
                assert (sink.outputs[tag] == 2 * tag).all()
                assert len(sink.outputs[tag]) == rows
            else:
                assert sink.errors[tag].code == codes[kind]

    asyncio.run(scenario())


async def test_a_lone_request_does_not_wait_for_the_turn_to_end() -> None:
    """Said to be alone while nothing else runs or waits, a request is at the slot before ``add`` returns."""
    sink = Answers()
    async with running(model()) as (scheduler, worker):
        scheduler.add(request(1, worker=worker, sink=sink), alone=True)
        assert len(scheduler._service.at_slots) == 1
        scheduler.add(request(2, worker=worker, sink=sink), alone=True)
        assert worker.queue.requests == 1
        await until(lambda: len(sink.outputs) == 2)


async def test_a_lone_request_that_must_be_split_is_queued() -> None:
    """More rows than a batch may hold are split also when nobody else is there."""
    sink = Answers()
    async with running(model()) as (scheduler, worker):
        scheduler.add(request("big", rows=20, worker=worker, sink=sink), alone=True)
        await until(lambda: sink.outputs)
        assert len(sink.outputs["big"]) == 20
        assert max(backend(worker).sizes) <= 8
