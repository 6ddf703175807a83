"""Finds where the rows of a model lie: tries one layout after the other until rows give together what they give alone.

It knows nothing of batch sizes beyond the few that a search needs.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from tidegate.errors import TidegateError

from .probe_compare import SAME, Comparison, Grade
from .probe_pool import Pool
from .probe_shapes import OTHER_SIZING, SIZINGS, Layout, Sizer, Sizing
from .probe_sizes import FIRST_SIZE, Measured
from .probe_subject import NotBatchable, Subject
from .probe_trial import Trial
from .probe_values import Guess, ValueMaker, finite, undeclared

if TYPE_CHECKING:
    from .config import ModelConfig

_FEWEST_ROWS = 4
_MOST_ROWS = 16
_POOL_SHARE = 0.05  # of the time for the proof
_RUNS_OF_A_SEARCH = 16  # about as long as so many runs of one row
_MOST_ATTEMPTS = 300
_SEARCH_FACTOR = 3  # layouts are tried for so many times probe_ms
_MOST_ELEMENTS = 4 * 1024 * 1024
_INTEGERS = ((0, 7), (1, 2), (0, 1), (1, 1))
_OTHER_SIZE = 8


class Setting(NamedTuple):
    """How the sizes and the numbers that nobody declared are chosen."""

    sizing: Sizing
    guess: Guess


class Found(NamedTuple):
    """A layout under which the model runs, with rows that were run alone."""

    pool: Pool
    setting: Setting


class Examined(NamedTuple):
    """A layout under which rows may be joined, ready to run batches; and how they agree for other sizes of dimensions."""

    trial: Trial
    sizes: list[Measured]
    elsewhere: Comparison


class Search:
    """Looks for the layout of one model's rows.

    Attributes:
        problem: why the last made-up input did not run; empty if every one ran.
        first_run_at: when the model first ran; infinite before that.
    """

    def __init__(self, subject: Subject, config: ModelConfig) -> None:
        self.problem = ""
        self.first_run_at = float("inf")
        self._subject = subject
        self._config = config
        self._sizer = Sizer(subject.inputs, subject.symbols, config.dims)
        self._probe_s = config.probe_ms / 1000
        self._attempts = 0
        integers, floats = undeclared(subject.inputs, config.inputs)
        guesses = product(_INTEGERS if integers else _INTEGERS[:1], (False, True) if floats else (False,))
        self._guesses = [Guess(numbers, positive) for numbers, positive in guesses]

    @property
    def over(self) -> bool:
        """Whether enough time was spent on searching."""
        return self._attempts >= _MOST_ATTEMPTS or self._subject.clock() > self.first_run_at + _SEARCH_FACTOR * self._probe_s

    def runnable(self, layout: Layout) -> Found | None:
        """Find sizes and numbers with which the model runs a few rows, one by one; None if there are none."""
        sizings = SIZINGS if self._sizer.guesses(layout) else SIZINGS[:1]
        fallback = None
        for setting in (Setting(*pair) for pair in product(sizings, self._guesses)):
            if self.over:
                break
            try:
                found = Found(self._pool(layout, setting), setting)
            except TidegateError as error:
                self.problem = str(error)
                continue
            if all(finite(array) for outputs in found.pool.outputs for array in outputs):
                return found
            fallback = fallback or found  # rather numbers that the model can work with, but NaN is an answer too
        return fallback

    def once_more(self, found: Found) -> Found:
        """Run a few requests of the size that they have if nothing is joined; what was found before, if they do not run."""
        if self._too_slow(found.pool):
            return found
        try:
            return Found(self._pool((None,) * len(found.pool.layout), found.setting, rows=2), found.setting)
        except TidegateError:
            return found

    def examine(self, found: Found) -> Examined:
        """Check that rows may be joined.

        Raises:
            NotBatchable: they may not.
        """
        pool = found.pool
        if self._too_slow(pool):
            raise NotBatchable(f"one run takes {pool.alone_s:.2g} s, too long for a proof: raise probe_ms in model.toml")
        pool.check_repeatable()
        self._fill(pool)
        trial = Trial(self._subject, pool, FIRST_SIZE)
        sizes = [self._agree(trial, pool.layout, rows) for rows in (FIRST_SIZE, 2)]
        pool.check_telling()
        for name, comparison in trial.run_poisoned(FIRST_SIZE):
            if comparison.grade > max(measured.comparison.grade for measured in sizes):
                along = self._subject.along(pool.layout)
                raise NotBatchable(f"rows depend on each other{along}: {name} in one changes the answers of others")
        return Examined(trial, sizes, self._elsewhere(found))

    def _too_slow(self, pool: Pool) -> bool:
        """Tell whether rows, if any have run, take too long for the search; it may take twice as long as the proof."""
        return len(pool) > 0 and pool.alone_s * _RUNS_OF_A_SEARCH > 2 * self._probe_s

    def _elsewhere(self, found: Found) -> Comparison:
        """Repeat the examination with other sizes of the dimensions that had to be guessed."""
        layout = found.pool.layout
        if not self._sizer.guesses(layout):
            return SAME
        try:
            pool = self._pool(layout, Setting(OTHER_SIZING, found.setting.guess))
        except TidegateError:
            return SAME  # not every size makes sense to a model
        trial = Trial(self._subject, pool, FIRST_SIZE)
        return max(self._agree(trial, layout, rows).comparison for rows in (FIRST_SIZE, _OTHER_SIZE))

    def _agree(self, trial: Trial, layout: Layout, rows: int) -> Measured:
        measured = trial.measure(rows)
        if measured.comparison.grade is Grade.DIFFERENT:
            difference = f"{rows} together differ by {measured.comparison.difference:.2g} from each alone"
            raise NotBatchable(f"rows depend on each other{self._subject.along(layout)}: {difference}")
        return measured

    def _pool(self, layout: Layout, setting: Setting, rows: int = _FEWEST_ROWS) -> Pool:
        """Run rows one by one, no more than two of a model that is too slow anyway; raises what the model raises."""
        self._attempts += 1
        shapes = self._sizer.shapes(layout, setting.sizing)
        if sum(map(math.prod, shapes)) > _MOST_ELEMENTS:
            raise TidegateError("the sizes that were tried grew too large")
        pool = Pool(self._subject, layout, shapes, ValueMaker(self._config.inputs, setting.guess))
        while len(pool) < (2 if self._too_slow(pool) else rows):
            outputs = pool.add()
            self.first_run_at = min(self.first_run_at, self._subject.clock())
            if any(array.size == 0 for array in outputs):
                raise TidegateError("it gives empty outputs for the sizes that were tried")
        return pool

    def _fill(self, pool: Pool) -> None:
        """Add rows to the pool, as far as time and the model allow."""
        affordable = int(self._probe_s * _POOL_SHARE / max(pool.alone_s, 1e-9))
        try:
            for _ in range(min(_MOST_ROWS, affordable) - len(pool)):
                pool.add()
        except TidegateError:
            return  # the rows that ran are enough
