"""The steps of one stream in order: what is sent, sent again, given up, and what falls with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from stream_story import Step

from tidegate import errors
from tidegate.client.desk import Desk, Missed
from tidegate.client.exchange import Phase
from tidegate.client.memory import Memory
from tidegate.client.stream_log import StreamLog

if TYPE_CHECKING:
    from tidegate.client.stream_line import StreamLine


class Line:
    """A line of steps, and what was told of them."""

    def __init__(self, steps: int, most_steps: int = 8) -> None:
        self.desk = Desk(Memory(1000))
        self.log = StreamLog(1, "model", 8, self.desk)
        self.line: StreamLine = self.log.line
        self.line.begin(1, most_steps)
        self.steps = [self.add() for _ in range(steps)]
        self.send()

    def add(self) -> Step:
        step = Step(self.log, {"x": np.zeros(1, "u1")}, now=0.0, timeout=10.0, waiter=[])
        self.line.add(step)
        return step

    def send(self) -> list[Step]:
        """Send what may be sent."""
        sent = []
        while (step := self.line.next()) is not None:
            assert isinstance(step, Step)
            self.line.mark_sent(step)
            sent.append(step)
        return sent

    def told(self) -> list[Any]:
        """Return what each step was told."""
        for waiter, outcome in self.desk.told:
            waiter.append(outcome)
        self.desk.told.clear()
        return [step.told for step in self.steps]


def kinds(told: list[list[Any]]) -> list[list[type]]:
    return [[type(outcome) for outcome in each] for each in told]


def test_a_step_that_is_given_up_before_it_is_sent_again() -> None:
    """The server never accepted it: it ends at once, with those behind it, and its number goes to the next one."""
    line = Line(4)
    line.line.cut([])
    line.line.send_again(2)
    assert line.line.give_up(line.steps[2], errors.DeadlineExceeded("late")) is False
    assert kinds(line.told()) == [[], [], [errors.DeadlineExceeded], [errors.UnexpectedStep]]
    after = line.add()
    assert line.send() == [line.steps[1], after]
    assert after.number == 3


def test_cancelling_before_it_is_sent_again() -> None:
    """What the server has not accepted ends at once; what it has, has to be cancelled there."""
    line = Line(3)
    line.line.cut([])
    line.line.send_again(2)
    waiting = line.add()
    line.steps.append(waiting)
    assert line.line.cancel() == [line.steps[0]]
    assert kinds(line.told()) == [[], [errors.Cancelled], [errors.Cancelled], [errors.Cancelled]]


def test_the_end_of_a_step_that_did_not_come_is_told_by_the_next() -> None:
    """When something of a later step comes, those before it have ended: refused, or their results were dropped."""
    line = Line(4)
    line.line.refuse(2, errors.InvalidInput("no"))
    line.line.refuse(2, errors.InvalidInput("again"))
    assert line.line.reach(4) is line.steps[3]
    assert kinds(line.told()) == [[Missed], [errors.InvalidInput], [Missed], []]


def test_one_that_is_given_up_and_refused() -> None:
    """Whichever comes first, others may be sent as soon as it has ended, and nobody is told."""
    for given_up_first in (True, False):
        line = Line(2)
        if given_up_first:
            line.line.give_up(line.steps[1], None)
        line.line.reach(1)
        line.line.refuse(2, errors.InvalidInput("no"))
        if not given_up_first:
            line.line.give_up(line.steps[1], None)
        after = line.add()
        assert line.send() == []
        line.line.finish_first()
        line.line.tell_refusals()
        assert line.steps[1].phase is Phase.FINISHED
        assert line.send() == [after]
        assert after.number == 2


def test_unaccepted_steps_behind_a_failed_one() -> None:
    """When a step failed, one behind it that was given up does not change what number is expected."""
    line = Line(3)
    line.line.fail_first(errors.ModelFailed("no"), 1)
    line.line.give_up(line.steps[1], None)
    line.line.cut([])
    line.line.send_again(1)
    assert kinds(line.told()) == [[errors.ModelFailed], [], [errors.UnexpectedStep]]
    after = line.add()
    assert line.send() == [after]
    assert after.number == 1
    assert (line.desk.in_flight, line.desk.waiting) == (1, 0)
