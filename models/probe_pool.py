"""Different rows for a model and what each gives alone: the measure for everything that is run together later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .probe_compare import same_bits
from .probe_subject import NotBatchable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from .probe_shapes import Layout, Shapes
    from .probe_subject import Subject
    from .probe_values import ValueMaker


class Pool:
    """Rows under one assumption of where the rows lie.

    Attributes:
        layout: that assumption: per input, the axis along which rows are joined.
        shared: by position, the inputs that all rows have in common.
        rows: the inputs of each row.
        outputs: what each row gave alone.
        alone_s: seconds of the fastest run.
    """

    def __init__(self, subject: Subject, layout: Layout, shapes: Shapes, maker: ValueMaker) -> None:
        self.layout = layout
        self.shared = {i: maker.shared(spec, shapes[i]) for i, spec in enumerate(subject.inputs) if layout[i] is None}
        self.rows: list[list[Array]] = []
        self.outputs: list[list[Array]] = []
        self.alone_s = float("inf")
        self._subject = subject
        self._shapes = shapes
        self._maker = maker

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def row_bytes(self) -> int:
        """Bytes of the inputs and outputs of one row."""
        return sum(array.nbytes for array in (*self.rows[0], *self.outputs[0]))

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of all outputs for one row."""
        return tuple(array.shape for array in self.outputs[0])

    def add(self) -> list[Array]:
        """Make one more row and run it alone; returns what it gave. Raises what the model raises."""
        row = [
            self.shared[index] if index in self.shared else self._maker.row(spec, self._shapes[index], len(self.rows))
            for index, spec in enumerate(self._subject.inputs)
        ]
        outputs, seconds = self._subject.alone(row)
        self.rows.append(row)
        self.outputs.append(outputs)
        self.alone_s = min(self.alone_s, seconds)
        return outputs

    def check_repeatable(self) -> None:
        """Check that a row gives the same again."""
        again, seconds = self._subject.alone(self.rows[0])
        self.alone_s = min(self.alone_s, seconds)
        if not _alike(again, self.outputs[0]):
            raise NotBatchable("the same input does not give the same answer twice")

    def check_telling(self) -> None:
        """Check that different rows do not all give the same, since everything would then seem to be right."""
        if all(_alike(outputs, self.outputs[0]) for outputs in self.outputs[1:]):
            raise NotBatchable(
                "all inputs made up for the proof gave the same answer, so rows cannot be told apart:"
                " say what values make sense in [inputs] of model.toml"
            )

    def joined_rows(self) -> list[Array]:
        """Return all rows as one batch."""
        return [
            self.shared[index] if axis is None else np.concatenate([row[index] for row in self.rows], axis)
            for index, axis in enumerate(self.layout)
        ]

    def joined_outputs(self, axes: Sequence[int]) -> list[Array]:
        """Return what all rows gave alone as one batch, joined along these axes."""
        return [np.concatenate([outputs[index] for outputs in self.outputs], axis) for index, axis in enumerate(axes)]


def _alike(some: Sequence[Array], others: Sequence[Array]) -> bool:
    return all(a.shape == b.shape and same_bits(a, b) for a, b in zip(some, others, strict=True))
