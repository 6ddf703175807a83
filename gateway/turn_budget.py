"""How long a turn of the event loop may last that reads what clients sent. Pure; takes ``now``; knows no connections.

Rules:

1. Reading takes at most ``TURN_S`` of each turn of the loop, all connections together, and ``SLICE_S`` for each.
2. Those whose bytes had to wait go first: newcomers up to ``NEW_S``, then those that had a turn before up to ``OLD_S``.
   So bytes that come from sockets later in the turn, which may be a quiet client's only ones, find some time left too.
3. A connection that sends one large packet after the other is charged for the next when it is read from again, by what the
   last one took: when it is here, most of its cost is spent already, on its way out of the kernel into fresh memory.
4. Whoever begins may finish what cannot be divided, a message say; that is how far a turn can go beyond its time.
"""

from __future__ import annotations

TURN_S = 0.004
OLD_S = 0.003
NEW_S = 0.002
SLICE_S = 0.001


class TurnBudget:
    """The time for reading in one turn of the loop.

    Attributes:
        spent: seconds that were used in this turn.
    """

    __slots__ = ("spent",)

    def __init__(self) -> None:
        self.spent = 0.0

    def renew(self) -> None:
        """Begin another turn."""
        self.spent = 0.0

    def until(self, now: float, most_s: float = TURN_S) -> float:
        """Return when somebody who begins now must stop; ``now`` or earlier if the time up to ``most_s`` is used up."""
        left = most_s - self.spent
        return now + min(left, SLICE_S)

    def spend(self, seconds: float) -> None:
        """Count the time that reading took."""
        self.spent += seconds
