"""Compute slots: the threads in which models run, and nowhere else. Knows nothing of models or queues.

The number of threads bounds how many runs go on at once; whoever submits keeps count, so the queue in front of them
holds at most as many jobs as were submitted. onnxruntime releases the interpreter lock while it runs, so the slots
really compute side by side, and beside the event loop. Where there are several, each slot has its long runs computed by
a patient thread, for which it waits: so short runs and the loop get a core when they need one.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from . import time_slice
from .patient_thread import PatientThread

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable


def available_cores() -> int:
    """Return how many cores this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Job(Protocol):
    """Something to compute."""

    @property
    def is_short(self) -> bool:
        """Whether it is expected to be over soon, so that it should not have to wait for a core."""
        ...

    def execute(self) -> None:
        """Compute on the calling thread; never raises."""

    def settle(self) -> None:
        """Do what nobody has to wait for, on the same thread; called after whoever waits was told; never raises."""


JobT = TypeVar("JobT", bound=Job)


class ComputeSlots(Generic[JobT]):
    """A fixed number of compute threads, named ``tidegate-slot-N``."""

    def __init__(self, count: int, loop: AbstractEventLoop, done: Callable[[JobT], None]) -> None:
        """Start the threads; ``done`` is called on the loop with each job once it was executed."""
        self._loop = loop
        self._done = done
        self._jobs: SimpleQueue[JobT | None] = SimpleQueue()
        self._busy_s = [0.0] * count
        self._since: list[float | None] = [None] * count
        self._threads = [
            threading.Thread(target=self._work, args=(index,), name=f"tidegate-slot-{index}", daemon=True)
            for index in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: JobT) -> None:
        """Let the next free thread execute a job; returns at once."""
        self._jobs.put(job)

    def busy_s(self) -> float:
        """Return the seconds that all slots together have computed, runs that still go on included."""
        now = time.monotonic()
        return sum(self._busy_s) + sum(now - since for since in list(self._since) if since is not None)

    def stop(self) -> None:
        """Tell the threads to end after the jobs that were submitted; returns at once."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self, index: int) -> None:
        _name_thread(threading.current_thread().name)
        short, patient = False, None
        while (job := self._jobs.get()) is not None:
            if job.is_short is not short:
                time_slice.ask(short=(short := not short))
            if not short and patient is None and len(self._busy_s) > 1:
                patient = PatientThread(f"tidegate-long-{index}")
            self._since[index] = started = time.monotonic()
            compute = _at_once if short or patient is None else patient.execute
            compute(job.execute)
            try:
                self._loop.call_soon_threadsafe(self._done, job)
            except RuntimeError:  # the loop is closed: nobody waits any more
                break
            compute(job.settle)
            self._since[index] = None
            self._busy_s[index] += time.monotonic() - started
            del job  # while it waits for the next one, it keeps nothing of this one
        if patient is not None:
            patient.stop()


def _at_once(call: Callable[[], None]) -> None:
    call()


def _name_thread(name: str) -> None:
    """Give the thread its name in the operating system too, where top and perf show it (Python does so from 3.14)."""
    with suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name, encoding="ascii")
