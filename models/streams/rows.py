"""The rows of a generating batch: what each is fed next, and its caches, where the last run left them.

It copies as little as it can. A run's outputs are the next run's inputs: while a batch stays together they go in as they are;
rows that leave or join cost one copy of what stays. Knows arrays and axes; chooses no token and runs nothing.

Caches that grow hold what is theirs at their end: shorter ones have padding before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .group import Group
from .loop import Carried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from .loop import Loop

_WASTE = 0.25  # of a cache that is padding which no row needs any more
_WASTE_TOKENS = 16


class Rows:
    """Rows of one model, side by side.

    Attributes:
        group: whose they are, and what is known of each.
        moved: how often they have moved together.
        tokens: what each is fed next, INT64 [rows, L].
        ahead: what each has to be fed after that before a token is chosen, INT64; None if there is nothing for any row.
        carried: one array for each of ``loop.carried``.
    """

    __slots__ = ("ahead", "carried", "group", "moved", "tokens")

    def __init__(
        self, group: Group, moved: int, tokens: Array, ahead: Sequence[Array] | None, carried: Sequence[Array]
    ) -> None:
        self.group = group
        self.moved = moved
        self.tokens = tokens
        self.ahead = ahead
        self.carried = carried

    def __len__(self) -> int:
        return len(self.group)

    @property
    def loop(self) -> Loop:
        """How the model feeds itself."""
        return self.group.loop

    @property
    def table(self) -> Array:
        """One record of ``FIELDS`` for each row; not to be changed."""
        return self.group.moved(self.moved)

    def length(self, index: int) -> int:
        """Return how many tokens the caches of a row hold."""
        return int(self.group.table["length"][index]) + self.moved

    @property
    def cached(self) -> int:
        """How many tokens the caches hold, padding included."""
        for each, array in zip(self.loop.carried, self.carried, strict=True):
            if each.grows is not None:
                return int(array.shape[each.grows])
        return self.length(0)

    def nbytes_of(self, index: int) -> int:
        """Return the bytes of what a row leaves behind (see ``copy_of``), without what never changes."""
        length, nbytes = self.length(index), 0
        for each, array in zip(self.loop.carried, self.carried, strict=True):
            if each.output is not None:
                rows = 1 if each.axis is None else len(self)
                held = array.nbytes // rows
                nbytes += held if each.grows is None else held // array.shape[each.grows] * length
        return nbytes

    def copy_of(self, index: int) -> list[Array]:
        """Return what one row carries, without its padding; of a row that has no others beside it, as it is."""
        length = self.length(index)
        if len(self) == 1 and length == self.cached:
            return list(self.carried)
        pairs = zip(self.loop.carried, self.carried, strict=True)
        return [_cut(array, each, slice(index, index + 1), length).copy() for each, array in pairs]

    def alone(self, index: int) -> Rows:
        """Return one row as a copy, without its padding."""
        return self._some(slice(index, index + 1), self.copy_of(index))

    def output_of(self, index: int, output: int, array: Array) -> Array:
        """Return a copy of one row of an output of the run that these rows come from, without its padding."""
        for each in self.loop.carried:
            if each.output == output:
                return _cut(array, each, slice(index, index + 1), self.length(index)).copy()
        spec = self.loop.model.outputs[output]
        return _cut(array, Carried(output, spec.name, axis=spec.batch_axis), slice(index, index + 1), None).copy()

    def between(self, start: int, stop: int) -> Rows:
        """Return the rows from ``start`` up to ``stop`` as they are, without a copy."""
        if stop - start == len(self):
            return self
        rows = slice(start, stop)
        pairs = zip(self.loop.carried, self.carried, strict=True)
        return self._some(rows, [_cut(array, each, rows, None) for each, array in pairs])

    def _some(self, rows: slice, carried: Sequence[Array]) -> Rows:
        group = Group(self.loop, self.group.owners[rows], self.table[rows])
        return Rows(group, 0, self.tokens[rows].copy(), None if self.ahead is None else self.ahead[rows], carried)

    def is_wasteful(self, start: int, stop: int) -> bool:
        """Tell whether rows without the others are padded far beyond what they need."""
        if stop - start == len(self) or not self.loop.grows:
            return False
        cached = self.cached
        waste = cached - self.moved - int(self.group.table["length"][start:stop].max())
        return waste > _WASTE_TOKENS and waste > _WASTE * cached


def join(places: Sequence[tuple[Rows, int]]) -> tuple[Rows, list[int]]:
    """Put rows together that lie in different places; they share a model and are fed equally many tokens.

    Returns:
        The rows, and where among them each of the places is now.
    """
    members: dict[Rows, list[int]] = {}
    for rows, index in places:
        members.setdefault(rows, []).append(index)
    where: dict[tuple[Rows, int], int] = {}
    for rows, indices in members.items():
        indices.sort()
        where.update({(rows, index): at for at, index in enumerate(indices, len(where))})
    (first, indices), *others = members.items()
    start, stop = indices[0], indices[-1] + 1
    together = not others and stop - start == len(indices) and not first.is_wasteful(start, stop)
    return first.between(start, stop) if together else _joined(members), [where[place] for place in places]


def _joined(members: dict[Rows, list[int]]) -> Rows:
    """Copy rows together, those of one origin side by side."""
    loop = next(iter(members)).loop
    ahead = None
    if any(rows.ahead for rows in members):
        nothing = np.empty(0, np.int64)
        ahead = [rows.ahead[index] if rows.ahead else nothing for rows, indices in members.items() for index in indices]
    parts = [(rows, _compact(indices), max(map(rows.length, indices))) for rows, indices in members.items()]
    owners = [rows.group.owners[index] for rows, indices in members.items() for index in indices]
    return Rows(
        Group(loop, owners, np.concatenate([rows.table[some] for rows, some, _ in parts])),
        0,
        np.concatenate([rows.tokens[some] for rows, some, _ in parts]),
        ahead,
        [
            _side_by_side([_cut(rows.carried[at], each, some, longest) for rows, some, longest in parts], each)
            for at, each in enumerate(loop.carried)
        ],
    )


def _compact(indices: list[int]) -> slice | list[int]:
    """Return ascending indices as a slice where they are one, since that takes no copy."""
    whole = slice(indices[0], indices[-1] + 1)
    return whole if whole.stop - whole.start == len(indices) else indices


def _cut(array: Array, each: Carried, rows: slice | list[int], length: int | None) -> Array:
    """Return some rows of what is carried, and of what grows only the last so many elements."""
    at: list[Any] = [slice(None)] * array.ndim
    if each.axis is not None:
        at[each.axis] = rows
    if each.grows is not None and length is not None:
        at[each.grows] = slice(array.shape[each.grows] - length, None)
    cut: Array = array[tuple(at)]
    return cut


def _side_by_side(cuts: list[Array], each: Carried) -> Array:
    """Put rows together, with zeros before those that are shorter."""
    if len(cuts) == 1:
        return cuts[0]
    assert each.axis is not None
    if each.grows is None or len({cut.shape[each.grows] for cut in cuts}) == 1:
        return np.concatenate(cuts, each.axis)
    shape = list(cuts[0].shape)
    shape[each.axis] = sum(cut.shape[each.axis] for cut in cuts)
    shape[each.grows] = max(cut.shape[each.grows] for cut in cuts)
    whole, start = np.zeros(shape, cuts[0].dtype), 0
    for cut in cuts:
        at: list[Any] = [slice(None)] * cut.ndim
        at[each.axis] = slice(start, start + cut.shape[each.axis])
        at[each.grows] = slice(shape[each.grows] - cut.shape[each.grows], None)
        whole[tuple(at)] = cut
        start += cut.shape[each.axis]
    return whole
