"""Keeps one worker process alive: starts it, has it open the models, waits for its death and starts the next.

A thread of its own does so, named ``tidegate-worker-N``: all of that takes time, which neither the event loop nor a compute
slot has. It knows no requests.

A model that kills the process that opens it is opened by the next one only when it is asked for, so that it keeps no other
model from serving. A run that was told to stop and does not, being inside one long operator or worse, is ended with its
process: nobody waits for it, and it would keep its compute slot for good.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tidegate.errors import TidegateError

from ..backend import WorkerDied
from .backoff import Backoff

if TYPE_CHECKING:
    from .handle import WorkerProcess
    from .messages import Open
    from .pool import ProcessPool

OPEN_LIMIT_S = 120.0
_LOOK_S = 2.0
_IDLE_S = 60.0
_STUCK_S = 5.0
_HOPELESS = 2

_log = logging.getLogger("tidegate.models")


class ProcessState(NamedTuple):
    """What is known of one worker process.

    Attributes:
        pid: the process; None while there is none.
        ready: whether it can run models, or is doing so.
        restarts: how many times it had to be started again.
    """

    pid: int | None
    ready: bool
    restarts: int


class Keeper:
    """One worker process after the other.

    Attributes:
        restarts: how many times a process had to be started again.
        problem: why the last attempt to start one failed; empty if it did not.
    """

    def __init__(self, pool: ProcessPool, index: int) -> None:
        self.restarts = 0
        self.problem = ""
        self._pool = pool
        self._index = index
        self._worker: WorkerProcess | None = None
        self._ready = False
        self._failures = 0
        self._suspects: set[int] = set()
        self._thread = threading.Thread(target=self._keep, name=f"tidegate-worker-{index}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def join(self, limit_s: float) -> None:
        """Wait until the process is gone and will not be started again, which the pool's closing brings about."""
        self._thread.join(limit_s)

    def state(self) -> ProcessState:
        """Return what is known now."""
        worker = self._worker
        return ProcessState(None if worker is None else worker.pid, self._ready, self.restarts)

    def is_settled(self) -> bool:
        """Tell whether the process is ready, or seems not to become so."""
        return self._ready or self._failures >= _HOPELESS

    def _keep(self) -> None:
        backoff = Backoff()
        while not self._pool.closing.is_set():
            ready = self._start()
            if ready is not None:
                backoff.started(time.monotonic())
                self._watch(ready)
            self._end()
            self._pool.tell()
            delay = backoff.died(time.monotonic())
            if self._pool.closing.wait(delay):
                return
            self.restarts += 1

    def _start(self) -> WorkerProcess | None:
        """Start a process and have it open the models; returns it once it is ready, None if it died before."""
        try:
            worker = self._worker = self._pool.begin()
            for order in self._pool.orders():
                self._open(worker, order)
        except WorkerDied as death:
            self.problem = death.message
            return None
        except OSError as error:
            self.problem = f"no process could be started: {error.strerror}"
            self._failures += 1
            return None
        self._suspects.clear()
        self._failures = 0
        self._ready = True
        self._pool.ready(worker)
        return worker

    def _open(self, worker: WorkerProcess, order: Open) -> None:
        """Have a model opened, later if that may have killed the last worker: no model may keep the others from serving."""
        try:
            worker.ask(replace(order, later=order.model in self._suspects), OPEN_LIMIT_S)
        except WorkerDied:
            if order.model in self._suspects:  # so it was not that
                self._failures += 1
            self._suspects.add(order.model)
            raise
        except TidegateError as error:
            _log.warning("%s cannot be opened in a worker process: %s", order.source.name, error.message)

    def _watch(self, worker: WorkerProcess) -> None:
        """Wait until the process dies; meanwhile let go of memory that is not used, and of a run that cannot be stopped."""
        poller = select.poll()
        poller.register(worker, 0)  # which tells of nothing but its end
        runs, since = worker.runs, time.monotonic()
        while not poller.poll(1000 * _LOOK_S):
            now = time.monotonic()
            if worker.is_stuck(now, _STUCK_S):
                _log.warning("worker process %d: a run goes on %g s after it was told to stop", self._index, _STUCK_S)
                worker.kill()
            elif worker.runs != runs:
                runs, since = worker.runs, now
            elif now - since >= _IDLE_S:
                self._pool.forget(worker)
                since = now

    def _end(self) -> None:
        """Clear away what is left of the process, if one was started."""
        worker, self._worker, self._ready = self._worker, None, False
        if worker is None:
            return
        self._pool.lost(worker)
        if not self._pool.closing.is_set():
            _log.warning("worker process %d (pid %d) %s; starting another", self._index, worker.pid, worker.death())
        self._pool.end(worker)
