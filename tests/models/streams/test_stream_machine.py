"""A stream against a reference: whatever is cut, resumed, cancelled or fails, its client sees each thing once, in order."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tidegate.errors import ModelFailed, Overloaded, StepConflict, UnexpectedStep, UnknownStream
from tidegate.models.streams.items import Ended, Failed, Gap, Produced

from .stream_fakes import Adding, Hand, make_stream

MOST = 4


class StreamMachine(RuleBasedStateMachine):
    """A client that keeps book, a network that loses what is under way, and a model that adds."""

    @initialize(overflow=st.sampled_from(["block", "latest", "drop_oldest"]), credited=st.booleans(), acks=st.booleans())
    def open(self, overflow: str, credited: bool, acks: bool) -> None:
        self.hand = Hand()
        self.stream = make_stream(self.hand, overflow=overflow, most=MOST, until=0 if credited else None)
        self.other = make_stream(self.hand)
        self.overflow, self.acks = overflow, acks
        self.until = 0 if credited else None
        self.accepted: deque[tuple[int, float, int]] = deque()  # steps that have not ended: number, value and runs
        self.sum = 0.0  # after the steps that have ended
        self.running = 0.0
        self.last_seq = self.told = 0
        self.ended: list[int] = []
        self.under_way: list[Any] = []
        self.connected = True
        self.closed = self.lossy = False
        if acks:
            self.stream.ring.grant(None, 0)

    def _receive(self, item: Any) -> None:
        if isinstance(item, Ended):
            assert not self.accepted or self.lossy, "a stream ends only when all its steps have"
            self.closed = True
            return
        first = item.first if isinstance(item, Gap) else item.seq
        assert first == self.last_seq + 1, "numbers have no hole, and nothing comes twice"
        self.last_seq = item.seq
        if isinstance(item, Gap):
            assert self.overflow != "block" or not self.acks, "a stream that blocks and knows what was seen drops nothing"
            self.lossy = True
        elif isinstance(item, Produced):
            self._produced(item)
        else:
            self._failed(item)

    def _produced(self, item: Produced) -> None:
        if self.lossy:
            return  # what was lost may have ended steps: sums are compared only while everything arrives
        number, value, _ = self.accepted[0]
        assert item.step == number, "results come in the order of the steps"
        if item.outputs:
            self.running += value
            assert item.outputs["sum"].tolist() == [self.sum + self.running], "no other stream's state, and none twice"
        if item.final:
            self.sum += self.running
            self.running = 0.0
            self.accepted.popleft()
            self.ended.append(item.step)

    def _failed(self, item: Failed) -> None:
        if self.lossy:
            return
        number, _, _ = self.accepted.popleft()
        assert item.step == number, "a failed step takes its place in the order"
        self.running = 0.0

    @precondition(lambda self: not self.closed)
    @rule(value=st.integers(1, 9), runs=st.integers(0, 3))
    def step(self, value: float, runs: int) -> None:
        number = self.stream.next_step
        content = hash((value, runs))
        try:
            assert self.stream.expects(number, content)
        except Overloaded:
            assert len(self.accepted) >= 8 or self.lossy
            return
        except UnknownStream:
            assert self.stream.status != "open"
            return
        self.stream.accept(Adding(value, runs), content, 0.0)
        self.accepted.append((number, value, runs))

    def read_all(self) -> None:
        """Let the client read everything, as one does who waits for the end of a step before it sends it again."""
        if not self.connected:
            self.resume()
        self.stream.ring.grant(1 << 40, None)
        self.until = None if self.until is None else 1 << 40
        seen = -1
        while seen < self.stream.ring.seq:
            seen = self.stream.ring.seq
            self.under_way += self._taken()
            self.deliver(len(self.under_way))
            if self.acks:
                self.stream.ring.grant(None, self.last_seq)
            self.stream.go_on(0.0)
        self.under_way += self._taken()
        self.deliver(len(self.under_way))

    def _taken(self) -> list[Any]:
        items = self.stream.take(64)
        self.told = max([self.told, *[item.seq for item in items if not isinstance(item, Ended)]])
        return items

    @rule(value=st.integers(1, 9))
    def a_wrong_number_is_refused_and_changes_nothing(self, value: int) -> None:
        if self.stream.status != "open":
            return
        before = (self.stream.next_step, self.stream.ring.seq)
        with pytest.raises((UnexpectedStep, Overloaded)):
            self.stream.expects(self.stream.next_step + value, 0)
        assert (self.stream.next_step, self.stream.ring.seq) == before

    @rule()
    def a_repetition_is_ignored_and_a_conflict_refused(self) -> None:
        if not self.accepted or self.stream.status == "closed" or self.lossy:
            return
        number, value, runs = self.accepted[-1]  # of equal numbers the last counts
        if number < self.stream.next_step:
            assert not self.stream.expects(number, hash((value, runs)))
            with pytest.raises(StepConflict):
                self.stream.expects(number, -7)

    @precondition(lambda self: self.hand.requests)
    @rule()
    def finish(self) -> None:
        self.hand.finish()

    @precondition(lambda self: self.hand.requests)
    @rule()
    def fail(self) -> None:
        self.hand.fail(ModelFailed("it failed"))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.stream.next_step > 1:
            self.stream.cancel(data.draw(st.integers(1, self.stream.next_step)), 0.0)

    @rule(more=st.integers(0, 5))
    def grant(self, more: int) -> None:
        if self.until is not None:
            self.until += more
        seen = self.last_seq if self.acks else None
        self.stream.ring.grant(self.until, seen)
        self.stream.go_on(0.0)

    @precondition(lambda self: self.connected)
    @rule(most=st.integers(1, 5))
    def send(self, most: int) -> None:
        items = self.stream.take(most)
        if self.until is not None:
            for item in items:
                if isinstance(item, Gap):
                    self.until += max(0, item.last - max(item.first - 1, self.told))
                assert isinstance(item, Ended) or item.seq <= self.until, "not beyond the credit"
                self.told = max(self.told, 0 if isinstance(item, Ended) else item.seq)
        self.under_way += items

    @precondition(lambda self: self.under_way)
    @rule(count=st.integers(1, 5))
    def deliver(self, count: int) -> None:
        arrived, self.under_way = self.under_way[:count], self.under_way[count:]
        for item in arrived:
            self._receive(item)

    @precondition(lambda self: self.connected and not any(isinstance(item, Ended) for item in self.under_way))
    @rule()
    def cut(self) -> None:
        self.connected = False
        self.under_way.clear()

    @precondition(lambda self: not self.connected)
    @rule()
    def resume(self) -> None:
        replay_from = self.stream.ring.rewind(self.last_seq)
        assert replay_from > self.last_seq
        self.connected = True
        self.stream.go_on(0.0)

    @rule()
    def close(self) -> None:
        self.stream.close(0.0)

    @invariant()
    def bounds_hold(self) -> None:
        if hasattr(self, "stream"):
            assert len(self.stream.ring) <= MOST + 8 + 2
            assert len(self.hand.requests) <= 1

    def teardown(self) -> None:
        if not hasattr(self, "stream"):
            return
        self.read_all()
        while self.hand.requests:
            self.hand.finish()
            self.read_all()
        if not self.lossy:
            assert not self.accepted, "every step that was accepted has ended"
        assert self.last_seq == self.stream.ring.seq
        assert self.other.ring.seq == 0


StreamMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=40)
TestStream = StreamMachine.TestCase
TestStream.__doc__ = "No result is lost, none comes twice, none out of order, and no state is shared."
