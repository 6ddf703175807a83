"""The worker processes of one engine, one for each compute slot: each hosts every model that wants one, so any can run any.

A compute slot takes a worker that is idle, waits for its answer, and gives it back. Bounds: as many workers as slots, so as
many runs at once; a slot that finds no worker waits two seconds for one. That is rare: no more batches should be handed out
than ``live`` says.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tidegate.errors import ModelUnavailable

from ..backend import WorkerDied
from ..loader import proof_limit_s
from .backend import ProcessBackend
from .handle import WorkerProcess
from .keeper import OPEN_LIMIT_S, Keeper, ProcessState
from .messages import Forget, Load, Open, Source
from .segment import is_supported
from .warm_up import cheap_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.results import Array

    from ..backend import RunControl
    from ..model import Model
    from ..repository import ModelSource

_TAKE_S = 2.0
_FORGET_S = 10.0


class ProcessPool:
    """Loads models, each in a process of its own, and runs them in others. Costs nothing until a model is loaded.

    Attributes:
        closing: set for good once no process may be started any more.
        changed: called on the event loop when ``live`` may have changed.
    """

    def __init__(self, count: int) -> None:
        self.closing = threading.Event()
        self.changed: Callable[[], None] = _nobody
        self._count = count
        self._orders: list[Open] = []
        self._keepers: list[Keeper] = []
        self._processes: set[WorkerProcess] = set()
        self._ready: set[WorkerProcess] = set()
        self._idle: list[WorkerProcess] = []
        self._access = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._settled = asyncio.Event()

    # For the engine.

    def load(self, source: ModelSource, limit_s: float | None = None) -> Model:
        """Load a model in a process of its own, and serve it from the next ``start`` on. Synchronous; takes up to seconds.

        Args:
            source: the model.
            limit_s: seconds for it; None for two minutes beyond those that the proof may take.

        Raises:
            ModelUnavailable: it cannot be served; one line says why.
        """
        if not is_supported():
            raise ModelUnavailable('executor = "process" needs Linux: this system has no memory to share by descriptor')
        try:
            worker = self.begin()
        except OSError as error:
            raise ModelUnavailable(f"no worker process could be started: {error.strerror}") from None
        described = Source.of(source)
        if limit_s is None:
            limit_s = OPEN_LIMIT_S + proof_limit_s(source.config)
        try:
            description = worker.load(Load(described), limit_s)
        except WorkerDied as death:
            raise ModelUnavailable(f"loading it failed: {death.message}") from None
        finally:
            self.end(worker)
        number = len(self._orders)
        model = description.restored(source, ProcessBackend(self, number))
        layout = tuple(spec.batch_axis for spec in model.inputs)
        self._orders.append(Open(number, described, model.sha256, layout, cheap_sizes(model.batching), later=False))
        return model

    async def start(self) -> None:
        """Start the workers, if there is a model for them, and wait until each is ready or seems not to become so.

        Raises:
            ModelUnavailable: none is ready.
        """
        if not self._orders:
            return
        self._loop = asyncio.get_running_loop()
        self._keepers = [Keeper(self, index) for index in range(self._count)]
        for keeper in self._keepers:
            keeper.start()
        await self._settled.wait()
        if not self._ready:
            raise ModelUnavailable(f"no worker process becomes ready: {self._keepers[0].problem}")

    def live(self) -> int:
        """Return how many workers are ready for a run, or running one."""
        return len(self._ready)

    def states(self) -> tuple[ProcessState, ...]:
        """Return what is known of each worker."""
        return tuple(keeper.state() for keeper in self._keepers)

    def close(self) -> None:
        """End every process, and with it whatever it does, a load too; returns at once."""
        with self._access:
            self.closing.set()
            self._access.notify_all()
            processes = tuple(self._processes)
        for worker in processes:
            worker.kill()

    async def aclose(self, limit_s: float = 3.0) -> None:
        """End every process and wait until all is cleared away, for at most so many seconds."""
        self.close()
        if self._keepers:
            await asyncio.to_thread(self._join, time.monotonic() + limit_s)

    # For compute slots.

    def run(self, model: int, arrays: Sequence[Array], control: RunControl | None) -> list[Array]:
        """Run a model in a worker that is free; see ``WorkerProcess.run``."""
        until = time.monotonic() + _TAKE_S
        while True:
            worker = self._take(until)
            try:
                return worker.run(model, arrays, control)
            except WorkerDied as death:
                self.lost(worker)
                if death.began:
                    raise
            finally:
                self._give(worker)

    # For keepers.

    def begin(self) -> WorkerProcess:
        """Start a process; raises OSError if that cannot be done."""
        worker = WorkerProcess()
        with self._access:
            self._processes.add(worker)
        if self.closing.is_set():
            worker.kill()
        return worker

    def end(self, worker: WorkerProcess) -> None:
        """End a process and clear away what is left of it."""
        worker.close()
        with self._access:
            self._processes.discard(worker)

    def orders(self) -> Sequence[Open]:
        """Return what a new worker has to open."""
        return self._orders

    def ready(self, worker: WorkerProcess) -> None:
        """Take a worker into service."""
        with self._access:
            self._ready.add(worker)
        self._give(worker)
        self.tell()

    def lost(self, worker: WorkerProcess) -> None:
        """Take a worker that died out of service; once is enough."""
        with self._access:
            self._ready.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)
        self.tell()

    def forget(self, worker: WorkerProcess) -> None:
        """Have a worker that is idle let go of shared memory."""
        with self._access:
            if worker not in self._idle:
                return
            self._idle.remove(worker)
        try:
            with suppress(WorkerDied):  # which its keeper will see
                worker.ask(Forget(), _FORGET_S)
        finally:
            self._give(worker)

    def tell(self) -> None:
        """Let the event loop know that something changed."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
                self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        if all(keeper.is_settled() for keeper in self._keepers):
            self._settled.set()
        self.changed()

    def _take(self, until: float) -> WorkerProcess:
        with self._access:
            while not self._idle:
                left = until - time.monotonic()
                if self.closing.is_set() or left <= 0:
                    raise WorkerDied("no worker process is ready", began=False)
                self._access.wait(left)
            return self._idle.pop()  # the one that ran last, whose memory is warm

    def _give(self, worker: WorkerProcess) -> None:
        with self._access:
            if worker in self._ready:
                self._idle.append(worker)
                self._access.notify()

    def _join(self, until: float) -> None:
        for keeper in self._keepers:
            keeper.join(max(0.0, until - time.monotonic()))


def _nobody() -> None:
    """Nobody wants to know yet."""
