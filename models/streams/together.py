"""Generations side by side in one run: their rows put together before it, a token chosen for each of them after it.

Runs at a compute slot and touches no stream: what came of each row is made here, and only picked up on the event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from tidegate.errors import ModelFailed

from .group import Group
from .row_state import RowState
from .rows import Rows, join
from .telling import Tokens, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from ..request import Piece
    from .agenda import Made
    from .loop import Loop, Part


class Joined(NamedTuple):
    """What goes into a run.

    Attributes:
        rows: its rows.
        where: which of them each request's is.
    """

    rows: Rows
    where: list[int]


class Generations:
    """How generations of one model share batches (see ``Together``)."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def gather(self, pieces: Sequence[Piece]) -> tuple[list[Array], Joined]:
        """Put the next run's inputs together; what each request has for its arrays is the ``RowState`` of its row."""
        states = [cast("RowState", request.arrays[0]) for request, _, _ in pieces]
        joined = Joined(*join([state.place for state in states]))
        return self.inputs(joined.rows), joined

    def inputs(self, rows: Rows) -> list[Array]:
        """Return the inputs of a run in the order of the model's signature."""
        loop, group = self._loop, rows.group
        cached, new = rows.cached, rows.tokens.shape[1]
        padding = group.padding(cached, rows.moved)
        inputs: list[Array] = [rows.tokens] * len(loop.model.inputs)
        for each, array in zip(loop.carried, rows.carried, strict=True):
            inputs[each.place] = array
        inputs[loop.tokens.place] = _as(loop.tokens, rows.tokens)
        if loop.mask is not None:
            inputs[loop.mask.place] = _as(loop.mask, group.mask(padding, cached + new, loop.mask.dtype))
        if loop.positions is not None:
            first = cached - padding
            inputs[loop.positions.place] = _as(loop.positions, first if new == 1 else first + np.arange(new))
        for index, name in loop.shared:
            inputs[index] = group.owners[0].constants[name]
        return inputs

    def finish(self, gathered: Joined, outputs: Sequence[Array]) -> Sequence[Made] | Tokens:
        """Choose each row's token; returns what came of each request, in their order.

        Raises:
            ModelFailed: the scores of a row are not finite.
        """
        after, choice = self.after(gathered.rows, outputs)
        return tell(after, choice, outputs, gathered.where)

    def again(self, gathered: Joined, extra: Sequence[Made] | Tokens) -> tuple[list[Array], Joined] | None:
        """Return the inputs of the next step of the same requests (see ``Together``)."""
        if not isinstance(extra, Tokens) or extra.after is None:
            return None
        follows, extra.after = Joined(extra.after, gathered.where), None
        return self.inputs(follows.rows), follows

    def give_back(self, pieces: Sequence[Piece], gathered: Joined) -> None:
        """Have requests begin where a step was to begin that failed (see ``Together``)."""
        for (request, _, _), row in zip(pieces, gathered.where, strict=True):
            request.arrays = (cast("Array", RowState(gathered.rows, row)),)

    def settle(self, extra: Sequence[Made] | Tokens) -> None:
        """Have those that have ended keep nothing of the others any more (see ``Together``)."""
        if isinstance(extra, Tokens):
            return
        for made in extra:
            if made.final and isinstance(made.state, RowState):
                made.state.settle()

    def after(self, rows: Rows, outputs: Sequence[Array]) -> tuple[Rows, Array]:
        """Return the rows as they are to be fed next, and the tokens that were chosen, INT64 [rows].

        Raises:
            ModelFailed: the scores of a row are not finite.
        """
        loop, group = self._loop, rows.group
        choice = self._choose(rows, outputs[loop.scores])
        carried = [
            array if each.output is None else outputs[each.output]
            for each, array in zip(loop.carried, rows.carried, strict=True)
        ]
        if rows.ahead is None and rows.tokens.shape[1] == 1:
            return Rows(group, rows.moved + 1, choice[:, None], None, carried), choice
        tokens, ahead, chosen = choice[:, None], rows.ahead, np.ones(len(rows), np.bool_)
        if ahead is not None:
            chosen = np.array([not rest.size for rest in ahead])
            tokens = np.where(chosen[:, None], tokens, np.array([rest[:1] if rest.size else [0] for rest in ahead]))
            ahead = None if chosen.all() else [rest[1:] for rest in ahead]
        table = rows.table.copy()
        table["length"] += rows.tokens.shape[1]
        table["left"] -= chosen
        table["draws"] += chosen
        table["chosen"] = chosen
        return Rows(Group(loop, group.owners, table), 0, tokens, ahead, carried), choice

    def _choose(self, rows: Rows, scores: Array) -> Array:
        group, loop, last = rows.group, self._loop, scores[:, -1] if scores.ndim == 3 else scores
        name = loop.model.outputs[loop.scores].name
        if loop.vocabulary is not None and last.shape[1] != loop.vocabulary:
            raise ModelFailed(f"output {name!r} has scores of {last.shape[1]} tokens, and there are {loop.vocabulary}")
        try:
            return group.outlook.sampling.choose(last, group.outlook.draws, rows.moved)
        except ValueError as error:
            raise ModelFailed(f"output {name!r}: {error}") from None


def _as(part: Part, values: Array) -> Array:
    if values.dtype != part.dtype:
        values = values.astype(part.dtype)
    return values if values.ndim == part.rank else values.reshape(values.shape[: part.rank])
