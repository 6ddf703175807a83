"""One stream: steps in order, one at a time, each from the state that the one before it left. Pure; takes ``now``.

Knows nothing of sockets, names or the event loop; what a step does is its agenda's, what is told is the ring's. Rules, each
with a test:

1. Steps are numbered from 1 and run in that order, one at a time. A number that is known with the same content is a
   repetition and ignored; one with other content is refused, and so is one that is not expected yet.
2. A step that fails leaves the state as it was before it. Its number is expected again, and the steps that were accepted
   behind it fail as well: none of them ever runs on a state that its sender did not mean.
3. Each step that was accepted ends by exactly one final item, in the order of the steps.
4. Under ``block`` nothing runs while the ring has no room. A step that goes on at its compute slot by itself is allowed no
   more runs than there is room for.
5. A stream that is dropped forgets everything at once. What still runs for it comes back to nobody.

Bounds: those of its steps and its ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import Cancelled, DeadlineExceeded, TidegateError

from ..request import NEVER, Request
from .items import Ended, Failed, Item, Produced
from .outcome import NO_RUN, timing_of, told
from .record import StreamRecord
from .row_state import alone, bytes_of
from .steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.results import Timing

    from ..batch import Run
    from .agenda import Agenda, Made

_LITTLE_ROOM = 8  # steps: as many as a batch may be ahead
_TOKEN_BYTES = 8  # of what is told while a step goes on at its slot


class Stream(StreamRecord):
    """One stream; for what it is made of see ``StreamRecord``."""

    __slots__ = ()

    # Steps come in.

    def expects(self, number: int, content: int) -> bool:
        """Tell whether a step is the one that is expected; False if it was accepted before, and nothing is to be done.

        Raises:
            UnknownStream: the stream is closed.
            UnexpectedStep: steps before it are missing.
            StepConflict: it was accepted before with other content.
            Overloaded: too many steps wait, or ends of steps that nobody takes.
        """
        return self._steps.expects(number, content, self.status == "open", self.ring.surplus)

    def accept(self, agenda: Agenda, content: int, now: float, deadline: float = NEVER) -> bool:
        """Take in the step that is expected, and run it when it is its turn; tell whether it runs or waits, and no more.

        Raises:
            Overloaded: the steps that wait take too many bytes.
        """
        self.touched = now
        steps = self._steps
        if agenda.is_one_run and self._running is None and not steps.waiting and now < deadline and self.ring.has_room():
            self._running, self._before = steps.begin(agenda, content, now, deadline), self.state
            if self._start(self._running, now):
                return True
        else:
            steps.accept(agenda, content, now, deadline)
            if self._request is not None:
                return True
        self.go_on(now)
        return False

    def cancel(self, number: int, now: float) -> None:
        """Give a step up: one that waits is not run, a generation ends after the run that is under way."""
        running = self._running
        if running is not None and running.number == number:
            running.cancelled = True
            running.agenda.stop()
            if self._request is None:
                self._end_step(Produced(number, True, {}, NO_RUN, reason="cancelled"), now)
                self.go_on(now)
            return
        self._steps.cancel(number)
        self.go_on(now)

    def when_done(self, note: Callable[[], None], now: float) -> None:
        """Call ``note`` when the steps that were accepted so far have ended."""
        self._steps.note(note)
        self.go_on(now)

    def close(self, now: float) -> None:
        """Take in no more steps; the stream ends when those that were accepted have."""
        if self.status == "open":
            self.status = "closing"
            self.go_on(now)

    def end(self, reason: str) -> None:
        """End at once, and tell so; of what waits to be taken only the count is told."""
        self._stop()
        self.ring.abandon()
        self.ended = Ended(reason)

    def drop(self) -> None:
        """End at once and forget everything."""
        self._stop()
        self.ring.clear()
        self.receiver = None

    def _stop(self) -> None:
        self.status = "closed"
        notes = self._steps.clear()
        self._running = None
        self.state = self._before = {}
        self._state_bytes = 0
        request, self._request = self._request, None
        if request is not None:
            self._runs.give_up(request)
        for note in notes:
            note()

    def forked(self) -> Stream:
        """Return another stream that begins where this one is: nothing is shared that either of them changes."""
        return Stream(
            self.worker,
            self.fixed,
            self.state,
            self._steps.like(),
            self.ring.like(),
            runs=self._runs,
            sink=self._sink,
            client=self.client,
            outputs=self.outputs,
            priority=self.priority,
        )

    # Steps run.

    def go_on(self, now: float) -> None:
        """Do what can be done: run the next step, or end."""
        while self._request is None and self.status != "closed":
            if self._running is None and not self._begin(now):
                return
            if self._request is None and self._running is not None and not self._run(self._running, now):
                return

    def _begin(self, now: float) -> bool:
        """Begin with what waits; return whether there is anything to go on with."""
        if not self._steps.waiting:
            if self.status == "closing":
                self._stop()
                self.ended = Ended("closed")
            return False
        step = self._steps.first()
        if not isinstance(step, Step):
            self._steps.pop()
            step()
            return True
        if not step.cancelled and not self.ring.has_room():
            return False
        self._steps.pop()
        self._running, self._before = step, self.state
        if step.cancelled:
            self._fail(Cancelled("cancelled: removed", outcome="removed"), now)
        elif now >= step.deadline:
            self._fail(DeadlineExceeded("the time limit passed while the step waited; not executed"), now)
        elif step.agenda.is_one_run:
            self._start(step, now)
        elif (made := step.agenda.nothing(self.state)) is not None:
            self._take(made, NO_RUN, now)
        return True

    def _run(self, step: Step, now: float) -> bool:
        """Let a step's next run begin, if there is room for what it makes; return whether to look again."""
        if not self.ring.has_room():
            self.state = alone(self.state)
            return False
        return not self._start(step, now)

    def _start(self, step: Step, now: float) -> bool:
        """Let a step's next run begin; return whether it has, and the step has not failed."""
        try:
            arrays, kind = step.agenda.arrays(self.state)
            steps = 1 if kind.together is None else self.ring.room(_TOKEN_BYTES)
            request = Request(kind, self, arrays, self._sink, self.client, now, step.deadline, steps)
            self._runs.run(request)
        except Exception as error:
            self._fail(told(error), now)
            return False
        self._request = request
        return True

    def ran(self, request: Request, run: Run, start: int, stop: int, now: float) -> bool:
        """Take what came of a run, and go on; tell whether the request does so by itself."""
        step = self._running
        if request is not self._request or step is None:
            return False
        try:
            made = step.agenda.ran(self.state, run, start, stop)
        except Exception as error:
            self._request = None
            self._fail(told(error), now)
        else:
            self._take(made, timing_of(request, run), now)
            if run.stays and self._running is step:
                self._stay(request, run, self.ring.room(_TOKEN_BYTES) or 1)
                return True
            self._request = None
        self.go_on(now)
        return False

    def _stay(self, request: Request, run: Run, room: int) -> None:
        """Let a request go on at its slot, for as many steps as there is room for (rule 4)."""
        request.arrival = run.started + run.compute_s
        request.steps = self._room = room

    def stepped(self, request: Request, run: Run, at: int, now: float) -> Produced | None:
        """Take what came of a step that goes on at its slot, and return it for the ring; None if ``ran`` has to be asked."""
        step = self._running
        if request is not self._request or step is None or self._room <= _LITTLE_ROOM:
            return None
        try:
            made = step.agenda.ran(self.state, run, at, at + 1)
        except Exception:  # ``ran`` meets it again, and tells of it
            return None
        if made.final or made.outputs is None:
            return None
        self.touched = now
        timing = timing_of(request, run)
        self._stay(request, run, self._room - 1)
        return Produced(step.number, False, made.outputs, timing, made.text)

    def finished(self, request: Request, run: Run, start: int, stop: int, now: float) -> Produced | None:
        """Take what came of a step's last run, and return it for the ring, as ``stepped`` does; ``go_on`` when it is there."""
        step = self._running
        if request is not self._request or step is None or step.agenda.ran_changes or self.status != "open":
            return None
        try:
            made = step.agenda.ran(self.state, run, start, stop)
        except Exception:  # ``ran`` meets it again, and tells of it
            return None
        if not made.final or made.state is None:
            return None
        self._request = None
        self.state = made.state
        self._step_over(step.number, now)
        return Produced(step.number, True, made.outputs or {}, timing_of(request, run), made.text, made.reason)

    def failed(self, request: Request, error: TidegateError, now: float) -> None:
        """Take note that a run has failed, and go on."""
        if request is self._request:
            self._request = None
            self._fail(error, now)
            self.go_on(now)

    def _take(self, made: Made, timing: Timing, now: float) -> None:
        step = self._running
        assert step is not None
        if made.state is not None:
            self.state = made.state
        self.touched = now
        if made.final:
            self._end_step(Produced(step.number, True, made.outputs or {}, timing, made.text, made.reason), now)
        elif made.outputs is not None:
            self.ring.add(Produced(step.number, False, made.outputs, timing, made.text, made.reason))

    def _end_step(self, item: Produced, now: float) -> None:
        self._step_over(item.step, now)
        self.ring.add(item)
        self._runs.step_ended(self, "ok")

    def _step_over(self, number: int, now: float) -> None:
        """Take note that a step has ended, with the state that it left."""
        self.step_done = number
        self._running = None
        self._before = self.state
        self._state_bytes = bytes_of(self.state)
        self.touched = now

    def _fail(self, error: TidegateError, now: float) -> None:
        """End a step with an error, and all that were accepted behind it (rule 2)."""
        step = self._running
        assert step is not None
        self._running = None
        self.state = self._before
        self.touched = now
        behind = self._steps.expect_again(step.number)
        self._add_failed(step.number, error)
        for other in behind:
            self._add_failed(other.number, self._steps.unexpected(other.number))

    def _add_failed(self, number: int, error: TidegateError) -> None:
        self.ring.add(Failed(number, error, self.next_step))
        self._runs.step_ended(self, error.code)

    # Items go out.

    def take(self, most: int, *, keep: bool = True) -> list[Item | Ended]:
        """Take what may be told now, in order, at most so many items; ``Ended`` comes last, once.

        Args:
            most: how many items.
            keep: whether they may be asked for once more (see ``attach``).
        """
        taken: list[Item | Ended] = self.ring.take(most, keep=keep)  # type: ignore[assignment]  # it is nobody else's
        if self.ended is not None and not self.ring.waiting and len(taken) < most:
            taken.append(self.ended)
            self.ended = None
        if self._request is None and taken and self.busy:
            self._runs.soon(self)
        return taken
