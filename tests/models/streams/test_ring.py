"""The rules at the top of ``ring``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.streams.items import Gap, Produced
from tidegate.models.streams.ring import Ring, ring_of
from tidegate.results import Timing

TIMING = Timing(0, 0, 1)


def filled(ring: Ring, count: int) -> Ring:
    for number in range(count):
        ring.add(Produced(number, True, {"y": np.zeros(2)}, TIMING))
    return ring


def told(items: list[Any]) -> list[Any]:
    return [(item.first, item.last) if isinstance(item, Gap) else item.seq for item in items]


def test_items_are_numbered_from_one_and_taken_once_in_order() -> None:
    """What is taken comes in order, once, each with the next number (rules 1 and 2)."""
    ring = filled(Ring("block", 8, 1 << 20), 3)
    assert told(ring.take(2)) == [1, 2]
    assert told(ring.take(8)) == [3]
    assert ring.take(8) == []


def test_nothing_is_taken_beyond_the_credit() -> None:
    """Only what the credit covers is taken, and a credit is never taken back (rule 2)."""
    ring = filled(Ring("block", 8, 1 << 20, until=2), 4)
    assert told(ring.take(8)) == [1, 2]
    assert not ring.ready
    ring.grant(3)
    ring.grant(1)
    assert told(ring.take(8)) == [3]


def test_what_was_not_seen_is_taken_again_after_a_rewind() -> None:
    """A replay begins behind what was seen (rule 3)."""
    ring = filled(Ring("block", 8, 1 << 20), 4)
    ring.take(3)
    assert ring.rewind(1) == 2
    assert told(ring.take(8)) == [2, 3, 4]


def test_what_was_seen_is_forgotten() -> None:
    """What a client says it has seen takes no memory (rule 3)."""
    ring = filled(Ring("block", 8, 1 << 20), 4)
    ring.take(4)
    ring.grant(None, 4)
    assert (len(ring), ring.nbytes) == (0, 0)


def test_blocking_has_no_room_for_what_a_replay_could_not_hold() -> None:
    """Under block, a client that tells what it has seen holds the stream until it has seen more (rule 4)."""
    ring = Ring("block", 2, 1 << 20)
    ring.grant(None, 0)
    filled(ring, 2)
    ring.take(2)
    assert not ring.has_room()
    ring.grant(None, 1)
    assert ring.has_room()


def test_a_silent_client_holds_only_what_it_has_not_taken() -> None:
    """Without a word of what was seen, the oldest that were taken make room, and a replay tells that they are gone."""
    ring = filled(Ring("block", 2, 1 << 20), 2)
    assert not ring.has_room()
    ring.take(2)
    filled(ring, 2)
    assert ring.rewind(0) == 3
    assert told(ring.take(8)) == [(1, 2), 3, 4]


def test_latest_keeps_the_newest_and_tells_of_the_others() -> None:
    """Under latest, one item waits, and a gap stands for those before it (rule 4)."""
    ring = filled(Ring("latest", 8, 1 << 20), 5)
    assert told(ring.take(8)) == [(1, 4), 5]
    assert ring.dropped == 4


def test_drop_oldest_keeps_as_many_as_fit() -> None:
    """Under drop_oldest, what waits longest gives way, and a gap stands in its place (rule 4)."""
    ring = filled(Ring("drop_oldest", 3, 1 << 20), 6)
    items = told(ring.take(8))
    assert items[0][0] == 1
    assert items[1:] == list(range(items[0][1] + 1, 7))
    assert len(items) <= 4


def test_a_gap_waits_for_the_credit_of_what_follows_it() -> None:
    """A gap alone is not told: without what follows it nobody needs it."""
    ring = filled(Ring("latest", 8, 1 << 20, until=0), 5)
    assert not ring.ready
    assert ring.take(8) == []
    ring.grant(1)
    assert told(ring.take(8)) == [(1, 4), 5]


def test_what_is_dropped_uses_no_credit() -> None:
    """A credit for two more results is one for two that are there, however many were dropped before them (rule 2)."""
    ring = filled(Ring("latest", 8, 1 << 20, until=2), 5)
    assert told(ring.take(8)) == [(1, 4), 5]
    assert told(filled(ring, 4).take(8)) == [(6, 8), 9]
    filled(ring, 1)
    assert ring.take(8) == []
    ring.grant(9 + 1)
    assert told(ring.take(8)) == [10]


def test_what_is_dropped_on_its_way_once_more_uses_no_credit() -> None:
    """Whoever has credit for one more than it has heard gets one, also when what it was meant for is lost, then dropped."""
    ring = filled(Ring("latest", 8, 1 << 20, until=1), 1)
    assert told(ring.take(8)) == [1]
    ring.rewind(0)
    filled(ring, 3)
    assert told(ring.take(8)) == [(1, 3), 4]
    filled(ring, 1)
    assert not ring.ready
    ring.rewind(0)
    assert told(ring.take(8)) == [(1, 3), 4]
    assert not ring.ready
    ring.grant(5)
    assert told(ring.take(8)) == [5]


def test_what_is_told_twice_gives_no_credit_twice() -> None:
    """A gap that is replayed does not let more be taken than the first time."""
    ring = filled(Ring("drop_oldest", 4, 1 << 20, until=0), 9)
    ring.grant(2)
    first = told(ring.take(8))
    assert len(first) == 3
    ring.rewind(0)
    assert told(ring.take(8)) == first


@pytest.mark.parametrize("overflow", ["block", "latest", "drop_oldest"])
def test_bytes_are_counted_down_to_nothing(overflow: Any) -> None:
    """Whatever way items leave, their bytes leave with them."""
    ring = filled(Ring(overflow, 4, 600), 9)
    ring.take(2)
    ring.rewind(0)
    ring.abandon()
    ring.take(8)
    ring.grant(None, ring.seq)
    assert ring.nbytes == 0


def test_what_is_abandoned_is_told_as_a_gap_without_credit() -> None:
    """Who ends a stream drops what waits, and says so."""
    ring = filled(Ring("block", 8, 1 << 20, until=0), 3)
    ring.abandon()
    assert told(ring.take(8)) == [(1, 3)]


ACTIONS = st.one_of(
    st.tuples(st.just("make"), st.just(0)),
    st.tuples(st.just("pass"), st.just(0)),
    st.tuples(st.just("take"), st.integers(1, 4)),
    st.tuples(st.just("grant"), st.integers(0, 12)),
    st.tuples(st.just("see"), st.integers(0, 12)),
    st.tuples(st.just("rewind"), st.integers(0, 12)),
)


@given(st.sampled_from(["block", "latest", "drop_oldest"]), st.none() | st.integers(0, 6), st.lists(ACTIONS, max_size=30))
def test_to_pass_on_is_to_add_and_take(overflow: Any, until: int | None, actions: list[tuple[str, int]]) -> None:
    """What is passed on is what would be taken at once if it were added, and leaves the ring as that would."""
    rings = [Ring(overflow, 3, 1500, until), Ring(overflow, 3, 1500, until)]
    for number, (action, value) in enumerate(actions):
        outcomes = [_act(ring, action, value, number, passes=passes) for ring, passes in zip(rings, (True, False), strict=True)]
        assert outcomes[0] == outcomes[1]
        assert _state(rings[0]) == _state(rings[1])


def _act(ring: Ring, action: str, value: int, number: int, *, passes: bool) -> Any:
    item = Produced(number, True, {"y": np.zeros(40)}, TIMING)
    if action == "pass" and passes:
        return [item.seq] if _passed(ring, item, written=bool(value % 2)) else []
    if action == "pass":
        free = not ring.waiting
        ring.add(item)
        return told(ring.take(1)) if free else []
    if action == "make":
        return ring.add(item)
    if action == "take":
        return told(ring.take(value))
    if action == "rewind":
        return ring.rewind(value)
    return ring.grant(value) if action == "grant" else ring.grant(None, min(value, ring.seq))


def _passed(ring: Ring, item: Produced, *, written: bool) -> bool:
    passed = ring.pass_on(item)
    if passed and written:
        ring.keep_written(item, bytes([item.step]), _read)
    elif passed:
        ring.keep(item)
    return passed


def _read(written: bytes) -> Produced:
    return Produced(written[0], True, {"y": np.zeros(40)}, TIMING)


def _state(ring: Ring) -> tuple[Any, ...]:
    return ring.seq, ring.nbytes, ring.dropped, len(ring), ring.waiting, ring.ready, ring.has_room(), ring.room(8), ring.surplus


def test_a_watcher_is_told_of_what_is_passed_on() -> None:
    """Whoever watches a stream is told of each item once, passed on or not."""
    watched: list[int] = []
    ring = ring_of(lambda item: watched.append(item.seq), "block", 8, 1 << 20, 2)
    passed = [_passed(ring, Produced(number, True, {}, TIMING), written=True) for number in range(4)]
    assert (passed, watched) == ([True, True, False, False], [1, 2, 3, 4])
