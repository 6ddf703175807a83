"""Worker processes for tests, with a model that takes as long as one wishes; nothing here waits by sleeping."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from model_folders import FEATURES, looping

from tidegate.models import config
from tidegate.models.processes.handle import WorkerProcess
from tidegate.models.processes.messages import Description, Load, Open, Source
from tidegate.models.processes.pool import ProcessPool
from tidegate.models.repository import ModelSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from onnx import ModelProto

    from tidegate.models.model import Model

LIMIT_S = 30.0
ENDLESS = 10**12
"""Turns of the slow model that nobody lives to see the end of."""


def source_of(folder: Path, model: ModelProto, toml: str = "probe_ms = 0", name: str = "m") -> ModelSource:
    """Save a model and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return ModelSource(name, "1", path, config.parse(toml), folder)


def slow_source(folder: Path) -> ModelSource:
    """Save a model x[1, FEATURES], turns[] → y that loops for as many turns as it is told."""
    return source_of(folder, looping(), 'probe_ms = 0\nbatching = "off"\n[inputs.turns]\nvalues = [1]', "slow")


def turns(number: int) -> list[Any]:
    """Return inputs for the slow model."""
    return [np.ones((1, FEATURES), np.float32), np.array(number)]


@contextmanager
def working(*sources: ModelSource) -> Iterator[WorkerProcess]:
    """Give a worker process that has loaded and opened models, numbered from 0."""
    worker = WorkerProcess()
    try:
        for number, source in enumerate(sources):
            described = Source.of(source)
            description = worker.load(Load(described), LIMIT_S)
            assert isinstance(description, Description)
            layout = tuple(spec[3] for spec in description.inputs)
            worker.ask(Open(number, described, description.sha256, layout, (1,), later=False), LIMIT_S)
        yield worker
    finally:
        worker.close()


class Call(threading.Thread):
    """Something that runs in a thread of its own; ``result`` waits for what came of it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._outcome: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._outcome = self._call()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        """Return what the call returned, or raise what it raised."""
        self.join(LIMIT_S)
        assert not self.is_alive(), "it took too long"
        if self._error is not None:
            raise self._error
        return self._outcome


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so that can only be looked at."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.001)


def processor_s(pid: int) -> float:
    """Return the seconds for which a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def computes(worker: WorkerProcess) -> None:
    """Wait until a worker process is in the midst of a run."""
    until(worker.is_busy)
    before = processor_s(worker.pid)
    until(lambda: processor_s(worker.pid) > before + 0.03)


def wait_for_end(pid: int) -> None:
    """Wait until a process that is nobody's child here has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    ended = poller.poll(1000 * LIMIT_S)
    os.close(descriptor)
    assert ended, "it lives"


@asynccontextmanager
async def serving(*sources: ModelSource, count: int = 1) -> AsyncIterator[tuple[ProcessPool, list[Model]]]:
    """Give a pool that serves these models."""
    made = ProcessPool(count)
    try:
        models = [await asyncio.to_thread(made.load, source) for source in sources]
        await made.start()
        yield made, models
    finally:
        await made.aclose()


async def soon(condition: Callable[[], Any]) -> None:
    """Wait in the same way beside an event loop."""
    await asyncio.to_thread(until, condition)


def open_files() -> set[Path]:
    """Return what descriptors this process has open."""
    return set(Path("/proc/self/fd").iterdir())
