"""How long a turn of the event loop may last that reads what clients sent. Pure; takes ``now``; knows no connections.

Rules:

1. Reading takes at most ``TURN_S`` of each turn of the loop, all connections together, and ``SLICE_S`` for each.
2. Those whose bytes had to wait go first: newcomers up to ``NEW_S``, then those that had a turn before up to ``OLD_S``.
   So bytes that come from sockets later in the turn, which may be a quiet client's only ones, find some time left too.
3. A connection that sends one large packet after the other is charged for the next when it is read from again, by what the
   last one took: when it is here, most of its cost is spent already, on its way out of the kernel into fresh memory.
4. Nobody reads more than ``FRAMES`` in its turn, nor more than twice what each read on an average in the turn before (but
   ``LEAST_FRAMES``): else the many small requests of one would keep the few of the others waiting, here and where they
   are answered.
5. Whoever begins may finish what cannot be divided, a message say; that is how far a turn can go beyond its time.
"""

from __future__ import annotations

TURN_S = 0.004
OLD_S = 0.003
NEW_S = 0.002
SLICE_S = 0.001
FRAMES = 128
LEAST_FRAMES = 8


class TurnBudget:
    """The time for reading in one turn of the loop.

    Attributes:
        spent: seconds that were used in this turn.
        frames: most frames that one connection may read in its turn.
    """

    __slots__ = ("_read", "_readers", "frames", "spent")

    def __init__(self) -> None:
        self.spent = 0.0
        self.frames = FRAMES
        self._readers = 0
        self._read = 0

    def renew(self) -> None:
        """Begin another turn."""
        self.spent = 0.0
        self.frames = min(FRAMES, max(LEAST_FRAMES, 2 * self._read // self._readers)) if self._readers else FRAMES
        self._readers = self._read = 0

    def until(self, now: float, most_s: float = TURN_S) -> float:
        """Return when somebody who begins now must stop; ``now`` or earlier if the time up to ``most_s`` is used up."""
        left = most_s - self.spent
        return now + min(left, SLICE_S)

    def spend(self, seconds: float, frames: int = 0) -> None:
        """Count the time that reading took, and the frames."""
        self.spent += seconds
        self._readers += 1
        self._read += frames
