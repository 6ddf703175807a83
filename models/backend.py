"""What the scheduler needs of anything that can run a model; it knows no runtime and imports none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tidegate.errors import ModelFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.results import Array


class WorkerDied(ModelFailed):
    """Raised when the process that ran the model is gone: what it ran may be the reason, or may have nothing to do with it.

    Attributes:
        began: whether the process may have begun the run. If not, the run is certainly not the reason.
    """

    def __init__(self, message: str, *, began: bool = True) -> None:
        super().__init__(message)
        self.began = began


class RunControl:
    """Lets another thread ask a run to end early. One for all runs of a batch: one that was stopped stays stopped.

    Attributes:
        stopped: whether it was asked to.
        options: a place for the backend to keep what it needs for each of the runs.
    """

    __slots__ = ("_stop", "options", "stopped")

    def __init__(self) -> None:
        self.stopped = False
        self.options: Any = None
        self._stop: Callable[[], None] | None = None

    def begins(self, stop: Callable[[], None]) -> None:
        """Take what stops the run that is about to begin."""
        self._stop = stop
        if self.stopped:
            stop()

    def stop(self) -> None:
        """Ask the run to end at the next place where it can; it then fails."""
        self.stopped = True
        if self._stop is not None:
            self._stop()


class Backend(Protocol):
    """Runs one loaded model. All methods may be called from any thread, ``run`` from several at once."""

    def run(self, arrays: Sequence[Array], /, control: RunControl | None = None) -> list[Array]:
        """Run the model once.

        Args:
            arrays: one array per input, in the order of the model's signature. BF16 is a structured dtype
                (``[("bf16", "<u2")]``), BYTES is an object array of ``bytes``; the caller has checked datatypes and shapes.
            control: lets another thread stop the run, as far as the runtime can be stopped.

        Returns:
            One array per output, in the order of the signature and in the same conventions.

        Raises:
            InvalidInput: a BYTES element is not UTF-8 and the model takes text.
            ModelFailed: the run failed; one line says how.
        """
        ...

    def close(self) -> None:
        """Let go of the model once runs that have begun are done; later runs raise ``ModelFailed``. Idempotent."""
        ...
