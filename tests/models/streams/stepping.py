"""Streams without a scheduler: models that are plain functions, and steps that are run one after the other, each alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fakes import FakeBackend

from tidegate.models import config
from tidegate.models.appended import whole
from tidegate.models.batch import Run
from tidegate.models.model import Model
from tidegate.models.signature import Batching, TensorSpec
from tidegate.models.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.models.streams.agenda import Made, State
    from tidegate.models.streams.fixed import Fixed

Spec = tuple[Any, ...]


def made_up(toml: str, inputs: Sequence[Spec], outputs: Sequence[Spec], compute: Any = None, *, batched: bool = True) -> Model:
    """Build a model from ``(name, datatype, shape, batch axis)`` of its tensors; it resolves what ``toml`` declares."""
    verdict: Any = "exact" if batched else "none"
    return Model(
        "m",
        "1",
        tuple(TensorSpec(*spec) for spec in inputs),
        tuple(TensorSpec(*spec) for spec in outputs),
        Batching(verdict, "made up", tuple(range(1, 9)) if batched else (1,)),
        FakeBackend(compute or (lambda arrays: list(arrays))),
        config.parse(toml),
    )


class Stepper:
    """One stream whose steps are run at once.

    Attributes:
        fixed: what was settled when it was opened.
        state: after the last step.
        seen: the inputs of each run.
    """

    def __init__(self, model: Model, constants: Mapping[str, Any] | None = None) -> None:
        self.model = model
        self.worker = Worker(model)
        self.fixed: Fixed
        self.state: State
        self.fixed, self.state = model.stream.begin(constants or {})
        self.seen: list[list[Any]] = []

    def step(self, inputs: Mapping[str, Any], outputs: tuple[str, ...] | None = None, *, stop_after: int = -1) -> list[Made]:
        """Run a step and return all that it made; ``stop_after`` so many runs it is told to stop."""
        agenda = self.model.stream.agenda(self.worker, self.fixed, inputs, outputs)
        made = agenda.nothing(self.state)
        told = [] if made is None else [made]
        while not (told and told[-1].final):
            if len(told) == stop_after:
                agenda.stop()
            given, _ = agenda.arrays(self.state if not told else told[-1].state)
            arrays = [whole(array) for array in given]
            self.seen.append(arrays)
            run = Run(self.model, 1, self.model.backend.run(arrays), 0.0, 0.0)
            told.append(agenda.ran(self.state if not told else told[-1].state, run, 0, 1))
        self.state = told[-1].state
        return told
