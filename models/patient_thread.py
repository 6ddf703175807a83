"""A thread for long runs that lets everybody else go first. Knows nothing of models or queues.

Its niceness is raised when it starts and stays so, since lowering it again needs privilege: so it is a thread of its own,
and not the slot's. Measured on two cores beside a run of 180 ms: the loop was ready and waited one to four milliseconds for
the end of a slice, five times a second, though it asks for short slices itself; beside a patient thread it does not. Cores that
are free are used all the same.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_YIELDING = 10  # as nice(1) does: a tenth of the weight of others on the same core


class PatientThread:
    """A thread that executes one thing at a time, while whoever asked waits for it."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def execute(self, job: Callable[[], None]) -> None:
        """Let the thread call ``job``, which never raises, and wait until it has."""
        self._jobs.put(job)
        self._done.get()

    def stop(self) -> None:
        """Tell the thread to end; returns at once."""
        self._jobs.put(None)

    def _work(self) -> None:
        _yield_to_others()
        while (job := self._jobs.get()) is not None:
            job()
            del job  # while it waits for the next one, it keeps nothing of this one
            self._done.put(None)


def _yield_to_others() -> None:
    """Raise the calling thread's niceness, where threads have one: elsewhere it would be the whole process's."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _YIELDING))
