"""Proves one batch size after the other while time and memory last, and takes the time of each; it draws no conclusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .probe_compare import Grade
from .probe_sizes import deciding_sizes, further_sizes
from .probe_subject import OutOfRoom
from .resources import available_bytes, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .probe_sizes import Measured
    from .probe_trial import Trial

_MOST_BYTES = 256 * 1024 * 1024
_COPIES = 4  # inputs, outputs, what is expected, and the comparison in double precision
_MEMORY_SHARE = 0.25


class Room:
    """Says whether a larger batch still fits, judging by what smaller ones took.

    Attributes:
        now: seconds, monotonic.
    """

    def __init__(self, row_bytes: int, deadline: float, clock: Callable[[], float]) -> None:
        self.now = clock
        self._deadline = deadline
        self._row_bytes = row_bytes
        self._resident = resident_bytes()
        self._row_s = 0.0
        self._grown_per_row = 0.0

    def took(self, rows: int, seconds: float) -> None:
        """Note what a batch took."""
        self._row_s = seconds / rows
        resident = resident_bytes()
        if resident is not None and self._resident is not None:
            self._grown_per_row = max(0, resident - self._resident) / rows

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.now() >= self._deadline

    def fits(self, rows: int) -> bool:
        """Tell whether a batch of this many rows is expected to fit into the time and memory that are left."""
        available = available_bytes()
        return (
            self.now() + rows * self._row_s <= self._deadline
            and rows * self._row_bytes * _COPIES <= _MOST_BYTES
            and (available is None or rows * self._grown_per_row <= _MEMORY_SHARE * available)
        )


def measure_sizes(trial: Trial, known: Sequence[Measured], max_batch: int, room: Room) -> list[Measured]:
    """Prove batch sizes while there is room; ends early at one in which rows differ.

    Args:
        trial: runs them.
        known: the sizes that have been proved already.
        max_batch: the largest size to try.
        room: says what still fits.

    Returns:
        What is known of all sizes from 2 to ``max_batch``.

    Raises:
        NotBatchable: the model fails with a number of rows, or its outputs do.
    """
    found = {measured.size: measured for measured in known if measured.size <= max_batch}
    for rows in (*deciding_sizes(max_batch), *further_sizes(max_batch)):
        if room.over or any(measured.comparison.grade is Grade.DIFFERENT for measured in found.values()):
            break
        if rows in found or not room.fits(rows):
            continue
        began = room.now()
        try:
            found[rows] = trial.measure(rows)
        except OutOfRoom:
            break  # what was proved before stands
        room.took(rows, room.now() - began)
    return list(found.values())
