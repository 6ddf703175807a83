"""A step that is one run of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..admission import size_of
from .agenda import Made
from .values import own_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from ..appended import Appended
    from ..batch import Run
    from ..request import Kind
    from ..worker import Worker
    from .agenda import State
    from .fixed import Fixed, Wanted


class PlainAgenda:
    """An ``Agenda`` of one run.

    Attributes:
        is_one_run: True.
        ran_changes: False.
    """

    is_one_run = True
    ran_changes = False
    __slots__ = ("_fixed", "_priority", "_taken", "_wanted", "_worker")

    def __init__(self, worker: Worker, fixed: Fixed, taken: Sequence[Array], wanted: Wanted, priority: int) -> None:
        """Take what a step brings, as checked by ``Fixed.taken``."""
        self._worker = worker
        self._fixed = fixed
        self._taken = taken
        self._wanted = wanted
        self._priority = priority

    @property
    def nbytes(self) -> int:
        """Bytes of what the step brings."""
        return sum(map(size_of, self._taken))

    def nothing(self, state: State) -> Made | None:
        """Return None: it always needs its run."""

    def arrays(self, state: State) -> tuple[Sequence[Array | Appended], Kind]:
        """Return the inputs of the run, and the kind of its request."""
        return self._fixed.asked(state, self._taken, self._worker.admission, self._priority)

    def ran(self, state: State, run: Run, start: int, stop: int) -> Made:
        """Return what came of the run.

        Raises:
            ModelFailed: its state cannot be kept.
        """
        outputs = {}
        for name, index in self._wanted:
            array = own_rows(run, index, start, stop)
            # Whoever is told in this process may write to what he is told.
            outputs[name] = array.copy() if index in self._fixed.kept_outputs else array
        return Made(self._fixed.after(state, self._taken, run, start, stop), outputs, final=True)

    def stop(self) -> None:
        """Do nothing: no more runs were to come."""
