"""The worker processes of an engine: they give what threads give, are replaced when they die, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx_models import row_wise_mlp
from process_helpers import ENDLESS, Call, computes, open_files, serving, slow_source, soon, source_of, turns

from tidegate.errors import ModelFailed
from tidegate.models.backend import RunControl, WorkerDied
from tidegate.models.processes import keeper, pool
from tidegate.models.processes.segment import is_supported

if TYPE_CHECKING:
    from tidegate.models.processes.pool import ProcessPool

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs memfd_create")


def pid_of(made: ProcessPool, index: int = 0) -> int:
    pid = made.states()[index].pid
    assert pid is not None
    return pid


async def test_a_worker_that_dies_idle_is_replaced(tmp_path: Path) -> None:
    """A worker that is killed while it does nothing is missed at once, told of, and replaced by another."""
    async with serving(source_of(tmp_path, row_wise_mlp()), count=2) as (made, (model,)):
        seen: list[int] = []
        made.changed = lambda: seen.append(made.live())
        assert made.live() == 2
        killed = pid_of(made)
        os.kill(killed, signal.SIGKILL)
        await soon(lambda: made.states()[0].restarts == 1 and made.live() == 2)
        await asyncio.sleep(0)
        assert 1 in seen
        assert [state.restarts for state in made.states()] == [1, 0]
        assert pid_of(made) != killed
        assert (await asyncio.to_thread(model.backend.run, [np.ones((1, 4), np.float32)]))[0].shape == (1, 3)


async def test_a_run_finds_another_worker(tmp_path: Path) -> None:
    """A run that is given to a worker which is dead already, though nobody knows, goes to another."""
    async with serving(source_of(tmp_path, row_wise_mlp()), count=2) as (made, (model,)):
        (worker,) = made._idle[-1:]
        worker._process.kill()
        worker._process.wait(10)
        assert (await asyncio.to_thread(model.backend.run, [np.ones((1, 4), np.float32)]))[0].shape == (1, 3)


async def test_death_in_the_midst_of_a_run(tmp_path: Path) -> None:
    """The run of a worker that dies fails and is not repeated here; the count is right before the error is out."""
    async with serving(slow_source(tmp_path)) as (made, (model,)):
        live: list[int] = []

        def run() -> None:
            try:
                model.backend.run(turns(ENDLESS), RunControl())
            finally:
                live.append(made.live())

        call = Call(run)
        (worker,) = made._processes
        await asyncio.to_thread(computes, worker)
        os.kill(pid_of(made), signal.SIGKILL)
        with pytest.raises(WorkerDied, match="SIGKILL"):
            await asyncio.to_thread(call.result)
        assert live == [0]
        await soon(made.live)
        assert (await asyncio.to_thread(model.backend.run, turns(1)))[0].shape == (1, 256)


async def test_no_worker_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finds no free worker in time fails, certainly not executed."""
    monkeypatch.setattr(pool, "_TAKE_S", 0.05)
    async with serving(slow_source(tmp_path)) as (made, (model,)):
        control = RunControl()
        call = Call(lambda: model.backend.run(turns(ENDLESS), control))
        await soon(lambda: not made._idle)
        with pytest.raises(WorkerDied, match="no worker") as caught:
            await asyncio.to_thread(model.backend.run, turns(1))
        assert not caught.value.began
        control.stop()
        with pytest.raises(ModelFailed, match="terminate"):
            await asyncio.to_thread(call.result)


async def test_closing_ends_everything(tmp_path: Path) -> None:
    """A run that would never end is ended with its process; nothing is left of either, and nothing runs any more."""
    async with serving(slow_source(tmp_path), count=2) as (made, (model,)):
        call = Call(lambda: model.backend.run(turns(ENDLESS), RunControl()))
        await soon(lambda: len(made._idle) == 1)
    with pytest.raises(WorkerDied):
        await asyncio.to_thread(call.result)
    assert not made._processes
    assert made.live() == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tidegate-worker")]
    with pytest.raises(WorkerDied, match="no worker"):
        model.backend.run(turns(1))


async def test_nothing_leaks(tmp_path: Path) -> None:
    """Pools that have run large tensors, and lost a worker, leave no descriptor open and no memory shared."""
    source = source_of(tmp_path, row_wise_mlp())

    async def use() -> None:
        async with serving(source, count=2) as (made, (model,)):
            for rows in (1, 100_000):
                await asyncio.to_thread(model.backend.run, [np.ones((rows, 4), np.float32)])
            os.kill(pid_of(made), signal.SIGKILL)
            await soon(lambda: made.states()[0].restarts == 1 and made.live() == 2)

    await use()
    before = open_files()
    await use()
    assert open_files() == before
    assert "memfd:tidegate" not in await asyncio.to_thread(Path("/proc/self/maps").read_text)


def test_memory_is_let_go_of_when_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker for which nothing was done for a while lets go of its segments; its memory shows it."""
    monkeypatch.setattr(keeper, "_LOOK_S", 0.02)
    monkeypatch.setattr(keeper, "_IDLE_S", 0.02)

    async def use() -> None:
        async with serving(source_of(tmp_path, row_wise_mlp())) as (made, (model,)):
            await asyncio.to_thread(model.backend.run, [np.ones((100_000, 4), np.float32)])
            (worker,) = made._processes
            await soon(lambda: worker._outgoing.memory.size == 0)
            assert (await asyncio.to_thread(model.backend.run, [np.ones((1, 4), np.float32)]))[0].shape == (1, 3)

    asyncio.run(use())


async def test_a_run_that_cannot_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose run goes on long after it was told to stop is ended; one that was not told to is left alone."""
    monkeypatch.setattr(keeper, "_LOOK_S", 0.02)
    monkeypatch.setattr(keeper, "_STUCK_S", 0.1)
    async with serving(slow_source(tmp_path)) as (made, (model,)):
        control = RunControl()
        call = Call(lambda: model.backend.run(turns(ENDLESS), control))
        (worker,) = made._processes
        await asyncio.to_thread(computes, worker)
        os.kill(worker.pid, signal.SIGSTOP)  # now nothing stops it
        assert not worker.is_stuck(time.monotonic() + 1000, 0.1)
        control.stop()
        with pytest.raises(WorkerDied, match="SIGKILL"):
            await asyncio.to_thread(call.result)
        await soon(made.live)
        assert (await asyncio.to_thread(model.backend.run, turns(1)))[0].shape == (1, 256)
