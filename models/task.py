"""A running inference as its caller sees it: something to await, to look at and to cancel. Knows no socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tidegate.errors import Cancelled, CancelOutcome, TidegateError
from tidegate.results import Result, Timing

from .request import Answer, Request, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from .batch import Run

TaskStatus = Literal["queued", "running", "done", "failed", "cancelled"]


class InferenceTask:
    """An inference that was submitted. ``await`` it for its result.

    Cancelling the awaiting asyncio task cancels the inference too; awaiting it twice gives the same result.

    Attributes:
        id: its number in this engine.
        model: the model's name.
        timing: what it cost; None until it is done.
    """

    def __init__(self, number: int, model: str, cancel: Callable[[Request], CancelOutcome]) -> None:
        self.id = number
        self.model = model
        self.timing: Timing | None = None
        self._cancel = cancel
        self._request: Request | None = None
        self._future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"<InferenceTask {self.id} of {self.model}: {self.status}>"

    def __await__(self) -> Generator[Any, None, Result]:
        return self._wait().__await__()

    async def _wait(self) -> Result:
        try:
            return await asyncio.shield(self._future)
        except asyncio.CancelledError:
            await self.cancel()
            raise

    @property
    def status(self) -> TaskStatus:
        """Where the inference is."""
        if not self._future.done():
            running = self._request is not None and self._request.status == Status.RUNNING
            return "running" if running else "queued"
        error = self._future.exception()
        if error is None:
            return "done"
        return "cancelled" if isinstance(error, Cancelled) else "failed"

    def done(self) -> bool:
        """Tell whether there is a result or an error."""
        return self._future.done()

    def result(self) -> Result:
        """Return its result, or raise its error.

        Raises:
            asyncio.InvalidStateError: it has not ended yet.
        """
        return self._future.result()

    def exception(self) -> BaseException | None:
        """Return its error, or None if there was none; raises as ``result`` does while it runs."""
        return self._future.exception()

    def add_done_callback(self, callback: Callable[[InferenceTask], object]) -> None:
        """Call ``callback(task)`` soon after it has ended."""
        self._future.add_done_callback(lambda _future: callback(self))

    async def cancel(self) -> CancelOutcome:
        """Cancel the inference and say the truth about it.

        Returns:
            ``removed``: it was queued and never runs. ``dropped``: it runs, and its result is thrown away.
            ``too_late``: it had its result or error already, which stands. Cancelling again says the same again.
        """
        if self._future.done():
            error = self._future.exception()
            return error.outcome if isinstance(error, Cancelled) else "too_late"
        return "too_late" if self._request is None else self._cancel(self._request)

    def started(self, request: Request) -> None:
        """Take note of the request behind this task."""
        self._request = request

    def finished(self, run: Run, answers: Sequence[Answer]) -> None:
        """Take the answer (see ``Sink``)."""
        ((request, start, stop),) = answers
        model = run.model
        wanted = range(len(model.outputs)) if request.kind.outputs is None else request.kind.outputs
        # Copies: a view of one row would keep the whole batch's memory, and be shared with strangers.
        outputs = {model.outputs[index].name: np.array(run.rows(index, start, stop)) for index in wanted}
        self.timing = Timing(max(0, round(1e6 * (run.started - request.arrival))), round(1e6 * run.compute_s), run.size)
        if not self._future.done():
            self._future.set_result(Result(outputs, model=model.name, version=model.version, timing=self.timing))

    def failed(self, request: Request, error: TidegateError) -> None:
        """Take the error (see ``Sink``)."""
        if not self._future.done():
            self._future.set_exception(error)
            self._future.exception()  # a task that nobody awaits any more is not worth a warning
