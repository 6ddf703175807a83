"""The steps of one stream in order: those at the server, and those that wait here. Pure; it knows no messages and no results.

Promises:

1. Every step that was added gets one last outcome, unless it was given up.
2. Steps are sent in the order in which they were added, no more at a time than the server lets wait. After a cut, those that
   the server has not accepted are sent again, before the others.
3. No step runs on a state that its sender did not mean: when one fails, or is given up before it is sent, those that were added
   behind it meanwhile fail as well. As long as it is open whether one that was given up was done, none is sent behind it.

A step has its number when it is sent, so that after a failure the next one has the number that the server expects. So that an
answer to a number is never taken for another step's, none is sent while those behind a failed one have no answer yet.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from tidegate.errors import Cancelled, UnexpectedStep

from .answers import another
from .desk import Missed
from .exchange import Phase
from .ledger import GRACE_S
from .stream_requests import LAST, Errand, StepRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.errors import TidegateError

    from .desk import Desk


class StreamLine:
    """The unfinished steps of one stream, and the errands among them that were not sent.

    Attributes:
        sent: steps that are at the server, by number.
        most_steps: how many the server lets wait.
    """

    __slots__ = ("_added", "_again", "_desk", "_doubtful", "_failing", "_idle", "_next_step", "_waiting", "most_steps", "sent")

    def __init__(self, desk: Desk) -> None:
        self.sent: deque[StepRequest] = deque()
        self.most_steps = 1
        self._again: deque[StepRequest] = deque()  # those in `sent` that have to be sent again
        self._waiting: deque[StepRequest | Errand] = deque()
        self._desk = desk
        self._idle: list[Any] = []
        self._next_step = 1
        self._added = 0
        self._doubtful = 0  # steps in `sent` that were given up or refused
        self._failing = 0  # a step failed, and some behind it have no answer: those added before this place will fail, too

    def begin(self, next_step: int, most_steps: int) -> None:
        """Take note of what the server expects."""
        self._next_step = next_step
        self.most_steps = max(1, most_steps)

    # Coming in and going out.

    def add(self, entry: StepRequest | Errand) -> None:
        """Let a step or an errand wait for its turn."""
        self._added += 1
        entry.order = self._added
        self._waiting.append(entry)
        self._desk.waiting += isinstance(entry, StepRequest)

    def forget(self, errand: Errand) -> None:
        """Take an errand out that was not sent."""
        self._waiting.remove(errand)

    def next(self) -> StepRequest | Errand | None:
        """Return what may be sent now, if anything."""
        if self._again:
            return self._again[0]
        head = self._waiting[0] if self._waiting else None
        blocked = self._failing or self._doubtful or len(self.sent) >= self.most_steps
        return None if blocked and isinstance(head, StepRequest) else head

    def number_of(self, step: StepRequest) -> int:
        """Return the number with which a step is to be sent."""
        return step.number or self._next_step

    def mark_sent(self, entry: StepRequest | Errand) -> None:
        """Take note that what ``next`` returned was handed to the network."""
        if self._again:
            self._again.popleft()
            return
        self._waiting.popleft()
        entry.phase = Phase.SENT
        if isinstance(entry, StepRequest):
            entry.number = self._next_step
            entry.expires = entry.deadline + GRACE_S
            self._next_step += 1
            self.sent.append(entry)
            self._desk.waiting -= 1
            self._desk.in_flight += 1
            self._desk.memory.count(entry, entry.nbytes)

    # What the server said.

    def reach(self, number: int) -> StepRequest | None:
        """Return the step of this number, if it is unfinished; something of it came, so those before it have ended."""
        sent = self.sent
        while sent and sent[0].number < number:
            if sent[0].refusal is None:
                step = sent.popleft()
                self._settle(step, Missed(step.number))
            else:
                self.tell_refusals()
        return sent[0] if sent and sent[0].number == number else None

    def finish_first(self) -> None:
        """End the first step, which has had all its results."""
        self._finish(self.sent.popleft())

    def fail_first(self, error: TidegateError, expected: int | None) -> None:
        """End the first step with an error; the server expects the number ``expected`` next, or the same one again."""
        step = self.sent.popleft()
        if not self._failing:
            self._failing = min(step.cutoff, self._added + 1)
            self._next_step = expected or step.number
        if step.stopping and isinstance(error, UnexpectedStep):
            error = _not_run()
        self._settle(step, error)

    def refuse(self, number: int | None, error: TidegateError) -> None:
        """Take note that the server has not accepted a step; that is told when the steps before it have ended."""
        for step in self.sent:
            if step.number == number and step.refusal is None:
                step.refusal = error
                self._doubt(step)
        self.tell_refusals()

    def tell_refusals(self) -> None:
        """Tell the refusals whose place has come."""
        while self.sent and (refusal := self.sent[0].refusal) is not None:
            self.fail_first(refusal, refusal.expected_step if isinstance(refusal, UnexpectedStep) else None)

    # What the program gives up.

    def give_up(self, step: StepRequest, error: TidegateError | None) -> bool:
        """Give a step up; its waiter is told why, if there is a reason. Return whether the server has to be told."""
        if step.phase is Phase.WAITING:
            self._waiting.remove(step)
            self._settle(step, error)
            self._fail_waiting(after=step.order)
        elif step in self._again:
            self._unsend(step, error)
        elif step.phase is Phase.SENT:
            if error is not None:
                self._desk.tell(step.waiter, error)
            step.phase = Phase.ABANDONED
            step.stopping = True
            step.cutoff = self._added + 1
            self._doubt(step)
            return True
        return False

    def cancel(self) -> list[StepRequest]:
        """End the steps that are not at the server; return the others, which have to be cancelled there."""
        steps = [entry for entry in self._waiting if isinstance(entry, StepRequest)]
        self._waiting = deque([entry for entry in self._waiting if isinstance(entry, Errand)])
        for step in self._again:
            step.stopping = True
        if self._again:
            self._unsend(self._again[0], _not_run())
        for step in steps:
            self._settle(step, _not_run())
        stopped = [step for step in self.sent if step.phase is Phase.SENT]
        for step in stopped:
            step.stopping = True
        return stopped

    def when_idle(self, waiter: Any) -> None:
        """Tell a waiter None as soon as no step is unfinished."""
        self._idle.append(waiter)
        self._check_idle()

    # Connections come and go.

    def cut(self, asked: Iterable[Errand]) -> None:
        """The connection is gone: errands that were at the server wait again, before everything else."""
        self._again.clear()
        self._waiting.extendleft(reversed([errand for errand in asked if errand.phase is Phase.SENT]))
        for entry in self._waiting:
            entry.phase = Phase.WAITING

    def send_again(self, accepted_below: int) -> None:
        """Let the steps be sent again that have no answer, from this number on."""
        for step in tuple(self.sent):
            if step.number < accepted_below or step.refusal is not None:
                continue
            if step.stopping:
                self._unsend(step, _not_run())
                return
            self._again.append(step)

    def end(self, error: TidegateError) -> None:
        """Let everything fail."""
        for entry in (*self.sent, *self._waiting):
            if isinstance(entry, StepRequest):
                self._settle(entry, another(error))
            else:
                entry.phase = Phase.FINISHED
                self._desk.tell(entry.waiter, another(error))
        for entries in (self.sent, self._waiting, self._again):
            entries.clear()
        self._check_idle()

    # The rest is private.

    def _unsend(self, first: StepRequest, error: TidegateError | None) -> None:
        """Take back a step that the server has not accepted, and those behind it."""
        behind = [step for step in self.sent if step.number > first.number]
        self.sent = deque([step for step in self.sent if step.number < first.number])
        self._again = deque([step for step in self._again if step.number < first.number])
        if not self._failing:
            self._next_step = first.number
        self._settle(first, error)
        for step in behind:
            self._settle(step, _not_run() if step.stopping else self._unexpected())
        self._fail_waiting(before=first.cutoff)

    def _fail_waiting(self, after: int = 0, before: int = LAST) -> None:
        """End the steps that wait and were added between two places."""
        failed = {each: None for each in self._waiting if isinstance(each, StepRequest) and after < each.order < before}
        if failed:
            self._waiting = deque([each for each in self._waiting if each not in failed])
        for step in failed:
            self._settle(step, self._unexpected())

    def _unexpected(self) -> UnexpectedStep:
        return UnexpectedStep("not done: a step before it failed or was given up", expected_step=self._next_step)

    def _doubt(self, step: StepRequest) -> None:
        self._doubtful += not (step.phase is Phase.ABANDONED and step.refusal is not None)

    def _settle(self, step: StepRequest, outcome: Any) -> None:
        """End a step with its last outcome."""
        if outcome is not None and step.phase is not Phase.ABANDONED:
            self._desk.tell(step.waiter, outcome)
        self._finish(step)

    def _finish(self, step: StepRequest) -> None:
        if step.phase is Phase.WAITING:
            self._desk.waiting -= 1
        else:
            self._desk.in_flight -= 1
            self._doubtful -= step.phase is Phase.ABANDONED or step.refusal is not None
        step.phase = Phase.FINISHED
        self._desk.memory.count(step, 0)
        step.release()
        if not self.sent:
            before, self._failing = self._failing, 0
            self._fail_waiting(before=before)
            self._check_idle()

    def _check_idle(self) -> None:
        if self._idle and not self.sent and not any(isinstance(entry, StepRequest) for entry in self._waiting):
            for waiter in self._idle:
                self._desk.tell(waiter, None)
            self._idle.clear()


def _not_run() -> Cancelled:
    return Cancelled("cancelled before it ran", outcome="removed")
