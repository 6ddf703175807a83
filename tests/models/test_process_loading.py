"""Models are loaded in a process of their own, give what they give in a thread, and hurt nobody when that fails."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from onnx_models import row_wise_mlp
from process_helpers import Call, open_files, serving, soon, source_of, until

from tidegate.errors import ModelUnavailable
from tidegate.models import config
from tidegate.models.backend import RunControl
from tidegate.models.loader import load
from tidegate.models.processes import handle
from tidegate.models.processes.pool import ProcessPool
from tidegate.models.processes.segment import is_supported
from tidegate.models.repository import bundled

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.models.model import Model

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs memfd_create")


def inputs_for(model: Model, rows: int) -> list[Any]:
    """Make up inputs of so many rows: audio and state for one bundled model, a picture for the other."""
    draw = np.random.default_rng(rows)
    sizes = {"input": (rows, 576), "state": (2, rows, 128), "image": (rows, 8, 8)}
    return [
        np.array(16_000) if spec.name == "sr" else draw.random(sizes[spec.name], np.float32) - np.float32(0.5)
        for spec in model.inputs
    ]


async def test_the_same_bits() -> None:
    """The bundled models give bit for bit what they give in a thread, one row or many."""
    quickly = {"probe_ms": 50.0, "executor": "process"}
    found = [source for source in bundled().sources if source.name in {"digits", "silero_vad"}]
    assert found
    wanted = [replace(source, config=msgspec.structs.replace(source.config, **quickly)) for source in found]
    async with serving(*wanted, count=2) as (_, models):
        for source, model in zip(wanted, models, strict=True):
            here = load(source)
            assert (model.inputs, model.outputs, model.sha256) == (here.inputs, here.outputs, here.sha256)
            for rows in (1, 2, 7, 64):
                inputs = inputs_for(model, rows)
                there = await asyncio.to_thread(model.backend.run, inputs, RunControl())
                for one, other in zip(here.backend.run(inputs), there, strict=True):
                    assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


async def test_a_crash_at_load(tmp_path: Path) -> None:
    """A model whose loading kills its process is an error of that model, which says how; others still load."""
    made = ProcessPool(1)
    loading = Call(lambda: made.load(source_of(tmp_path / "a", row_wise_mlp())))
    await soon(lambda: made._processes)
    (worker,) = made._processes
    os.kill(worker.pid, signal.SIGSEGV)
    with pytest.raises(ModelUnavailable, match="loading it failed: its worker process was killed by SIGSEGV"):
        await asyncio.to_thread(loading.result)
    model = await asyncio.to_thread(made.load, source_of(tmp_path / "b", row_wise_mlp()))
    await made.start()
    assert (await asyncio.to_thread(model.backend.run, [np.ones((1, 4), np.float32)]))[0].shape == (1, 3)
    await made.aclose()


def test_a_load_that_hangs(tmp_path: Path) -> None:
    """A load that takes too long is ended."""
    made = ProcessPool(1)
    with pytest.raises(ModelUnavailable, match=r"longer than 0\.01 s"):
        made.load(source_of(tmp_path, row_wise_mlp()), 0.01)
    assert not made._processes


def test_closing_ends_a_load(tmp_path: Path) -> None:
    """A load that is given up ends at once, and none begins afterwards."""
    made = ProcessPool(1)
    source = source_of(tmp_path, row_wise_mlp())
    loading = Call(lambda: made.load(source))
    until(lambda: made._processes)
    made.close()
    for load_again in (loading.result, lambda: made.load(source)):
        with pytest.raises(ModelUnavailable, match="SIGKILL"):
            load_again()
    assert not made._processes


def test_a_system_without_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory cannot be shared by descriptor, the model cannot be loaded, and the error says so."""
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(ModelUnavailable, match="needs Linux"):
        ProcessPool(1).load(source_of(tmp_path, row_wise_mlp()))


def test_a_system_without_room_for_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot be started is an error of the model, and leaves no descriptor open."""

    def refused(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = open_files()
    monkeypatch.setattr(handle.subprocess, "Popen", refused)
    with pytest.raises(ModelUnavailable, match="temporarily unavailable"):
        ProcessPool(1).load(source_of(tmp_path, row_wise_mlp()))
    assert open_files() == before


def test_configurations_that_ask_for_a_process() -> None:
    """``executor`` is one of two words, and a thread is the default."""
    assert config.parse('executor = "process"').executor == "process"
    with pytest.raises(ModelUnavailable, match="executor"):
        config.parse('executor = "fork"')
