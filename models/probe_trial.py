"""Runs rows of a pool together and compares each with what it gives alone; it draws no conclusion about the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import TidegateError

from .probe_compare import SAME, Comparison, compare
from .probe_sizes import Measured
from .probe_subject import NotBatchable
from .probe_values import poisons

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.results import Array

    from .probe_pool import Pool
    from .probe_subject import Subject

_SEED = 7
_CHEAP_S = 0.002
_RUNS_WHEN_CHEAP = 4


class Trial:
    """Batches composed of the rows of one pool.

    Attributes:
        output_axes: where rows lie in each output.
        run_s: seconds that the last run took.
    """

    def __init__(self, subject: Subject, pool: Pool, rows: int) -> None:
        """Run the first rows of the pool together to find the axis of each output that grows with them.

        Raises:
            NotBatchable: the model fails, or an output has no such axis.
        """
        self._subject = subject
        self._pool = pool
        self._random = np.random.default_rng(_SEED)
        self._joined_rows = pool.joined_rows()
        together, self.run_s = subject.together(self._inputs(np.arange(rows)), rows, pool.layout)
        self.output_axes = tuple(self._axis_of(index, array.shape, rows) for index, array in enumerate(together))
        self._joined_outputs = pool.joined_outputs(self.output_axes)

    def compositions(self, rows: int) -> tuple[Array, Array]:
        """Choose rows of the pool for two batches; in the second, every position holds another row than in the first."""
        size = len(self._pool)
        first = np.concatenate([self._random.permutation(size) for _ in range(-(-rows // size))])[:rows]
        return first, (first + 1 + self._random.integers(size - 1)) % size

    def run(self, composition: Array) -> Comparison:
        """Run rows of the pool together and compare each with what it gives alone.

        Raises:
            NotBatchable: the model fails, or an output has another shape than these rows make.
        """
        outputs, self.run_s = self._subject.together(self._inputs(composition), len(composition), self._pool.layout)
        return self._compare(outputs, composition)

    def measure(self, rows: int) -> Measured:
        """Run this many rows in two compositions, more often if that costs next to nothing; raises as ``run``."""
        compositions = self.compositions(rows)
        comparisons, costs = [], []
        for composition in compositions:
            comparisons.append(self.run(composition))
            costs.append(self.run_s)
        while len(costs) < _RUNS_WHEN_CHEAP and min(costs) < _CHEAP_S:
            comparisons.append(self.run(compositions[0]))
            costs.append(self.run_s)
        return Measured(rows, max(comparisons), min(costs))

    def run_poisoned(self, rows: int) -> Iterator[tuple[str, Comparison]]:
        """Spoil the middle row of a batch in every way and compare the others; skips what the model refuses to run."""
        layout = self._pool.layout
        composition, _ = self.compositions(rows)
        for poison in poisons(self._subject.inputs, layout):
            inputs = self._inputs(composition)
            for index, value in poison.values.items():
                np.moveaxis(inputs[index], layout[index] or 0, 0)[rows // 2] = value
            try:
                outputs = self._subject.run(inputs)
            except TidegateError:
                continue
            yield poison.name, self._compare(outputs, composition, np.arange(rows) != rows // 2)

    def _inputs(self, composition: Array) -> list[Array]:
        return [
            array if axis is None else np.take(array, composition, axis)
            for array, axis in zip(self._joined_rows, self._pool.layout, strict=True)
        ]

    def _axis_of(self, index: int, together: tuple[int, ...], rows: int) -> int:
        try:
            return _growing_axis([outputs[index].shape for outputs in self._pool.outputs], together, rows)
        except NotBatchable as finding:
            along = self._subject.along(self._pool.layout).strip()
            raise NotBatchable(f"{along}, output {self._subject.output_names[index]!r} {finding}") from None

    def _compare(self, outputs: Sequence[Array], composition: Array, rows: Array | None = None) -> Comparison:
        """Compare all rows of a batch, or the chosen ones; returns the worst of all outputs."""
        worst = SAME
        for output, alone, axis in zip(outputs, self._joined_outputs, self.output_axes, strict=True):
            actual, expected = output, np.take(alone, composition, axis)
            if actual.shape != expected.shape:
                raise NotBatchable(f"{len(composition)} rows give {list(actual.shape)}, not {list(expected.shape)}")
            if rows is not None:
                actual, expected = np.compress(rows, actual, axis), np.compress(rows, expected, axis)
            worst = max(worst, compare(actual, expected))
        return worst


def _growing_axis(alone: Sequence[tuple[int, ...]], together: tuple[int, ...], rows: int) -> int:
    """Return the axis that is 1 in the shape of every row alone and ``rows`` in the shape of rows together.

    Raises:
        NotBatchable: there is no such axis, or other axes change as well.
    """
    one = alone[0]
    if any(shape != one for shape in alone):
        raise NotBatchable("has a shape that depends on the values of the input")
    grown = [axis for axis, (before, after) in enumerate(zip(one, together, strict=False)) if before != after]
    if one == together:
        raise NotBatchable(f"does not grow with the rows: its shape stays {list(one)}")
    if len(one) != len(together) or len(grown) > 1 or (one[grown[0]], together[grown[0]]) != (1, rows):
        raise NotBatchable(f"is {list(one)} for 1 row and {list(together)} for {rows}: not one entry a row")
    return grown[0]
