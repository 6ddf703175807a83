"""The state of a generating stream: one row of the last run while it goes on, tensors of its own when it rests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.results import Array

    from .agenda import State
    from .generation import Generation
    from .loop import Loop
    from .rows import Rows

_MOST = 2**63 - 1
_NOTES_BYTES = 32  # of the four numbers below

PENDING = "loop:pending"
"""The last token that was chosen, which was not fed yet: INT64 [1]. Missing before there is one."""
LENGTH = "loop:length"
"""How many tokens were fed: INT64 [1]."""
SEED = "loop:seed"
"""Of the stream's random numbers: INT64 [1]."""
DRAWS = "loop:draws"
"""How many of them were used: INT64 [1]."""


class RowState(Mapping[str, "Array"]):
    """One row of a run. It keeps the whole run's outputs until it is let go, or looked into: then it is taken out of them.

    Attributes:
        place: the rows of the run, as they are to be fed next, and which of them it is.
    """

    __slots__ = ("_tensors", "place")

    def __init__(self, rows: Rows, index: int) -> None:
        self.place = (rows, index)
        self._tensors: dict[str, Array] | None = None

    @property
    def owner(self) -> Generation:
        """Whose step it is in."""
        rows, index = self.place
        return rows.group.owners[index]

    def take_out(self) -> None:
        """Keep nothing of other rows any more."""
        rows, index = self.place
        if len(rows) > 1:
            self.place = (rows.alone(index), 0)

    @property
    def nbytes(self) -> int:
        """Bytes that its tensors take, or will take when they are looked into."""
        tensors = self._tensors
        if tensors is None:
            rows, index = self.place
            return rows.nbytes_of(index) + _NOTES_BYTES
        return sum([array.nbytes for array in tensors.values()])

    def settle(self) -> None:
        """Be tensors of its own from now on; may be called from any thread."""
        self._whole()

    def __getitem__(self, key: str) -> Array:
        return self._whole()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def _whole(self) -> dict[str, Array]:
        tensors = self._tensors
        if tensors is None:  # two threads may come here at once: both make the same
            self.take_out()
            self._tensors = tensors = resting(*self.place)
        return tensors


def resting(rows: Rows, index: int) -> dict[str, Array]:
    """Return the state of a row as tensors of its own."""
    record = rows.table[index]
    pairs = zip(rows.loop.carried, rows.copy_of(index), strict=True)
    state = {each.key: array for each, array in pairs if each.output is not None}
    for key, field in ((LENGTH, "length"), (SEED, "seed"), (DRAWS, "draws")):
        state[key] = np.array([record[field]], np.int64)
    if record["chosen"]:
        state[PENDING] = rows.tokens[index].copy()
    return state


def check_resting(loop: Loop, state: Mapping[str, Array]) -> None:
    """Check what a restored state says beside its caches and states.

    Raises:
        InvalidInput: a tensor is of another datatype or shape, or holds what no generation leaves behind.
    """
    unknown = [key for key in state if key.startswith("loop:") and key not in (PENDING, LENGTH, SEED, DRAWS)]
    if unknown:
        raise InvalidInput(f"there is no {unknown[0][:64]!r}", param="snapshot", expected="what a snapshot holds")
    for key, most in ((PENDING, (loop.vocabulary or _MOST) - 1), (LENGTH, _MOST), (SEED, _MOST), (DRAWS, _MOST)):
        if key in state:
            array = state[key]
            if array.dtype != np.int64 or array.shape != (1,) or not 0 <= array[0] <= most:
                expected = f"INT64 [1] from 0 to {most}"
                raise InvalidInput(f"{key!r} is not what a snapshot holds", param="snapshot", expected=expected)
    length = int(state[LENGTH][0]) if LENGTH in state else 0
    cached = [state[each.key].shape[each.grows] for each in loop.carried if each.grows is not None]
    if any(tokens != length for tokens in cached) or (loop.context is not None and length > loop.context):
        expected = "caches of one length, within the context"
        raise InvalidInput(f"{LENGTH!r} is {length}, the caches hold {cached[:8]}", param="snapshot", expected=expected)
    if (SEED in state) != (DRAWS in state):
        raise InvalidInput(f"one of {SEED!r} and {DRAWS!r} is missing", param="snapshot", expected="both or none")


def bytes_of(state: State) -> int:
    """Return the bytes that the tensors of a state take."""
    if type(state) is RowState:  # to look for it among the bases of an abstract class takes longer than all the rest
        return state.nbytes
    nbytes = 0
    for array in state.values():
        nbytes += array.nbytes
    return nbytes


def alone(state: State) -> State:
    """Return a state that keeps nothing of other rows; for a generation that has to wait."""
    if isinstance(state, RowState):
        state.take_out()
    return state
