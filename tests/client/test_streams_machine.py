"""Streams under any order of events: what the program sees of a stream is what the server made, each once and in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from stream_story import Step, StreamStory

from tidegate import errors
from tidegate.client.exchange import Phase
from tidegate.codecs.messages import Result, Resume
from tidegate.codecs.messages import Step as StepMessage
from tidegate.results import StreamResult

if TYPE_CHECKING:
    from tidegate.client.stream_log import StreamLog

STEPS = 3
RESULTS = 6
WINDOW = 4
BUFFER_BYTES = 400
AGES = 10_000.0
EXPECTED = errors.ModelFailed | errors.UnexpectedStep | errors.Cancelled | errors.DeadlineExceeded


class StreamMachine(RuleBasedStateMachine):
    """Two streams, a program that asks for all sorts of things, and a network that delivers some and breaks."""

    def __init__(self) -> None:
        super().__init__()
        self.story = StreamStory(steps=STEPS, results=RESULTS, max_buffer_bytes=BUFFER_BYTES)
        self.logs: list[StreamLog] = []
        self.steps: dict[StreamLog, list[Step]] = {}
        self.read: dict[Step, int] = {}
        self.given_up: set[Step] = set()
        self.told: list[list[Any]] = []

    @initialize(overflow=st.sampled_from(["block", "block", "latest", "drop_oldest"]))
    def begin(self, overflow: str) -> None:
        self.overflow = overflow
        self.story.connect()
        for _ in range(2):
            log, told = self.story.open(window=WINDOW, overflow=overflow, timeout=AGES)
            self.add(log, told)

    def add(self, log: StreamLog, told: list[Any]) -> None:
        self.logs.append(log)
        self.steps[log] = []
        self.told.append(told)

    @rule(
        data=st.data(),
        x=st.sampled_from([1, 1, 2, 3, -1]),
        results=st.sampled_from([1, 1, 1, 2, 9]),
        timeout=st.sampled_from([2.0, 100.0, AGES]),
    )
    def step(self, data: st.DataObject, x: int, results: int, timeout: float) -> None:
        log = data.draw(st.sampled_from(self.logs))
        step = self.story.step(log, x, timeout, results=results)
        self.steps[log].append(step)
        self.read[step] = 0

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        """Let the program take all that came of one stream."""
        log = data.draw(st.sampled_from(self.logs))
        self.take_all(log)

    def take_all(self, log: StreamLog) -> None:
        for step in self.steps[log]:
            if step not in self.given_up:
                log.read(len(step.sums) - self.read[step])
                self.read[step] = len(step.sums)
        self.story.act()

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        log = data.draw(st.sampled_from(self.logs))
        unfinished = [step for step in self.steps[log] if step.phase in (Phase.WAITING, Phase.SENT)]
        if unfinished:
            step = data.draw(st.sampled_from(unfinished))
            self.story.session.streams.give_up(step)
            self.story.act()
            log.read(len(step.sums) - self.read[step])
            self.read[step] = len(step.sums)
            self.given_up.add(step)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        log = data.draw(st.sampled_from(self.logs))
        told: list[Any] = []
        self.told.append(told)
        self.story.session.streams.cancel(log, told, self.story.now)
        self.story.act()

    @rule(data=st.data())
    def snapshot(self, data: st.DataObject) -> None:
        self.told.append(self.story.snapshot(data.draw(st.sampled_from(self.logs)), AGES))

    @precondition(lambda self: len(self.logs) < 4)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        self.add(*self.story.fork(data.draw(st.sampled_from(self.logs)), AGES))

    @rule(seconds=st.sampled_from([1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        assert self.story.wait(seconds) is None

    @precondition(lambda self: self.story.there)
    @rule(most=st.integers(1, 5))
    def up(self, most: int) -> None:
        self.story.up(most)

    @precondition(lambda self: self.story.there)
    @rule(most=st.integers(1, 5))
    def run(self, most: int) -> None:
        self.story.run(most)

    @precondition(lambda self: self.story.there)
    @rule(most=st.integers(1, 5))
    def down(self, most: int) -> None:
        self.story.down(most)

    @precondition(lambda self: self.story.there)
    @rule()
    def cut(self) -> None:
        self.story.cut()

    @precondition(lambda self: not self.story.there)
    @rule()
    def connect(self) -> None:
        before = len(self.story.sent)
        self.story.connect()
        kinds = [type(received.message) for received in self.story.sent[before:]]
        assert Resume not in kinds[1:]
        assert StepMessage not in kinds or kinds[0] is not Resume

    def teardown(self) -> None:
        """In the end everything is told, and agrees with what the server did."""
        if not self.logs:
            return
        if not self.story.there:
            self.story.connect()
        before = -1
        while before != len(self.story.sent):
            before = len(self.story.sent)
            self.story.settle()
            for log in self.logs:
                self.take_all(log)
        assert all(len(told) == 1 for told in self.told)
        assert self.story.session.ledger.held_bytes == 0
        for log in self.logs:
            assert log.ended is None
            assert log.sequence.unread == 0
            self.check(log)
        assert self.story.there is not None
        assert len(self.story.there.streams) == len(self.logs)

    def check(self, log: StreamLog) -> None:
        assert self.story.there is not None
        there = self.story.there.streams[log.name]
        assert log.sequence.last == there.seq
        assert (log.sequence.dropped == 0) or self.overflow != "block"
        seen: list[tuple[int, int]] = []
        late = bool(self.given_up)
        for step in self.steps[log]:
            assert step.phase is Phase.FINISHED
            if step in self.given_up:
                continue
            *results, last = step.told
            assert all(not result.final for result in results)
            assert getattr(last, "final", True)
            if isinstance(last, errors.TidegateError):
                assert isinstance(last, EXPECTED)
                late |= isinstance(last, errors.DeadlineExceeded)
            seen += [(outcome.seq, int(outcome["sum"])) for outcome in step.told if isinstance(outcome, StreamResult)]
        made = [(message.seq, int(tensors["sum"])) for message, tensors in there.told if isinstance(message, Result)]
        assert seen == sorted(set(seen))
        assert set(seen) <= set(made)
        if self.overflow == "block" and not late:
            assert seen == made


StreamMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestStreamMachine = StreamMachine.TestCase
TestStreamMachine.__doc__ = "Whatever happens in whatever order, the program sees what the server made, once and in order."
