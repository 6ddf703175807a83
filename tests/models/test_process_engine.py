"""``Engine`` with models in worker processes: nothing is lost when one is killed, and nothing stays when the engine ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from typing import TYPE_CHECKING, Any

import model_folders
import numpy as np
import onnx_models
import pytest
from model_folders import FEATURES
from process_helpers import ENDLESS, computes, soon, until

import tidegate
from tidegate.errors import Cancelled, ModelFailed, ModelUnavailable
from tidegate.models.processes.segment import is_supported

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs memfd_create")

PROCESS = 'executor = "process"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models in processes, a quick one and one that takes as long as one wishes, and one in a thread."""
    folder = tmp_path_factory.mktemp("processes")
    model_folders.add(folder, "poison", onnx_models.fails_on_poisoned_row(), PROCESS)
    looping = f'{PROCESS}\nbatching = "off"\n[inputs.turns]\nvalues = [1]'
    model_folders.add(folder, "slow", model_folders.looping(), looping)
    model_folders.add(folder, "thread", onnx_models.row_wise_mlp())
    return folder


@pytest.fixture(scope="module")
def lone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slow model alone, for tests that need no other."""
    lone = tmp_path_factory.mktemp("lone")
    shutil.copytree(folder / "slow", lone / "slow")
    return lone


def slowly(turns: int) -> dict[str, Any]:
    return {"x": np.ones((1, FEATURES), np.float32), "turns": turns}


async def test_killed_under_load(folder: Path) -> None:
    """When a worker is killed under load, every request gets its own right answer; the guilty rows alone fail."""
    async with tidegate.Engine(folder, compute_slots=2) as engine:
        killed = engine.processes()[0].pid
        requests = []
        for number in range(600):
            x = np.full((1, 4), number, np.float32)
            if number % 100 == 7:
                x[0, 0] = onnx_models.MARKER
            requests.append(asyncio.ensure_future(engine.infer("poison", x=x)))
            if number % 50 == 0:
                await asyncio.sleep(0)
            if number == 200:
                os.kill(killed or 0, signal.SIGKILL)
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        for number, outcome in enumerate(outcomes):
            if number % 100 == 7:
                assert isinstance(outcome, ModelFailed)
            else:
                assert isinstance(outcome, tidegate.Result), outcome
                assert (outcome["y"] == 2 * number).all()
        await soon(lambda: [state.restarts for state in engine.processes()] == [1, 0])


async def test_killed_in_the_midst_of_a_run(folder: Path) -> None:
    """A run whose worker is killed is run again; the second time it is to blame. A model in a thread does not notice."""
    async with tidegate.Engine(folder, compute_slots=1) as engine:
        task = engine.submit("slow", slowly(ENDLESS))
        for killed in range(2):
            (worker,) = await asyncio.to_thread(ready_worker, engine, killed)
            await asyncio.to_thread(computes, worker)
            os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(ModelFailed, match="killed by SIGKILL"):
            await task
        assert (await engine.infer("thread", x=np.ones((1, 4), np.float32)))["y"].shape == (1, 3)
        assert (await engine.infer("slow", slowly(1)))["y"].shape == (1, FEATURES)


def ready_worker(engine: tidegate.Engine, restarts: int) -> Any:
    """Wait until the engine's only worker runs something, having been started again so often."""
    until(lambda: engine.processes()[0].restarts == restarts and any(each.is_busy() for each in engine._pool._ready))
    return tuple(engine._pool._ready)


async def test_the_end_comes_in_time(lone: Path) -> None:
    """A run that would never end does not keep an engine from ending: it is told to stop."""
    async with tidegate.Engine(lone, compute_slots=2) as engine:
        task = engine.submit("slow", slowly(ENDLESS))
        await soon(lambda: any(worker.is_busy() for worker in engine._pool._ready))
        pids = [state.pid for state in engine.processes()]
        await engine.aclose(0.0)
        with pytest.raises(Cancelled):
            await task
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid or 0, 0)


async def test_a_worker_that_does_not_stop_is_killed(lone: Path) -> None:
    """A worker that hangs when the engine ends is killed; slot threads come free."""
    async with tidegate.Engine(lone, compute_slots=1) as engine:
        task = engine.submit("slow", slowly(ENDLESS))
        (worker,) = await asyncio.to_thread(ready_worker, engine, 0)
        await asyncio.to_thread(computes, worker)
        os.kill(worker.pid, signal.SIGSTOP)
        await engine.aclose(0.0)
        with pytest.raises(Cancelled):
            await task
    await soon(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("tidegate-")])


async def test_an_engine_starts_again(lone: Path) -> None:
    """An engine that ended can be started again, with processes of its own."""
    engine = tidegate.Engine(lone, compute_slots=1)
    for _ in range(2):
        async with engine:
            assert (await engine.infer("slow", slowly(1)))["y"].shape == (1, FEATURES)
        assert engine.processes() == ()


async def test_a_start_that_is_given_up(lone: Path) -> None:
    """When starting is cancelled, the process that loads a model is ended, and so is the thread that waits for it."""
    engine = tidegate.Engine(lone)
    pool = engine._pool
    starting = asyncio.ensure_future(engine.start())
    await soon(lambda: pool._processes)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await soon(lambda: not pool._processes)
    await soon(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("tidegate-load")])


async def test_a_start_that_fails(tmp_path: Path) -> None:
    """When no model loads, no process stays."""
    model_folders.broken(tmp_path / "bad", "model")
    (tmp_path / "bad" / "model.toml").write_text(PROCESS)
    engine = tidegate.Engine(tmp_path)
    pool = engine._pool
    with pytest.raises(ModelUnavailable, match="not an ONNX file"):
        await engine.start()
    assert not pool._processes
    assert engine.processes() == ()


async def test_workers_that_never_become_ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no worker becomes ready, the models that want one are listed with the reason, and the others serve."""
    engine = tidegate.Engine(folder, compute_slots=1)
    pool: Any = engine._pool
    start = pool.start

    async def fail() -> None:
        monkeypatch.setattr("tidegate.models.processes.handle._PROGRAM", "tidegate.no_such_program")
        await start()

    monkeypatch.setattr(pool, "start", fail)
    async with engine:
        errors = {model["name"]: model.get("error", "") for model in engine.models()}
        why = "no worker process becomes ready: its worker process ended with exit code 1"
        assert errors == {"poison": why, "slow": why, "thread": ""}
        assert (await engine.infer("thread", x=np.ones((1, 4), np.float32)))["y"].shape == (1, 3)


async def test_without_such_models_there_are_no_processes(quick_models: Path) -> None:
    """An engine whose models all run in threads starts no process and no keeper."""
    async with tidegate.Engine(quick_models) as engine:
        assert engine.processes() == ()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("tidegate-worker")]
