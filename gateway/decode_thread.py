"""One thread that decodes large messages, so that the event loop does not have to. Knows neither messages nor connections.

It takes a step of one job, then a step of the next, and rests between slices: while it computes, the loop cannot, since
both need the interpreter. So a job of many steps delays others, and the loop, by little.

Bounds: the connections see to it that each has one job at most. ``_AT_ONCE`` of them take turns; the others wait in order.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from tidegate.codecs.steps import Steps

_AT_ONCE = 8
_SLICE_S = 0.0005
_REST_S = 0.0002  # without it the thread would have the interpreter back before the loop has woken up


class Job:
    """A message that is being decoded."""

    __slots__ = ("_done", "_steps", "cancelled")

    def __init__(self, steps: Steps[Any], done: Callable[[Any], None]) -> None:
        self.cancelled = False
        self._steps = steps
        self._done = done

    def advance(self, until: float) -> Callable[[], None] | None:
        """Take steps until a time, on any thread; return what to do on the loop once it is done, None before."""
        try:
            while True:
                next(self._steps)
                if time.monotonic() >= until:
                    return None
        except StopIteration as end:
            outcome = end.value
        except Exception as error:  # whatever it is, somebody waits for the answer
            outcome = error
        return lambda: None if self.cancelled else self._done(outcome)

    def cancel(self) -> None:
        """Forget it: nothing is done on the loop any more."""
        self.cancelled = True


class DecodeThread:
    """The thread ``tidegate-decode``; started when it is first needed."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, steps: Steps[Any], done: Callable[[Any], None]) -> Job:
        """Take all steps on the thread, then call ``done`` on the loop with their result, or with what they raised."""
        job = Job(steps, done)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="tidegate-decode", daemon=True)
            self._thread.start()
        self._jobs.put(job)
        return job

    def stop(self) -> None:
        """Tell the thread to end; what is not done by then is forgotten. Returns at once."""
        if self._thread is not None:
            self._jobs.put(None)

    def _work(self) -> None:
        active: deque[Job] = deque()
        while self._take_in(active) and self._advance(active):
            pass

    def _advance(self, active: deque[Job]) -> bool:
        """Do a slice of the next job; False if the loop is closed, so that nobody waits any more."""
        job = active.popleft()
        if job.cancelled:
            return True
        done = job.advance(time.monotonic() + _SLICE_S)
        if done is None:
            active.append(job)
            time.sleep(_REST_S)
            return True
        try:
            self._loop.call_soon_threadsafe(done)
        except RuntimeError:
            return False
        return True

    def _take_in(self, active: deque[Job]) -> bool:
        """Let jobs that wait join those that take turns, and wait for one if there is none; False at the end."""
        while len(active) < _AT_ONCE:
            try:
                job = self._jobs.get(block=not active)
            except Empty:
                return True
            if job is None:
                return False
            active.append(job)
        return True
