"""All who watch, and which topics each of them means. Pure; knows no socket and no time.

Who comes later is behind (see ``watcher``) by the last event of each topic that he watches, and with ``drop_oldest`` by as many
as the topic keeps for that.

Bounds, and what happens at them: patterns of a connection and of all together; a further one is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.topics import MORE, is_wild, matches
from tidegate.errors import Overloaded

from .pattern_tree import PatternTree
from .watcher import DROP_OLDEST, Watch, Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.codecs.errors import Form
    from tidegate.codecs.parts import Conflation

    from .topic import Topic
    from .topics import Topics


class _Watching:
    """Who watches what a pattern means, and how many of them with ``drop_oldest``."""

    __slots__ = ("keeping", "watches")

    def __init__(self) -> None:
        self.watches: dict[Watcher, Watch] = {}
        self.keeping = 0

    def set(self, watcher: Watcher, watch: Watch) -> None:
        self.remove(watcher)
        self.watches[watcher] = watch
        self.keeping += watch.overflow == DROP_OLDEST

    def remove(self, watcher: Watcher) -> None:
        watch = self.watches.pop(watcher, None)
        self.keeping -= watch is not None and watch.overflow == DROP_OLDEST


class Watchers:
    """All who watch.

    Args:
        topics: what there is to watch.
        most: patterns of all of them together.
        most_each: patterns of each.

    Attributes:
        count: patterns of all of them.
    """

    def __init__(self, topics: Topics, most: int, most_each: int) -> None:
        self.count = 0
        self._topics = topics
        self._most = most
        self._most_each = most_each
        self._tree: PatternTree[_Watching] = PatternTree()
        self._version = 0
        self._order = 0

    def add(self, watcher: Watcher, pattern: str, form: Form, overflow: Conflation) -> None:
        """Let somebody watch what a pattern means; his last pattern of that name counts no more.

        Raises:
            Overloaded: he has too many patterns, or all have.
        """
        watches_already = bool(watcher.watches)
        if pattern not in watcher.watches:
            self._check_room(watcher)
            self.count += 1
        self._order += 1
        watch = watcher.watches[pattern] = Watch(pattern, tuple(pattern.split("/")), form, overflow, self._order)
        watching = self._tree.get(watch.pattern)
        if watching is None:
            watching = _Watching()
            self._tree.set(watch.pattern, watching)
            self._version += 1
        watching.set(watcher, watch)
        for topic in self._named(watch):
            self._join(watcher, topic, watch, watches_already=watches_already)

    def _check_room(self, watcher: Watcher) -> None:
        if len(watcher.watches) >= self._most_each:
            why = f"{self._most_each} subscriptions of this connection are open, and no more may be"
            raise Overloaded(why, bound="subscriptions_per_connection")
        if self.count >= self._most:
            raise Overloaded(f"{self._most} subscriptions are open, and no more may be", bound="subscriptions")

    def _named(self, watch: Watch) -> Iterator[Topic]:
        if watch.name == MORE:
            yield from self._topics
        elif is_wild(watch.name):
            yield from [topic for topic in self._topics if matches(watch.pattern, topic.segments)]
        elif (topic := self._topics.find(watch.name)) is not None:
            yield topic

    def _join(self, watcher: Watcher, topic: Topic, watch: Watch, *, watches_already: bool) -> None:
        """Let somebody be behind by what a topic has for those who come later."""
        told = len(topic.log) if watch.overflow == DROP_OLDEST and topic.keeps > 1 else min(1, len(topic.log))
        seq = topic.seq - told
        if watches_already and watch.overflow == DROP_OLDEST:  # what he waits for is kept for him still
            seq = min(seq, watcher.behind.get(topic, seq))
        watcher.has(topic, seq, topic.settled)

    def remove(self, watcher: Watcher, pattern: str) -> None:
        """Let somebody not watch what a pattern means any more."""
        watch = watcher.watches.pop(pattern, None)
        if watch is None:
            return
        self.count -= 1
        watching = self._tree.get(watch.pattern)
        assert watching is not None
        watching.remove(watcher)
        if not watching.watches:
            self._tree.remove(watch.pattern)
            self._version += 1

    def remove_all(self, watcher: Watcher) -> None:
        """Let somebody watch nothing any more."""
        for pattern in tuple(watcher.watches):
            self.remove(watcher, pattern)
        watcher.behind.clear()

    def is_watched(self, topic: Topic) -> bool:
        """Tell whether anybody watches a topic."""
        return bool(self._watching(topic))

    def keeps(self, topic: Topic, most: int) -> int:
        """Return how many events of a topic, all of which were offered, somebody may want who is behind."""
        return most if any(watching.keeping for watching in self._watching(topic)) else 1

    def of(self, topic: Topic) -> list[tuple[Watcher, Watch]]:
        """Return who watches a topic now, and how."""
        watching = self._watching(topic)
        if len(watching) == 1:
            return list(watching[0].watches.items())
        found: dict[Watcher, Watch] = {}
        for each in watching:
            for watcher, watch in each.watches.items():
                if watcher not in found or found[watcher].order < watch.order:
                    found[watcher] = watch
        return list(found.items())

    def _watching(self, topic: Topic) -> Sequence[_Watching]:
        if topic.version != self._version:
            topic.watched, topic.version = self._tree.matching(topic.segments), self._version
        return topic.watched
