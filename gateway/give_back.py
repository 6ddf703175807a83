"""Gives memory back to the system that unread answers had taken. It knows no connection, and decides only how often.

The C library keeps what other threads' heaps have free, for ever if nothing asks for it (glibc's ``malloc_trim``; other C
libraries return it by themselves). Asking takes milliseconds, so it is done on a thread of its own, at most one at a time
and one in five seconds.
"""

from __future__ import annotations

import ctypes
import threading
from contextlib import suppress

WORTH_BYTES = 1024 * 1024
_EVERY_S = 5.0


class GiveBack:
    """Remembers that there is something to give back, and does it when it is due."""

    __slots__ = ("_last", "_thread", "_wanted")

    def __init__(self) -> None:
        self._wanted = False
        self._last = float("-inf")
        self._thread: threading.Thread | None = None

    def freed(self, nbytes: int) -> None:
        """Take note of memory that is about to be free."""
        self._wanted |= nbytes >= WORTH_BYTES

    def check(self, now: float) -> bool:
        """Begin to give back, if it is due; tell whether it was. To be asked from time to time."""
        if not self._wanted or now - self._last < _EVERY_S or (self._thread is not None and self._thread.is_alive()):
            return False
        self._wanted, self._last = False, now
        self._thread = threading.Thread(target=_trim, name="tidegate-trim", daemon=True)
        self._thread.start()
        return True


def _trim() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
