"""How soon a compute thread may ask the event loop for the interpreter lock. Takes ``now``; knows no connections.

A thread that wants the lock waits for the switch interval before it asks for it. While the loop has little to do, it
hands the lock over by itself whenever it waits for the network, and Python's own 5 ms are best: with less, the kernel
has to set a timer for each wait, which doubles the cost of handing a batch to a slot and back (20 µs against 40 µs,
measured). A loop that is busy without a pause takes the lock back before the waiter wakes up, and with 5 ms a compute
thread may starve for 100 ms. So the interval is short while the loop is busy, and for a second after.
"""

from __future__ import annotations

import sys

_QUIET_S = 0.005
_BUSY_S = 0.0005
_HOLD_S = 1.0


class SwitchInterval:
    """The interpreter's switch interval, short while the event loop is busy."""

    __slots__ = ("_busy_until",)

    def __init__(self) -> None:
        self._busy_until = 0.0

    def busy(self, now: float) -> None:
        """Take note that the loop was busy without a pause."""
        if not self._busy_until:
            sys.setswitchinterval(_BUSY_S)
        self._busy_until = now + _HOLD_S

    def check(self, now: float) -> None:
        """Go back to the usual interval when the loop has not been busy for a while."""
        if self._busy_until and now >= self._busy_until:
            self._busy_until = 0.0
            sys.setswitchinterval(_QUIET_S)
