"""Writes what takes long to write on a thread of its own, ``tidegate-encode``. Knows not what it writes, nor for whom.

Owners take turns, one job a turn, so that a client that asks for a hundred long texts does not keep the others waiting.
Bound: none of its own. Each job is a result whose bytes count as unread by the client that it is for, and are bounded as
such; an owner that goes is forgotten with all its jobs.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Hashable

    Job = tuple[Callable[[], Any], Callable[[Any], None]]

NAME = "tidegate-encode"

_AHEAD = 2  # jobs that the thread has at hand, so that it need not wait for the loop


class Encoder:
    """One thread that writes, and the jobs that wait for it; all of it but the thread belongs to the event loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Hashable, deque[Job]] = {}
        self._at_thread = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._work, name=NAME, daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return self._at_thread > 0

    def submit(self, owner: Hashable, write: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do a job, when it is its owner's turn.

        Args:
            owner: for whom it is.
            write: does the job, on the thread.
            done: called on the loop with what ``write`` returned, or with the exception that it raised.
        """
        self._waiting.setdefault(owner, deque()).append((write, done))
        self._hand_over()

    def forget(self, owner: Hashable) -> None:
        """Drop the jobs of an owner that have not begun."""
        self._waiting.pop(owner, None)

    def stop(self) -> None:
        """Let the thread end after the job that it is doing; what waits is dropped."""
        self._waiting.clear()
        self._jobs.put(None)

    def _hand_over(self) -> None:
        while self._waiting and self._at_thread < _AHEAD:
            owner = next(iter(self._waiting))
            jobs = self._waiting.pop(owner)
            self._at_thread += 1
            self._jobs.put(jobs.popleft())
            if jobs:
                self._waiting[owner] = jobs  # behind all others

    def _done(self, done: Callable[[Any], None], made: Any) -> None:
        self._at_thread -= 1
        self._hand_over()
        done(made)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            write, done = job
            try:
                made = write()
            except Exception as error:
                made = error
            try:
                self._loop.call_soon_threadsafe(self._done, done, made)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return
            del job, write, done, made  # they may be large, and the next may be long in coming
