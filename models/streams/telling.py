"""What came of each row of a run: its token, its text, whether that was the end. Pure; chooses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.results import SharedOutputs

from .agenda import Made
from .row_state import RowState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from .rows import Rows


_KNOWN = 4096  # tokens; at the bound all are forgotten
_known: dict[int, SharedOutputs] = {}


class Tokens:
    """A token for each row, of which none is at its end or wants more told; each is looked at when it is asked for.

    Attributes:
        after: the rows as they are to be fed next; None once their batch goes on with them. Whoever is told does not keep
            them then: their memory is for the step after the next.
    """

    __slots__ = ("_order", "_tokens", "_vocab", "after")

    def __init__(self, after: Rows, tokens: Sequence[int], order: Sequence[int]) -> None:
        self.after: Rows | None = after
        self._tokens = tokens
        self._order = order
        self._vocab = after.loop.vocab

    def __getitem__(self, at: int) -> Made:
        row, vocab, after = self._order[at], self._vocab, self.after
        token = self._tokens[row]
        state = None if after is None else RowState(after, row)
        return Made(state, _outputs(token), False, None if vocab is None else vocab[token])


def _outputs(token: int) -> dict[str, Array]:
    """Return a token as what is told; one object for all who are told the same, since each is kept for a while."""
    outputs = _known.get(token)
    if outputs is None:
        if len(_known) >= _KNOWN:
            _known.clear()
        array = np.array([token])
        array.flags.writeable = False
        outputs = _known[token] = SharedOutputs({"token": array})
    return outputs


def tell(after: Rows, choice: Array, outputs: Sequence[Array], order: Sequence[int]) -> list[Made] | Tokens:
    """Tell what came of rows.

    Args:
        after: the rows as they are to be fed next.
        choice: the token that was chosen for each, INT64 [rows]; of no account for one that is still fed its prompt.
        outputs: of the run.
        order: which rows to tell of, in this order.
    """
    tokens = choice.tolist()
    if _all_go_on(after, tokens):
        return Tokens(after, tokens, order)
    arrays, table = list(choice[:, None]), after.table
    return [_made(after, row, table[row], arrays[row], outputs) for row in order]


def _all_go_on(after: Rows, tokens: Sequence[int]) -> bool:
    """Tell whether a token was chosen for every row, and none is at its end or asks for more."""
    group = after.group
    if after.moved == 0 or after.moved >= group.outlook.least or group.outlook.asks or not group.loop.stop.isdisjoint(tokens):
        return False
    return True not in [owner.stopped for owner in group.owners]


def _made(after: Rows, row: int, record: Any, token: Array, outputs: Sequence[Array]) -> Made:
    """Tell what came of one row, of which ``record`` says what is known."""
    loop, owner = after.loop, after.group.owners[row]
    reason = _end(after, record, int(token[0]), stopped=owner.stopped)
    state = RowState(after, row)
    if not record["chosen"]:
        return Made(state, None if reason is None else {}, reason is not None, reason=reason)
    told = {"token": token}
    told |= {name: after.output_of(row, output, outputs[output]) for name, output in owner.wanted}
    text = None if loop.vocab is None else "" if reason == "stop" else loop.vocab[token[0]]
    return Made(state, told, reason is not None, text, reason)


def _end(after: Rows, record: Any, token: int, *, stopped: bool) -> str | None:
    """Tell why a generation ends here; None if it goes on."""
    loop = after.loop
    if record["chosen"] and token in loop.stop:
        return "stop"
    full = loop.context is not None and record["length"] >= loop.context
    if record["chosen"] and (record["left"] <= 0 or full):
        return "length"
    return "cancelled" if stopped else None
