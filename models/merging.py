"""Puts the parts of a request together that was served in several runs: at once if they are small, else at a compute slot.

Knows nothing of queues or the event loop.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import InternalError, ModelFailed

from .batch import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.errors import TidegateError
    from tidegate.results import Array

    from .request import Request

    Part = tuple[Run, int, int]

_log = logging.getLogger("tidegate.models")

_AT_ONCE_BYTES = 256 * 1024  # a tenth of a millisecond of copying


class Merge:
    """The parts of a request's answer, and what they make: a job for a compute slot.

    Attributes:
        request: whose answer it is.
        run: one run whose rows are all of the request's, once it was executed; None if that failed.
        error: why it failed.
    """

    __slots__ = ("_parts", "error", "request", "run")

    def __init__(self, request: Request) -> None:
        assert request.parts is not None
        self.request = request
        self.run: Run | None = None
        self.error: TidegateError | None = None
        self._parts = [request.parts[start] for start in sorted(request.parts)]

    def is_small(self) -> bool:
        """Tell whether it takes no time to speak of."""
        outputs = range(len(self._parts[0][0].outputs))
        return sum([run.rows(index, *rows).nbytes for run, *rows in self._parts for index in outputs]) <= _AT_ONCE_BYTES

    @property
    def is_short(self) -> bool:
        """It always is."""
        return True

    def execute(self) -> None:
        """Put the parts together, in order, on the calling thread; never raises."""
        try:
            self.run = _merged(self._parts)
        except (MemoryError, ValueError) as error:
            self.error = ModelFailed(f"the parts of the answer do not fit together: {error}")
        except Exception:
            _log.exception("parts of an answer could not be put together")
            self.error = InternalError("the parts of the answer could not be put together; the gateway's log says why")

    def settle(self) -> None:
        """Do nothing: nothing is left to be done."""


def _merged(parts: Sequence[Part]) -> Run:
    runs = [run for run, _, _ in parts]
    first = runs[0]
    outputs = [_joined(index, spec.batch_axis, parts) for index, spec in enumerate(first.model.outputs)]
    compute_s = sum(run.compute_s for run in runs)
    return Run(first.model, max(run.size for run in runs), outputs, min(run.started for run in runs), compute_s)


def _joined(index: int, axis: int | None, parts: Sequence[Part]) -> Array:
    if axis is None:
        return parts[0][0].outputs[index]
    return np.concatenate([run.rows(index, start, stop) for run, start, stop in parts], axis)
