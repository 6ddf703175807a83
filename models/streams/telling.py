"""What came of each row of a run: its token, its text, whether that was the end. Pure; chooses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .agenda import Made
from .row_state import RowState, resting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from .rows import Rows


def tell(after: Rows, choice: Array, outputs: Sequence[Array], order: Sequence[int]) -> list[Made]:
    """Tell what came of rows.

    Args:
        after: the rows as they are to be fed next.
        choice: the token that was chosen for each, INT64 [rows]; of no account for one that is still fed its prompt.
        outputs: of the run.
        order: which rows to tell of, in this order.
    """
    tokens, arrays = choice.tolist(), list(choice[:, None])
    if _all_go_on(after, tokens):
        vocab = after.loop.vocab
        texts = [None] * len(tokens) if vocab is None else [vocab[token] for token in tokens]
        return [Made(RowState(after, row), {"token": arrays[row]}, False, texts[row]) for row in order]  # noqa: FBT003
    records = after.table.tolist()
    return [_tell_one(after, row, tokens[row], arrays[row], outputs) for row in order]


def _all_go_on(after: Rows, tokens: Sequence[int]) -> bool:
    """Tell whether a token was chosen for every row, and none is at its end or asks for more."""
    group = after.group
    if after.moved == 0 or after.moved >= group.least or group.asks or not group.loop.stop.isdisjoint(tokens):
        return False
    return not any([owner.stopped for owner in group.owners])
