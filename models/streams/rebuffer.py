"""A step that brings any amount, which is cut into chunks: a run for each, and what is left over waits for the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..admission import size_of
from .agenda import Made
from .takes import scaled
from .values import joined, own, own_rows, part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from ..appended import Appended
    from ..batch import Run
    from ..request import Kind
    from ..worker import Worker
    from .agenda import State
    from .chunk import Rest
    from .fixed import Fixed, Wanted


class RebufferAgenda:
    """An ``Agenda`` of as many runs as there are chunks. It keeps its place, so it is good for one step, once.

    What arrives is never put together as a whole: each run takes its chunk out of what is left over and what is new.

    Attributes:
        nbytes: bytes of what the step brings.
        is_one_run: False.
        ran_changes: True.
    """

    is_one_run = False
    ran_changes = True
    __slots__ = (
        "_at",
        "_fixed",
        "_new",
        "_old",
        "_place",
        "_priority",
        "_rest",
        "_stopped",
        "_taken",
        "_wanted",
        "_worker",
        "nbytes",
    )

    def __init__(self, worker: Worker, fixed: Fixed, rest: Rest, taken: Sequence[Array], wanted: Wanted, priority: int) -> None:
        """Take what a step brings, as checked by ``Fixed.taken``, and what is left over of which input."""
        self.nbytes = sum(map(size_of, taken))
        self._worker = worker
        self._fixed = fixed
        self._rest = rest
        self._place = next(place for place, take in enumerate(fixed.takes) if take.input == rest.input)
        self._taken = list(taken)
        self._new = self._taken[self._place]
        self._old = rest.initial
        self._wanted = wanted
        self._priority = priority
        self._at = 0  # from here on the new part has not been run; below 0, as much of the old one
        self._stopped = False

    def nothing(self, state: State) -> Made | None:
        """Return what came of a step that makes no chunk full."""
        rest = self._rest
        self._old = state[rest.key]
        self._at = -self._old.shape[rest.axis]
        return None if self._left >= rest.length else Made({**state, rest.key: self._leftover()}, {}, final=True)

    def arrays(self, state: State) -> tuple[Sequence[Array | Appended], Kind]:
        """Return the inputs of the run of the next chunk, and the kind of its request."""
        self._taken[self._place] = self._cut(self._at + self._rest.length)
        return self._fixed.asked(state, self._taken, self._worker.admission, self._priority)

    def ran(self, state: State, run: Run, start: int, stop: int) -> Made:
        """Return what came of the run of a chunk; the last one leaves what is no chunk, one that was stopped nothing.

        Raises:
            ModelFailed: its state cannot be kept.
        """
        rest = self._rest
        made = self._fixed.after(state, self._taken, run, start, stop)
        outputs = {name: own_rows(run, index, start, stop) for name, index in self._wanted}
        self._at += rest.length
        if self._left < rest.length:
            made[rest.key] = self._leftover()
            return Made(made, outputs, final=True)
        made[rest.key] = rest.initial  # should the step be stopped
        return Made(made, outputs, final=self._stopped, reason="cancelled" if self._stopped else None)

    def stop(self) -> None:
        """End after the run that is under way; what is left of the step is dropped."""
        self._stopped = True

    @property
    def _left(self) -> int:
        """How much has not been run."""
        length: int = self._new.shape[self._rest.axis]
        return length - self._at

    def _cut(self, stop: int) -> Array:
        """Return what has not been run, up to this place in the new part."""
        axis = self._rest.axis
        new = scaled(part(self._new, axis, max(self._at, 0), stop))
        if self._at >= 0:
            return new
        length = self._old.shape[axis]
        return joined(part(self._old, axis, length + self._at, length), new, axis)

    def _leftover(self) -> Array:
        return own(self._cut(self._new.shape[self._rest.axis]))
