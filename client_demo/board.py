"""Keeps count while several models answer at once, and who overtook whom. Pure: it is told the time and asks nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.results import Timing

_RUNS = 8


@dataclass(slots=True)
class Row:
    """One model.

    Attributes:
        asked: questions that were sent.
        answered: answers that came.
        batches: how many batches the answers came in.
        largest: rows in the largest of them.
        peak: most questions that were in flight at the same time.
        said: what the last answer said.
    """

    asked: int = 0
    answered: int = 0
    batches: float = 0.0
    largest: int = 0
    peak: int = 0
    said: str = ""

    @property
    def rows_per_batch(self) -> float:
        """Rows in a batch, the mean over batches."""
        return self.answered / self.batches if self.batches else 0.0


@dataclass(slots=True)
class Run:
    """Answers of one model, with successive numbers, that came one after the other.

    Attributes:
        start: number of the first.
        end: number of the last.
    """

    model: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.start}\N{EN DASH}{self.end}" if self.end > self.start else str(self.start)


@dataclass(slots=True)
class Board:
    """All models on one connection; questions are numbered from 1 as they are sent.

    Attributes:
        rows: by model.
        overtook: answers that came before that of an older question.
        runs: the first answers in the order in which they came, as runs of one model and successive numbers.
    """

    rows: dict[str, Row]
    overtook: int = 0
    runs: list[Run] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _open: dict[int, None] = field(default_factory=dict)  # in order of sending

    @classmethod
    def of(cls, models: Iterable[str]) -> Board:
        """Make an empty board."""
        return cls({model: Row() for model in models})

    @property
    def answered(self) -> int:
        """Answers of all models."""
        return sum(row.answered for row in self.rows.values())

    def ask(self, model: str) -> int:
        """Count a question and return its number."""
        row = self.rows[model]
        row.asked += 1
        row.peak = max(row.peak, row.asked - row.answered)
        number = next(self._numbers)
        self._open[number] = None
        return number

    def answer(self, model: str, number: int, timing: Timing, said: str) -> None:
        """Count the answer to a question."""
        row = self.rows[model]
        row.answered += 1
        row.batches += 1 / timing.batch_size
        row.largest = max(row.largest, timing.batch_size)
        row.said = said
        self.overtook += number != next(iter(self._open))
        del self._open[number]
        self._remember(model, number)

    def _remember(self, model: str, number: int) -> None:
        last = self.runs[-1] if self.runs else None
        if last and last.model == model and last.end + 1 == number:
            last.end = number
        elif len(self.runs) < _RUNS:
            self.runs.append(Run(model, number, number))
