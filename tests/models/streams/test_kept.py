"""What is kept of what was taken: the same items come back, whether they were kept as they are or as they were written."""

from __future__ import annotations

import gc
from collections import deque
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.streams.items import Gap, Produced
from tidegate.models.streams.kept import Kept
from tidegate.results import Timing

TIMING = Timing(0, 0, 1)


def read(written: bytes) -> Produced:
    return Produced(written[0], True, {}, TIMING, written[1:].decode())


def read_too(written: bytes) -> Produced:
    return read(written)


def told(item: Any) -> Any:
    return (item.first, item.last) if isinstance(item, Gap) else (item.seq, item.nbytes, item.step, item.text)


ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["written", "item"]), st.sampled_from(["", "a"]), st.sampled_from([300, 301]), st.booleans()),
    st.sampled_from(["gap", "forget", "clear"]),
)


@given(st.lists(ACTIONS, max_size=150))
def test_what_is_kept_comes_back(actions: list[Any]) -> None:
    """In order, each once, with its number and what it counts for, and the first of them leaves first."""
    kept, like, seq = Kept(), deque[Any](), 0
    for action in actions:
        if action == "clear":
            kept.clear()
            like.clear()
        elif action == "forget":
            if like:
                assert kept.first_seq == (like[0].last if isinstance(like[0], Gap) else like[0].seq)
                gone = like.popleft()
                assert kept.popleft() == (0 if isinstance(gone, Gap) else gone.nbytes)
        elif action == "gap":
            kept.append(Gap(seq + 1, seq + 3))
            like.append(Gap(seq + 1, seq + 3))
            seq += 3
        else:
            how, text, nbytes, other = action
            seq += 1
            item = Produced(seq % 256, True, {}, TIMING, text, None, seq, nbytes)
            like.append(item)
            if how == "written":
                kept.append_written(seq, nbytes, bytes([seq % 256]) + text.encode(), read_too if other else read)
            else:
                kept.append(item)
        assert kept.count == len(like)
    assert [told(item) for item in kept] == [told(item) for item in like]


def test_what_was_written_is_few_objects() -> None:
    """Results that were written take one object for many of them, and what is forgotten is given back block by block."""
    kept, before = Kept(), len(gc.get_objects())
    for seq in range(1, 257):
        kept.append_written(seq, 300, bytes(200), read)
    assert len(gc.get_objects()) - before < 8
    entries = [*kept._entries]
    assert len(entries) <= 13
    assert sum(len(entry.data) for entry in entries) <= 256 * 200 + 31 * 200  # type: ignore[union-attr]
    for _ in range(255):
        kept.popleft()
    assert len([*kept._entries]) == 1


def test_one_result_takes_no_room_for_more() -> None:
    """A stream that has told one result keeps no more than that."""
    kept = Kept()
    kept.append_written(1, 300, bytes(200), read)
    (block,) = kept._entries
    assert len(block.data) == 200  # type: ignore[union-attr]


def test_what_is_seen_at_once_takes_little_memory() -> None:
    """Behind a client that has seen all but the last result, no block grows."""
    kept = Kept()
    for seq in range(1, 300):
        kept.append_written(seq, 300, bytes(200), read)
        while kept.count > 1:
            kept.popleft()
    assert sum(len(entry.data) for entry in kept._entries) <= 2 * 200  # type: ignore[union-attr]
