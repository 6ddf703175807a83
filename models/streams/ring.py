"""What a stream has told and has to tell: results in order, each with its number, as many as there is room for. Pure.

Knows nothing of models, steps' contents or messages. Rules, each with a test:

1. Numbers have no gap: each belongs to one item, or to those that a ``Gap`` stands for.
2. What is taken is taken in order, once, and not beyond the credit that was granted. What is dropped uses no credit: whoever
   granted it could not know.
3. What was taken stays for a replay until it was seen. Whoever never says what it has seen keeps as much as there is room for.
4. Under ``block`` there is room only while everything that was not seen fits, so that a replay is complete. Under ``latest``
   only the newest item that was not taken is kept, under ``drop_oldest`` as many as fit; a gap tells of the others in their
   place.

Bounds: items and bytes. What ends a step is always taken in, so they are exceeded by at most one item for each step that
waits; and after ``rewind`` by what the slot had room for before (see ``burst``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from ..request import NEVER
from .items import ITEM_BYTES, Gap, Item, Numbered, Produced
from .kept import Kept

Overflow = Literal["block", "latest", "drop_oldest"]

Watcher = Callable[[Numbered], None]
"""Somebody who is told of each item as it comes to be."""


class Ring:
    """The items of one stream.

    Attributes:
        seq: the last number that was given.
        nbytes: bytes of memory of everything that is kept.
        dropped: how many items were dropped before they were taken.
    """

    __slots__ = (
        "_acknowledged",
        "_kept",
        "_most",
        "_most_bytes",
        "_overflow",
        "_taken",
        "_until",
        "_waiting",
        "dropped",
        "nbytes",
        "seq",
    )

    def __init__(self, overflow: Overflow, most: int, most_bytes: int, until: int | None = None) -> None:
        self.seq = 0
        self.nbytes = 0
        self.dropped = 0
        self._overflow: Overflow = overflow
        self._most = most
        self._most_bytes = most_bytes
        self._until = NEVER if until is None else until
        self._acknowledged = False
        self._taken = 0
        self._kept = Kept()  # taken before
        self._waiting: deque[Item] = deque()  # not taken; at most its first is a gap, but for what is replayed

    def like(self) -> Ring:
        """Return an empty ring with the same bounds and no limit to its credit."""
        return Ring(self._overflow, self._most, self._most_bytes)

    def __len__(self) -> int:
        return self._kept.count + len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether there is something that may be taken."""
        waiting = self._waiting
        return bool(waiting) and (waiting[-1].seq <= self._until or self._allowed() > 0)

    @property
    def waiting(self) -> int:
        """How many items were not taken yet."""
        return len(self._waiting)

    @property
    def surplus(self) -> int:
        """How many items there are beyond the bound and a gap: ends of steps, which are always taken in."""
        return max(0, self._kept.count + len(self._waiting) - self._most - 1)

    def has_room(self) -> bool:
        """Tell whether a step may run: whether its next item has its place."""
        if self._overflow != "block":
            return True
        count = len(self._waiting) + self._kept.count if self._acknowledged else len(self._waiting)
        return not count or (count < self._most and self.nbytes < self._most_bytes)

    def room(self, nbytes: int) -> int:
        """Return how many steps may run one after the other, each of whose items has so many bytes of tensors."""
        if self._overflow != "block":
            return self._most
        count = len(self._waiting) + (self._kept.count if self._acknowledged else 0)
        room = min(self._most - count, (self._most_bytes - self.nbytes) // (ITEM_BYTES + nbytes))
        return room if room > 0 else int(self.has_room())

    def add(self, item: Numbered) -> None:
        """Number an item and keep it."""
        self.seq += 1
        item.seq = self.seq
        if self._overflow == "latest":
            self._drop_all()
        self._waiting.append(item)
        if type(item) is Produced:
            item.nbytes = _nbytes(item)
        self.nbytes += item.nbytes
        self._make_room()

    def pass_on(self, item: Produced) -> bool:
        """Number an item, and take it at once if nothing waits before it and the credit covers it; tell whether it is taken.

        Then ``keep`` or ``keep_written`` must follow.
        """
        seq = self.seq + 1
        if self._waiting or seq > self._until:
            self.add(item)
            return False
        self.seq = self._taken = item.seq = seq
        item.nbytes = _nbytes(item)
        return True

    def keep(self, item: Produced) -> None:
        """Keep an item that was passed on."""
        self._kept.append(item)
        self.nbytes += item.nbytes
        self._make_room()

    def keep_written(self, item: Produced, written: bytes, read: Callable[[bytes], Produced]) -> None:
        """Keep an item that was passed on, as it was written; ``read`` gives it back, but for its number."""
        self._kept.append_written(item.seq, item.nbytes, written, read)
        self.nbytes += item.nbytes
        self._make_room()

    def grant(self, until: int | None, seen: int | None = None) -> None:
        """Allow items up to number ``until`` to be taken, and forget what was seen; neither is ever taken back."""
        if until is not None:
            self._until = until if self._until == NEVER else max(self._until, until)
        if seen is not None:
            self._acknowledged = True
            self._forget_seen(seen)

    def take(self, most: int, *, keep: bool = True) -> list[Item]:
        """Take the next items, at most so many, as far as the credit reaches.

        Args:
            most: how many.
            keep: whether they may be asked for once more; otherwise they count as seen.
        """
        waiting = self._waiting
        if waiting and len(waiting) <= most and waiting[-1].seq <= self._until and not isinstance(waiting[0], Gap):
            taken = list(waiting)
            waiting.clear()
        else:
            taken = self._take_some(most)
        if not taken:
            return taken
        if keep:
            for item in taken:
                self._kept.append(item)
        else:
            self._acknowledged = True
            for item in taken:
                if not isinstance(item, Gap):
                    self.nbytes -= item.nbytes
        self._taken = max(self._taken, taken[-1].seq)
        self._until = max(self._until, self._taken)
        self._make_room()
        return taken

    def _take_some(self, most: int) -> list[Item]:
        """Take what may be taken now, where the credit does not cover all of it or there is a gap."""
        count = min(most, self._allowed())
        if count:
            self._until += self._dropped_ahead()
        return [self._waiting.popleft() for _ in range(count)]

    def rewind(self, last_seq: int) -> int:
        """Let what comes after number ``last_seq`` be taken once more; return the number of the first item that is kept."""
        last_seq = min(last_seq, self._taken)
        self._forget_seen(last_seq)
        self._waiting.extendleft(reversed([*self._kept]))
        self._kept.clear()
        first = _first(self._waiting[0]) if self._waiting else self.seq + 1
        if first > last_seq + 1:
            self._waiting.appendleft(Gap(last_seq + 1, first - 1))
        return next((item.seq for item in self._waiting if not isinstance(item, Gap)), self.seq + 1)

    def abandon(self) -> None:
        """Let a gap stand for all that waits, whatever the credit."""
        self._drop_all()
        self._until = NEVER

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._waiting.clear()
        self.nbytes = 0

    def _allowed(self) -> int:
        """Return how many of the waiting items the credit covers; a gap goes with what follows it."""
        waiting = self._waiting
        until = self._until + self._dropped_ahead()
        if not waiting or until >= waiting[-1].seq:
            return len(waiting)
        count = sum(1 for item in waiting if item.seq <= until)
        first = waiting[0]
        if not isinstance(first, Gap) or count > 1:
            return count
        # Credit for what was dropped when it was to be replayed, is one for what follows.
        return 2 if len(waiting) > 1 and self._until >= first.first else 0

    def _dropped_ahead(self) -> int:
        """Return how many numbers were dropped untold ahead of what waits: they use no credit, which could not know of them."""
        first = self._waiting[0] if self._waiting else None
        if not isinstance(first, Gap):
            return 0
        return max(0, first.last - max(first.first - 1, self._taken))

    def _forget_seen(self, seen: int) -> None:
        kept = self._kept
        while kept.count and kept.first_seq <= seen:
            self.nbytes -= kept.popleft()

    def _make_room(self) -> None:
        """Forget what was taken longest ago, then, if the policy says so, what waits longest, until the bounds hold."""
        kept = self._kept
        if self._overflow == "block" and self._acknowledged:
            return
        while kept.count and (kept.count + len(self._waiting) > self._most or self.nbytes > self._most_bytes):
            self.nbytes -= kept.popleft()
        if self._overflow == "drop_oldest":
            while len(self._waiting) > 2 and (len(self._waiting) > self._most or self.nbytes > self._most_bytes):
                self._drop_oldest()

    def _drop_all(self) -> None:
        while len(self._waiting) > 1 or (self._waiting and not isinstance(self._waiting[0], Gap)):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Let a gap stand for the item that waits longest."""
        waiting = self._waiting
        first = waiting.popleft()
        last = waiting.popleft() if isinstance(first, Gap) and waiting else first
        self.dropped += not isinstance(last, Gap)
        self._lose(last)
        waiting.appendleft(Gap(_first(first), last.seq))

    def _lose(self, item: Item) -> None:
        if not isinstance(item, Gap):
            self.nbytes -= item.nbytes


class _WatchedRing(Ring):
    """A ring of whose items somebody else is told, too."""

    __slots__ = ("_watcher",)

    def __init__(self, watcher: Watcher, overflow: Overflow, most: int, most_bytes: int, until: int | None) -> None:
        super().__init__(overflow, most, most_bytes, until)
        self._watcher = watcher

    def add(self, item: Numbered) -> None:
        """Number an item and keep it, and tell of it."""
        super().add(item)
        self._watcher(item)

    def pass_on(self, item: Produced) -> bool:
        """Do what ``Ring.pass_on`` does, and tell of the item."""
        taken = super().pass_on(item)
        if taken:
            self._watcher(item)
        return taken


def ring_of(watcher: Watcher | None, overflow: Overflow, most: int, most_bytes: int, until: int | None) -> Ring:
    """Make a ring of whose items a watcher is told, if there is one; others cost nothing for that."""
    if watcher is None:
        return Ring(overflow, most, most_bytes, until)
    return _WatchedRing(watcher, overflow, most, most_bytes, until)


def _nbytes(item: Produced) -> int:
    nbytes = ITEM_BYTES
    for array in item.outputs.values():
        nbytes += array.nbytes
    return nbytes


def _first(item: Item) -> int:
    return item.first if isinstance(item, Gap) else item.seq
