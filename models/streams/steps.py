"""The steps of one stream that wait, and which one may come next. Pure; knows nothing of what steps do.

A number decides: the one that is expected is new, a lower one is a repetition or a conflict, a higher one has come too early.

Bounds: steps that wait, their bytes, and how many contents are remembered to tell a repetition from a conflict.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tidegate.errors import Overloaded, StepConflict, UnexpectedStep, UnknownStream

from .contents import Contents

if TYPE_CHECKING:
    from collections.abc import Callable

    from .agenda import Agenda

_REMEMBERED = 256


class Step:
    """A step that was accepted.

    Attributes:
        number: its place among the stream's steps.
        agenda: what it does.
        arrival: when it came.
        deadline: when its answer is no longer wanted.
        nbytes: bytes that it holds while it waits.
        cancelled: whether its client has given it up.
    """

    __slots__ = ("agenda", "arrival", "cancelled", "deadline", "nbytes", "number")

    def __init__(self, number: int, agenda: Agenda, arrival: float, deadline: float, nbytes: int = 0) -> None:
        self.number = number
        self.agenda = agenda
        self.arrival = arrival
        self.deadline = deadline
        self.nbytes = nbytes
        self.cancelled = False


class Steps:
    """Steps in order, and between them what is to be called when those before it have ended.

    Attributes:
        next: the number that the next step must have.
        nbytes: bytes of those that wait.
        waiting: what waits; not to be changed by others.
    """

    __slots__ = ("_contents", "_most", "_most_bytes", "nbytes", "next", "waiting")

    def __init__(self, most: int, most_bytes: int) -> None:
        self.next = 1
        self.nbytes = 0
        self._most = most
        self._most_bytes = most_bytes
        self.waiting: deque[Step | Callable[[], None]] = deque()
        self._contents = Contents(_REMEMBERED)

    def like(self) -> Steps:
        """Return one with the same bounds, where nothing waits."""
        return Steps(self._most, self._most_bytes)

    def expects(self, number: int, content: int, is_open: bool, ended: int = 0) -> bool:
        """Tell whether a step is the one that is expected; False for a repetition. See ``Stream.expects``.

        ``ended`` counts ends that the ring has no room for. They take the places of steps that might wait, since a client that
        takes nothing could let steps fail for ever.
        """
        if number < self.next:
            known = self._contents.find(number)
            if known is not None and known != content:
                expected = f"step {self.next}, or step {number} as it was"
                raise StepConflict(f"step {number} was accepted with other content", param="step", expected=expected)
            return False
        if not is_open:
            raise UnknownStream("the stream is closed", param="stream", expected="a stream that is open")
        if number > self.next:
            raise self.unexpected(number)
        if len(self.waiting) + ended >= self._most:
            raise Overloaded(f"{self._most} steps, or ends of steps, wait already; not executed", bound="stream_steps")
        return True

    def unexpected(self, number: int) -> UnexpectedStep:
        """Word the refusal of a step that is not the next one."""
        return UnexpectedStep(
            f"step {number} is not the next one of the stream; not executed",
            param="step",
            expected=f"step {self.next}",
            expected_step=self.next,
        )

    def accept(self, agenda: Agenda, content: int, now: float, deadline: float) -> None:
        """Let the step that is expected wait.

        Raises:
            Overloaded: the steps that wait take too many bytes.
        """
        nbytes = agenda.nbytes
        if self.waiting and self.nbytes + nbytes > self._most_bytes:
            raise Overloaded(f"{self.nbytes} bytes of steps of the stream wait already", bound="stream_steps")
        self.waiting.append(Step(self.next, agenda, now, deadline, nbytes))
        self._contents.add(self.next, content)
        self.next += 1
        self.nbytes += nbytes

    def begin(self, agenda: Agenda, content: int, now: float, deadline: float) -> Step:
        """Return the step that is expected, to be run at once; nothing may wait."""
        step = Step(self.next, agenda, now, deadline)
        self._contents.add(self.next, content)
        self.next += 1
        return step

    def note(self, note: Callable[[], None]) -> None:
        """Let a call wait for its turn among the steps."""
        self.waiting.append(note)

    def first(self) -> Step | Callable[[], None]:
        """Return what comes next; something must wait."""
        return self.waiting[0]

    def pop(self) -> None:
        """Take away what comes next."""
        step = self.waiting.popleft()
        if isinstance(step, Step):
            self.nbytes -= step.nbytes

    def cancel(self, number: int) -> None:
        """Mark a step that waits as given up."""
        for step in self.waiting:
            if isinstance(step, Step) and step.number == number:
                step.cancelled = True

    def expect_again(self, number: int) -> list[Step]:
        """Let a number be the next one once more; return the steps that waited behind it, which wait no more."""
        self.next = number
        self._contents.forget_from(number)
        behind = [step for step in self.waiting if isinstance(step, Step)]
        self.waiting = deque(note for note in self.waiting if not isinstance(note, Step))
        self.nbytes = 0
        return behind

    def clear(self) -> list[Callable[[], None]]:
        """Forget everything; return the calls that waited."""
        notes = [note for note in self.waiting if not isinstance(note, Step)]
        self.waiting.clear()
        self._contents.clear()
        self.nbytes = 0
        return notes
