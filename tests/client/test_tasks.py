"""Submitted tasks: awaiting, cancelling, and taking them as they end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

import tidegate
from tidegate import errors
from tidegate.client.testing import FakeGateway
from tidegate.codecs.messages import Cancel, Infer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.client.task import InferenceTask
    from tidegate.results import Array

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.timeout(20)]

X = np.arange(4, dtype="<f4")


class Gate:
    """A model that answers when it is told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.running = 0
        self.peak = 0

    async def __call__(self, tensors: dict[str, Array]) -> dict[str, Array]:
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        return dict(tensors)


async def quick(tensors: dict[str, Array]) -> dict[str, Array]:
    return dict(tensors)


async def picky(tensors: dict[str, Array]) -> dict[str, Array]:
    raise errors.ModelFailed("no")


async def test_a_task_can_be_awaited_again_and_again() -> None:
    """Each await gives the same result or the same error."""
    async with FakeGateway({"quick": quick, "picky": picky}) as gateway, tidegate.connect(gateway.url) as gw:
        task = gw.submit("quick", x=X)
        assert await task is await task is task.result()
        assert (task.status, task.done(), task.model) == ("done", True, "quick")
        assert task.timing is not None
        failing = gw.submit("picky", x=X)
        for _ in range(2):
            with pytest.raises(errors.ModelFailed):
                await failing
        assert (failing.status, failing.timing) == ("failed", None)
        assert repr(failing) == f"<InferenceTask {failing.id} picky failed: model_failed>"


async def test_gather_and_wait_for_take_tasks() -> None:
    """Tasks are ordinary awaitables for asyncio."""
    async with FakeGateway({"quick": quick}) as gateway, tidegate.connect(gateway.url) as gw:
        tasks = [gw.submit("quick", x=X) for _ in range(10)]
        assert len(await asyncio.gather(*tasks)) == 10
        await asyncio.wait_for(gw.submit("quick", x=X), 5)


async def test_the_caller_may_change_its_arrays_at_once() -> None:
    """What is computed on is what was in the array when it was submitted, whether it was sent at once or had to wait."""
    gate = Gate()
    async with FakeGateway({"gate": gate}, in_flight=1) as gateway, tidegate.connect(gateway.url) as gw:
        buffer = X.copy()
        tasks = []
        for number in range(4):
            buffer[:] = number
            tasks.append(gw.submit("gate", x=buffer))
        gate.open.set()
        assert [(await task)["x"][0] for task in tasks] == [0, 1, 2, 3]


class TestCancel:
    async def test_a_queued_task_is_removed(self) -> None:
        """A task that was not sent never runs, and the server never hears of it."""
        gate = Gate()
        async with FakeGateway({"gate": gate}, in_flight=1) as gateway, tidegate.connect(gateway.url) as gw:
            first, second = gw.submit("gate", x=X), gw.submit("gate", x=X)
            assert await second.cancel() == "removed"
            with pytest.raises(errors.Cancelled):
                await second
            assert (first.status, second.status) == ("sent", "cancelled")
            gate.open.set()
            await first
            assert sum(isinstance(message, Infer) for message in gateway.received) == 1

    async def test_a_sent_task_is_dropped(self) -> None:
        """The server's word on a running task is what cancel returns, however often it is asked."""
        async with FakeGateway({"gate": Gate()}) as gateway, tidegate.connect(gateway.url) as gw:
            task = gw.submit("gate", x=X)
            assert await asyncio.gather(task.cancel(), task.cancel()) == ["dropped", "dropped"]
            assert await task.cancel() == "dropped"
            with pytest.raises(errors.Cancelled) as caught:
                await task
            assert caught.value.outcome == "dropped"
            assert sum(isinstance(message, Cancel) for message in gateway.received) == 1

    async def test_too_late(self) -> None:
        """A task that has ended keeps its result."""
        async with FakeGateway({"quick": quick}) as gateway, tidegate.connect(gateway.url) as gw:
            task = gw.submit("quick", x=X)
            await task
            assert await task.cancel() == "too_late"
            assert task.status == "done"

    async def test_a_cut_while_waiting_for_the_truth(self) -> None:
        """If the connection is lost meanwhile the result is thrown away."""
        async with FakeGateway({"gate": Gate()}) as gateway, tidegate.connect(gateway.url) as gw:
            task = gw.submit("gate", x=X)
            await gw.ping()
            cancelling = asyncio.create_task(task.cancel())
            gateway.drop()
            assert await cancelling == "dropped"

    async def test_two_who_await_one_task(self) -> None:
        """If one of them is cancelled so is the task, and the other gets an error, not a cancellation of its own."""
        async with FakeGateway({"gate": Gate()}) as gateway, tidegate.connect(gateway.url) as gw:
            task = gw.submit("gate", x=X)

            async def wait() -> None:
                await task

            one, other = asyncio.create_task(wait()), asyncio.create_task(wait())
            await gw.ping()
            one.cancel()
            assert isinstance((await asyncio.gather(one, return_exceptions=True))[0], asyncio.CancelledError)
            with pytest.raises(errors.Cancelled):
                await other
            assert (task.status, await task.cancel()) == ("cancelled", "dropped")

    async def test_a_task_group_that_fails_cancels_its_requests(self) -> None:
        """One failing inference in a TaskGroup cancels the others at the server."""
        gate = Gate()
        async with FakeGateway({"gate": gate, "picky": picky}) as gateway, tidegate.connect(gateway.url) as gw:

            async def work() -> None:
                async with asyncio.TaskGroup() as group:
                    for name in ("gate", "gate", "gate", "picky"):
                        group.create_task(gw.infer(name, x=X))

            with pytest.raises(ExceptionGroup):
                await work()
            await gw.ping()
            assert sum(isinstance(message, Cancel) for message in gateway.received) == 3
            assert gate.running == 0


class TestAsCompleted:
    async def test_tasks_come_as_they_end(self) -> None:
        """Failed and cancelled tasks come as well, each once, and a task that is given twice comes once."""
        gate = Gate()
        models = {"gate": gate, "quick": quick, "picky": picky}
        async with FakeGateway(models) as gateway, tidegate.connect(gateway.url) as gw:
            slow, fast, failing, gone = (gw.submit(name, x=X) for name in ("gate", "quick", "picky", "gate"))
            await gone.cancel()
            seen = []
            async for task in gw.as_completed([slow, fast, failing, gone, slow]):
                seen.append(task)
                if len(seen) == 3:
                    gate.open.set()
            assert seen[-1] is slow
            assert set(seen) == {slow, fast, failing, gone}

    async def test_an_endless_generator(self) -> None:
        """A generator is drawn from as tasks end: never more than twice the window of them, and it can be left."""
        submitted: list[InferenceTask] = []

        def forever() -> Iterator[InferenceTask]:
            while True:
                submitted.append(gw.submit("quick", x=X))
                yield submitted[-1]

        async with FakeGateway({"quick": quick}, in_flight=8) as gateway, tidegate.connect(gateway.url) as gw:
            taken = 0
            async for _task in gw.as_completed(forever()):
                taken += 1
                assert len(submitted) - taken < 16
                if taken == 200:
                    break

    async def test_nothing(self) -> None:
        """No tasks, no turns."""
        async with FakeGateway() as gateway, tidegate.connect(gateway.url) as gw:
            assert [task async for task in gw.as_completed([])] == []

    async def test_a_generator_of_large_requests_stays_within_memory(self) -> None:
        """Drawing stops at half of the buffer, so submit never refuses."""
        gate = Gate()
        gate.open.set()
        async with (
            FakeGateway({"gate": gate}) as gateway,
            tidegate.connect(gateway.url, max_buffer_bytes=1_000_000) as gw,
        ):
            big = np.zeros(100_000, "u1")
            held = []
            async for task in gw.as_completed(gw.submit("gate", x=big) for _ in range(60)):
                await task
                held.append(gw._driver.session.ledger.held_bytes)
            assert len(held) == 60
            assert max(held) <= 700_000
