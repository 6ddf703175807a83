"""What came of a run, as it is told: what it cost, and what went wrong. Knows no stream."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tidegate.errors import InternalError, TidegateError
from tidegate.results import Timing

if TYPE_CHECKING:
    from ..batch import Run
    from ..request import Request

NO_RUN = Timing(0, 0, 0)
"""What it cost when nothing was run."""

_log = logging.getLogger("tidegate.models")


def timing_of(request: Request, run: Run) -> Timing:
    """Return what a run cost; one object for all who have waited equally long."""
    queue_us = max(0, int(1e6 * (run.started - request.arrival)))
    timing: Timing | None = run.context
    if timing is None or timing.queue_us != queue_us:
        timing = run.context = Timing(queue_us, int(1e6 * run.compute_s), run.size)
    return timing


def told(error: Exception) -> TidegateError:
    """Return the error that is told for one that was raised: a defect is logged, and not told."""
    if isinstance(error, TidegateError):
        return error
    _log.error("a step could not be run", exc_info=error)
    return InternalError("a defect; the log says more")
