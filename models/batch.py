"""One run of a model: rows of several requests put together, and the outputs taken apart again.

Knows nothing of queues, threads or the event loop. ``execute`` is what a compute slot calls, and it never raises.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.errors import InternalError, ModelFailed, TidegateError

from .appended import can_be_laid, laid_end_to_end, whole
from .backend import RunControl
from .burst import Burst
from .planner import still_wanted
from .queue import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.results import Array

    from .appended import Appended
    from .model import Model
    from .request import Piece, Request, Together
    from .worker import Worker

_SHORT_S = 0.005
_PREPARED_BYTES = 1 << 20  # 0.1 ms of copying

_log = logging.getLogger("tidegate.models")


class Run:
    """The outputs of one run.

    Attributes:
        model: the model that ran.
        size: rows in the batch.
        outputs: whole outputs in the order of the signature; they never change, since answers are sent from where they lie.
            None of them if the run ``stays``: they belong to the next step.
        started: when it began, in seconds of the monotonic clock.
        compute_s: seconds that it took.
        context: a place for whoever takes the answers to keep what all of a run's answers share.
        extra: what ``Kind.together`` made of the outputs.
        stays: whether its batch was still at the slot when it was over, and went on with the next step.
        apart: of outputs that were taken apart, by index, a copy of each row; None while nobody asks for each row.
    """

    __slots__ = ("apart", "compute_s", "context", "extra", "model", "outputs", "size", "started", "stays")

    def __init__(self, model: Model, size: int, outputs: Sequence[Array], started: float, compute_s: float) -> None:
        self.model = model
        self.size = size
        self.outputs = outputs
        self.started = started
        self.compute_s = compute_s
        self.context: Any = None
        self.extra: Any = None
        self.stays = False
        self.apart: dict[int, list[Array]] | None = None

    def rows(self, index: int, start: int, stop: int) -> Array:
        """Return rows ``start`` to ``stop`` of one output, as a view; the whole output if it has no rows."""
        output = self.outputs[index]
        axis = self.model.outputs[index].batch_axis
        if axis is None:
            return output
        if axis == 0:
            return output[start:stop]
        return output[(slice(None),) * axis + (slice(start, stop),)]


class Batch:
    """Pieces of requests that run together; all have one batch key.

    Attributes:
        suspect: whether its worker died of the batch that it comes from.
        burst: how long it stays at its slot.
        tell: told of each step but the last, at the slot; returns whether anybody listens.
    """

    __slots__ = (
        "_arrays",
        "_together",
        "burst",
        "control",
        "error",
        "estimate_s",
        "key",
        "pieces",
        "rows",
        "run",
        "suspect",
        "tell",
        "worker",
    )

    def __init__(self, worker: Worker, pieces: list[Piece], *, suspect: bool = False) -> None:
        self.worker = worker
        self.pieces = pieces
        self.suspect = suspect
        kind = pieces[0][0].kind
        self.key = kind.key
        self._together = kind.together
        self.rows = rows_of(pieces)
        self.estimate_s = 0.0
        self._arrays: list[Array] | None = None
        self.control = RunControl()
        self.burst = Burst()
        self.tell: Callable[[Batch, Run], bool] = _nobody
        self.run: Run | None = None
        self.error: TidegateError | None = None

    @property
    def goes_on(self) -> bool:
        """Whether its requests go on from one run to the next by themselves."""
        return self._together is not None

    @property
    def is_short(self) -> bool:
        """Whether it is expected to be over soon."""
        return self.estimate_s <= _SHORT_S

    def prepare(self) -> None:
        """Put the inputs together now, on the event loop, if they are small.

        For a batch that has to wait for its slot: the slot then computes without a pause, and the copying is done by the
        core that has the bytes at hand. What shares a run in its own way does so at the slot.
        """
        if self._together is None and sum([request.kind.nbytes for request, _, _ in self.pieces]) <= _PREPARED_BYTES:
            with suppress(MemoryError, ValueError):  # it is tried again at the slot, which tells what is wrong
                self._arrays = self._assemble(self.worker.model)

    def execute(self) -> None:
        """Run on the calling thread; afterwards either ``run`` or ``error`` is set, unless nobody waits any more."""
        if not still_wanted(self.pieces):
            self.error = ModelFailed("every request of the batch was cancelled")
            return
        try:
            self.run = self._ran() if self._together is None else self._ran_together(self._together)
        except TidegateError as error:
            self.error = error
        except Exception:
            name = self.worker.model.name
            _log.exception("running %s failed in an unexpected way", name)
            self.error = InternalError(f"running {name} failed; the gateway's log says why")

    def settle(self) -> None:
        """Do what nobody has to wait for, on the calling thread, after ``execute``; never raises."""
        if self._together is None or self.run is None:
            return
        try:
            self._together.settle(self.run.extra)
        except Exception:  # no memory, say: what has ended goes on keeping the others
            _log.exception("what is left of a run of %s could not be taken apart", self.worker.model.name)

    def _ran(self) -> Run:
        model, started = self.worker.model, time.monotonic()
        arrays = self._assemble(model) if self._arrays is None else self._arrays
        outputs = model.backend.run(arrays, self.control)
        self._check(_row_axes(model), outputs)
        return Run(model, self.rows, outputs, started, time.monotonic() - started)

    def _ran_together(self, together: Together) -> Run:
        """Take one step after the other, as long as that is allowed; return the last one."""
        model, started = self.worker.model, time.monotonic()
        arrays, gathered = together.gather(self.pieces)
        axes = _row_axes(model)
        while True:
            try:
                outputs = model.backend.run(arrays, self.control)
                self._check(axes, outputs)
                extra = together.finish(gathered, outputs)
            except Exception:
                together.give_back(self.pieces, gathered)
                raise
            now = time.monotonic()
            run, started = Run(model, self.rows, outputs, started, now - started), now
            run.extra = extra
            if not self.burst.goes_on() or (following := together.again(gathered, extra)) is None:
                return run
            run.stays, run.outputs = True, ()
            if not self.tell(self, run):
                run.stays = False
                return run
            arrays, gathered = following

    def _assemble(self, model: Model) -> list[Array]:
        if len(self.pieces) == 1:
            request, start, stop = self.pieces[0]
            if stop - start == request.rows:
                return [whole(array) for array in request.arrays]
        return [self._join(index, spec.batch_axis) for index, spec in enumerate(model.inputs)]

    def _join(self, index: int, axis: int | None) -> Array:
        """Put one input's rows together; an input without a batch axis is equal in all requests of a batch."""
        if axis is None:
            return whole(self.pieces[0][0].arrays[index])
        parts = [_rows(request, index, axis, start, stop) for request, start, stop in self.pieces]
        if len(parts) == 1:
            return whole(parts[0])
        if axis == 0 and can_be_laid(parts[0]):
            return laid_end_to_end(parts).reshape(-1, *parts[0].shape[1:])
        return np.concatenate([whole(part) for part in parts], axis)

    def _check(self, axes: Sequence[int | None], outputs: Sequence[Array]) -> None:
        """Refuse outputs that do not have one row for each row that went in: they could not be told apart."""
        for at, (axis, output) in enumerate(zip(axes, outputs, strict=True)):
            if axis is not None and (output.ndim <= axis or output.shape[axis] != self.rows):
                name = self.worker.model.outputs[at].name
                raise ModelFailed(f"output {name!r} has shape {list(output.shape)} for {self.rows} rows on axis {axis}")


def _row_axes(model: Model) -> list[int | None]:
    """Return where the rows of each output lie; None where there are none."""
    batched = model.batching.verdict != "none"
    return [spec.batch_axis if batched else None for spec in model.outputs]


def _nobody(_batch: Batch, _run: Run) -> bool:
    return False


def _rows(request: Request, index: int, axis: int, start: int, stop: int) -> Array | Appended:
    array = request.arrays[index]
    if stop - start == request.rows:
        return array
    return whole(array)[(slice(None),) * axis + (slice(start, stop),)]
