"""The model under proof, and what can be found wrong with the wish to join its rows; it decides nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.results import Array

    from .probe_shapes import Layout, Symbols
    from .signature import TensorSpec

_SIGNS_OF_NO_ROOM = ("terminate flag", "bad_alloc", "bad allocation", "Failed to allocate")


class NotBatchable(Exception):
    """Raised when rows of a model cannot be joined; the text says why in plain words."""


class OutOfRoom(NotBatchable):
    """Raised when a run needed more memory or time than there was, which says nothing about rows."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The model under proof.

    Attributes:
        run: runs it once; fails with a ``TidegateError``, and at once when the time for the whole proof is up.
        inputs: its inputs.
        symbols: what it calls their dimensions.
        output_names: its outputs.
        op_types: the operators in its file.
        clock: seconds, monotonic.
    """

    run: Callable[[Sequence[Array]], list[Array]]
    inputs: tuple[TensorSpec, ...]
    symbols: Symbols
    output_names: tuple[str, ...]
    op_types: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.perf_counter

    def alone(self, row: Sequence[Array]) -> tuple[list[Array], float]:
        """Run one row; returns its outputs and the seconds it took. Raises what the model raises."""
        began = self.clock()
        outputs = self.run(row)
        return outputs, self.clock() - began

    def together(self, inputs: Sequence[Array], rows: int, layout: Layout) -> tuple[list[Array], float]:
        """Run several rows, of a model that runs with one; returns outputs and seconds.

        Raises:
            OutOfRoom: there was not enough memory or time.
            NotBatchable: it fails.
        """
        try:
            return self.alone(inputs)
        except TidegateError as error:
            if any(sign in str(error) for sign in _SIGNS_OF_NO_ROOM):
                raise OutOfRoom(f"{rows} rows did not fit into the memory or time for the proof") from None
            raise NotBatchable(f"it runs with 1 row and fails with {rows}{self.along(layout)}: {error}") from None

    def along(self, layout: Layout) -> str:
        """Say where the rows are taken to lie, as part of a sentence."""
        for spec, axis in zip(self.inputs, layout, strict=True):
            if axis is not None:
                return f" along axis {axis} of {spec.name!r}"
        return ""
