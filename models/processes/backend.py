"""A model that runs in worker processes, as the scheduler sees it: a ``Backend`` like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import ModelFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from ..backend import RunControl
    from .pool import ProcessPool


class ProcessBackend:
    """Runs one model in whichever worker process is free."""

    def __init__(self, pool: ProcessPool, number: int) -> None:
        """``number`` is the model's in the pool."""
        self._pool = pool
        self._number = number
        self._closed = False

    def run(self, arrays: Sequence[Array], /, control: RunControl | None = None) -> list[Array]:
        """Run the model once; see ``Backend.run``.

        Raises:
            WorkerDied: the process that ran it died, or none was to be had.
        """
        if self._closed:
            raise ModelFailed("the model was closed")
        return self._pool.run(self._number, arrays, control)

    def close(self) -> None:
        """Take no more runs; the processes keep the model, which other runs may be using."""
        self._closed = True
