"""Conflation against a model of it: whatever is said, read and subscribed to, and in whatever order turns come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from event_scene import Scene, stop_reading
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tidegate.codecs.topics import matches
from tidegate.gateway.topic import LOG

if TYPE_CHECKING:
    from tidegate.gateway.watcher import Watcher

NAMES = ("a", "a/b", "b/b")
PATTERNS = ("a", "a/*", "**", "b/b", "*/b")


class Conflation(RuleBasedStateMachine):
    """Three topics, and watchers that stop reading and go on."""

    @initialize()
    def begin(self) -> None:
        self.scene = Scene()
        self.topics = {name: self.scene.topics.hold(name) for name in NAMES}
        self.watchers: list[Watcher] = []
        self.overflows: list[str] = []
        self.told: dict[tuple[int, str], int] = {}
        self.since: dict[tuple[int, str], int] = {}
        self.skipped = 0
        self.sent = 0

    @rule(pattern=st.sampled_from(PATTERNS), overflow=st.sampled_from(["latest", "drop_oldest"]))
    def come(self, pattern: str, overflow: Any) -> None:
        if len(self.watchers) < 5:
            for name, topic in self.topics.items():
                if matches(pattern.split("/"), name.split("/")):
                    self.since[len(self.watchers), name] = topic.seq
            self.watchers.append(self.scene.watcher(pattern, overflow))
            self.overflows.append(overflow)

    @rule(name=st.sampled_from(NAMES), times=st.integers(1, 70))
    def say(self, name: str, times: int) -> None:
        for _ in range(times):
            self.scene.say(self.topics[name])

    @rule(count=st.integers(1, 5))
    def turns(self, count: int) -> None:
        for _ in range(count):
            self.scene.turn()

    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        if self.watchers:
            stop_reading(data.draw(st.sampled_from(self.watchers)))

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        if self.watchers:
            self.scene.read(data.draw(st.sampled_from(self.watchers)))

    @rule()
    def settle(self) -> None:
        """When nothing is left to do, whoever reads has the last event of each topic; memory is what was promised."""
        self.scene.settle()
        self.heard()
        for number, watcher in enumerate(self.watchers):
            for name, topic in self.topics.items():
                if (number, name) in self.since and not watcher.link.backlog and topic.seq:
                    assert self.told[number, name] == topic.seq
                    assert topic not in watcher.behind
        for topic in self.topics.values():
            assert len(topic.log) <= LOG
            assert not topic.sweeping

    @invariant()
    def heard(self) -> None:
        """What comes is in order and comes once, from the last event before one came; what is left out is counted."""
        for number, watcher in enumerate(self.watchers):
            link: Any = watcher.link
            for event in link.heard():
                key = (number, event.topic)
                first = key not in self.told
                last = self.told.get(key, max(0, self.since[key] - 1))
                assert event.seq > last
                self.skipped += 0 if first and event.seq <= max(1, self.since[key]) else event.seq - last - 1
                self.told[key] = event.seq
                self.sent += 1
        assert self.scene.metrics.events_sent == self.sent
        assert self.scene.metrics.events_conflated >= self.skipped

    def teardown(self) -> None:
        """In the end everybody reads, and what was left out is what was counted."""
        for _ in range(2):
            for watcher in self.watchers:
                self.scene.read(watcher)
            self.scene.settle()
        self.settle()
        assert self.scene.metrics.events_conflated == self.skipped


Conflation.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestConflation = Conflation.TestCase
