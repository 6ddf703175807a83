"""One stream as a client sees it that may lose its connection at any time: what it can say next, and what it has heard. Pure.

It insists on what PROTOCOL.md promises: every ``seq`` once and in order, each step ended once and in order, nothing refused,
and after a ``resume`` a replay of exactly what was not heard. Where results may be dropped, gaps stand in their place; then a
step must have one result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.codecs.messages import Cancel, Close, Closed, Credit, Gap, Open, Opened, Result, Step
from tidegate.codecs.parts import LastSeen, RequestedOutput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from tidegate.codecs.messages import Message
    from tidegate.codecs.parts import Id, Overflow, ResumedStream
    from tidegate.codecs.reader import Received

    Tensors = Mapping[str, Any]

AHEAD = 24  # steps that are sent before the first of them has ended


class Line(NamedTuple):
    """One step to be sent.

    Attributes:
        inputs: its tensors.
        parameters: those of a generation.
        cancel_after: how many of its results are heard before it is cancelled; None for not at all.
    """

    inputs: Tensors
    parameters: Mapping[str, Any] | None = None
    cancel_after: int | None = None


class Heard(NamedTuple):
    """One result that was heard."""

    step: int
    final: bool
    tensors: Tensors
    text: str | None
    reason: str | None
    batch_size: int


class Script:
    """One stream.

    Attributes:
        name: the client's for it.
        lines: its steps.
        heard: its results.
        gaps: how many it was told of.
        closed: whether its end was heard.
    """

    def __init__(
        self,
        name: Id,
        model: str,
        lines: Sequence[Line],
        *,
        constants: Tensors | None = None,
        outputs: Sequence[str] = (),
        credit: int | None = None,
        overflow: Overflow = "block",
    ) -> None:
        """Make one; ``credit`` is how many results it lets come before it has heard them, None for all."""
        self.name = name
        self.lines = lines
        self.heard: list[Heard] = []
        self.gaps = 0
        self.closed = False
        self._model = model
        self._constants = constants or {}
        self._outputs = [RequestedOutput(name=output) for output in outputs]
        self._credit = credit
        self._overflow = overflow
        self._granted = 0  # of which it is sure that the gateway knows, on this connection
        self._most_granted = 0
        self._last_seq = 0
        self._next = 1  # step to be sent
        self._sent = 0  # the last one that ever was
        self._ended = 0  # step whose end was heard
        self._of_this = 0  # results heard of the step behind it
        self._asked = self._opened = self._closing = self._cancelled = False

    @property
    def waits(self) -> bool:
        """Whether there is something that must come if it says nothing more."""
        if self._opened and not self._closing:
            behind = self._credit is None or self._granted > self._last_seq
            return behind and self._next > self._ended + 1
        return self._asked and not self.closed

    # What it can say.

    def choices(self) -> list[str]:
        """Name what it could say now."""
        if not self._asked:
            return ["open"]
        if self._closing:
            return []
        can = {
            "step": self._next <= len(self.lines) and self._next - self._ended <= AHEAD,
            "again": 1 < self._next <= self._ended + 3,
            "credit": self._credit is not None and self._granted < self._last_seq + self._credit,
            "cancel": self._wants_cancel(),
            "close": self._ended == len(self.lines),
        }
        return [choice for choice, possible in can.items() if possible]

    def _wants_cancel(self) -> bool:
        if self._cancelled or self._next <= self._ended + 1:
            return False
        after = self.lines[self._ended].cancel_after
        return after is not None and self._of_this >= after

    def say(self, choice: str, random: Random) -> tuple[Message, Tensors]:
        """Say one of the ``choices``: return the message and its tensors."""
        match choice:
            case "open":
                self._asked, self._granted = True, self._credit or 0
                self._most_granted = self._granted
                opening = Open(
                    id=f"open {self.name}",
                    stream=self.name,
                    model_name=self._model,
                    outputs=self._outputs,
                    overflow=self._overflow,
                    until=self._credit,
                )
                return opening, self._constants
            case "step":
                self._sent = max(self._sent, self._next)
                self._next += 1
                return self._step(self._next - 1)
            case "again":
                return self._step(random.randint(max(1, self._next - 3), self._next - 1))
            case "credit":
                assert self._credit is not None
                until = self._last_seq + random.randint(1, self._credit)
                self._granted = max(self._granted, until)
                self._most_granted = max(self._most_granted, until)
                seen = self._last_seq if random.random() < 0.8 else None
                return Credit(stream=self.name, until=until, seen=seen), {}
            case "cancel":
                self._cancelled = True
                return Cancel(stream=self.name, step=self._ended + 1), {}
        assert choice == "close"
        self._closing = True
        return Close(stream=self.name), {}

    def _step(self, number: int) -> tuple[Message, Tensors]:
        line = self.lines[number - 1]
        return Step(stream=self.name, step=number, parameters=line.parameters), line.inputs

    # What it hears.

    def hear(self, received: Received) -> None:
        """Take a message about it."""
        message = received.message
        assert not self.closed, message
        match message:
            case Opened():
                assert (message.next_step, self._opened) == (1, False)
                self._opened = True
            case Result():
                self._hear_result(message, received.tensors)
            case Gap():
                self._hear_gap(message)
            case Closed():
                assert (message.reason, self._closing, self._ended) == ("closed", True, len(self.lines))
                self.closed = True
            case _:
                raise AssertionError(message)

    def _hear_result(self, message: Result, tensors: Tensors) -> None:
        step = self._ended + 1
        self._last_seq += 1
        assert (message.seq, message.step) == (self._last_seq, step), (message, self._last_seq, step)
        assert self._credit is None or self._overflow != "block" or self._last_seq <= self._most_granted
        self._of_this += 1
        if message.final:
            self._ended += 1
            self._of_this, self._cancelled = 0, False
        told = Heard(step, message.final, tensors, message.text, message.reason, message.timing.batch_size)
        self.heard.append(told)

    def _hear_gap(self, message: Gap) -> None:
        assert self._overflow != "block"
        assert self._last_seq + 1 == message.first <= message.last
        self._last_seq = self._ended = message.last
        self.gaps += 1

    # Its connection is gone.

    @property
    def last_seen(self) -> LastSeen:
        """What is said about it in a ``resume``."""
        return LastSeen(stream=self.name, last_seq=self._last_seq)

    def resumed(self, found: ResumedStream, random: Random) -> None:
        """Take note that it goes on."""
        assert self._ended < found.next_step <= self._sent + 1
        assert found.replay_from == self._last_seq + 1 or (self._overflow != "block" and found.replay_from > self._last_seq)
        assert found.seq >= self._last_seq
        assert self._closing or found.status == "open"
        self._opened = self._asked = True
        self._closing = found.status == "closing"
        self._cancelled = False
        self._granted = 0  # what was granted last may not have arrived
        # Nor may the last steps; those that did are not run twice.
        self._next = max(self._ended + 1, found.next_step - random.randint(0, 2))

    def lost(self) -> None:
        """Take note that its ``open`` never arrived."""
        assert not self._opened
        self._asked = self._closing = False
        self._next = 1
