"""How long a batch stays at its slot, where its requests go on from one run to the next by themselves. Pure.

Rules, each with a test:

1. It takes its next step at once while all of its requests go on, each has room for what it makes, and nobody calls it back.
   Every step is told as it is made.
2. It is never further ahead of the event loop, which is told, than eight steps and four milliseconds. A step that takes
   longer than that ends its batch, so that the order of service between models is as for all others. So does one of more
   requests than are told in one turn of the loop.
3. It is called back when anything waits for a slot, when one of its requests is given up and when the gateway closes; then it
   takes no further step. So whoever comes waits for one step at most, as if each step were a batch of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .request import Piece

_MOST_REQUESTS = 256
_MOST_STEPS = 8
_MOST_S = 0.004


class Burst:
    """The steps of one batch. The event loop allows them, a compute slot takes them; each writes only what is its own.

    Attributes:
        taken: steps that were taken; the slot's.
        told: steps that the event loop knows of.
        until: how many may be taken, as far as is known now.
        called_back: whether no further step is to be taken.
    """

    __slots__ = ("called_back", "taken", "told", "until")

    def __init__(self) -> None:
        self.taken = 0
        self.told = 0
        self.until = 1
        self.called_back = False

    def allow(self, most: int, step_s: float) -> None:
        """Let the batch go on (rule 2).

        Args:
            most: steps beyond those told for which every request has room.
            step_s: what one is expected to take.
        """
        if step_s <= _MOST_S:
            most = min(most, max(2, min(_MOST_STEPS, int(_MOST_S / max(step_s, 1e-6)))))
            self.until = max(self.until, self.told + most)

    def goes_on(self) -> bool:
        """Take note of a step; tell whether the next one may be taken. Called at the slot."""
        self.taken += 1
        return self.taken < self.until and not self.called_back


def room_of(pieces: Sequence[Piece]) -> int:
    """Return how many steps the requests of a batch may take together, as far as they have room; at least 1 at first."""
    if len(pieces) > _MOST_REQUESTS:
        return 1
    return min([request.steps for request, _, _ in pieces])
