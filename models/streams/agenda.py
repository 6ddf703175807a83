"""What a step of a stream does, as the stream sees it: runs of the model, one after the other. Plain types, no behaviour.

How a plain step, a step that is cut into chunks and a generation differ is known to those who implement it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from tidegate.results import Array

if TYPE_CHECKING:
    from ..appended import Appended
    from ..batch import Run
    from ..request import Kind

State = Mapping[str, Array]
"""What is kept between the steps of a stream, by name. Never changed in place: a step makes a new one, so that one which
fails leaves the old."""


class Made(Struct, frozen=True):
    """What came of one run.

    Attributes:
        state: the stream's state after it; None while its batch goes on with it.
        outputs: what to tell, by name; None if there is nothing to tell yet.
        final: whether the step is done.
        text: the outputs as text, for a model with a vocabulary.
        reason: why a generation ended.
    """

    state: State | None
    outputs: dict[str, Array] | None
    final: bool
    text: str | None = None
    reason: str | None = None


class Agenda(Protocol):
    """What one step does, run by run. Made when the step is accepted: all checks of its inputs are in its making.

    Attributes:
        is_one_run: whether it is a single run and nothing else.
        ran_changes: whether ``ran`` must be asked only once of each run.
    """

    is_one_run: bool
    ran_changes: bool

    @property
    def nbytes(self) -> int:
        """Bytes that it holds while it waits."""
        ...

    def nothing(self, state: State) -> Made | None:
        """Return what came of a step that needs no run; None if it needs one. Asked once, before the first run."""

    def arrays(self, state: State) -> tuple[Sequence[Array | Appended], Kind]:
        """Return the inputs of the next run in the order of the model's signature, and the kind of its request."""
        ...

    def ran(self, state: State, run: Run, start: int, stop: int) -> Made:
        """Take rows ``start`` to ``stop`` of a run. What it returns holds copies: a view would keep the whole batch."""
        ...

    def stop(self) -> None:
        """End after the run that is under way, if more were to come."""
