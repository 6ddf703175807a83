"""Which results have come, and what the server is told about that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.client.sequence import TOLD_BYTES, Hole, Sequence, Told


def test_each_number_is_new_once() -> None:
    """What came before is not new, and neither is a gap that came before."""
    sequence = Sequence(8)
    assert [sequence.take(number, number) for number in (1, 2, 2, 1, 3)] == [True, True, False, False, True]
    assert [sequence.drop(4, 6), sequence.drop(4, 6), sequence.drop(5, 7)] == [True, False, True]
    assert (sequence.last, sequence.dropped) == (7, 4)


@pytest.mark.parametrize("dropped", [False, True])
def test_a_hole_is_noticed(*, dropped: bool) -> None:
    """A number whose predecessor did not come is refused, be it a result's or a gap's."""
    sequence = Sequence(8)
    sequence.take(1, 1)
    with pytest.raises(Hole, match="result 3 came after result 1"):
        (sequence.drop if dropped else sequence.take)(3, 4)


def test_the_server_is_told_when_half_is_used() -> None:
    """Of the window, or of what it keeps, if that is less."""
    wide, narrow = Sequence(8), Sequence(8)
    narrow.keeps(4)
    for sequence, half in ((wide, 4), (narrow, 2)):
        for number in range(1, half):
            sequence.take(number, number)
            assert sequence.due() is None
        sequence.take(half, half)
        assert sequence.due() == Told(half + 8, half)
        assert sequence.due() is None


def test_what_lies_unread_uses_up_the_window() -> None:
    """The server may not send more until the program takes something, but need not keep what has arrived."""
    sequence = Sequence(2)
    for number in (1, 2):
        sequence.take(number, number)
        sequence.weigh(8, unread=True)
        assert sequence.due() == Told(2, number)
    sequence.read(1)
    assert sequence.due() == Told(3, 2)


def test_large_results_are_told_at_once() -> None:
    """The server's memory for a replay is bounded by bytes as well, and what is full stands still."""
    sequence = Sequence(256)
    sequence.take(1, 1)
    sequence.weigh(TOLD_BYTES, unread=False)
    assert sequence.due() == Told(257, 1)
    assert sequence.due() is None


@given(st.lists(st.sampled_from(["result", "unwanted", "gap", "read"])), st.integers(1, 9), st.integers(1, 9))
def test_credit_never_stalls_and_never_exceeds_the_window(events: list[str], window: int, kept: int) -> None:
    """Whatever comes: no more than the window lies unread, nothing is taken back, and with nothing unread there is credit."""
    sequence = Sequence(window)
    sequence.keeps(kept)
    told = Told(window, 0)
    for event in events:
        last = sequence.last
        if event == "read" and sequence.unread:
            sequence.read(1)
        elif event == "gap":
            sequence.drop(last + 1, last + 3)
        elif event != "read" and last < told.until:
            sequence.take(last + 1, last + 1)
            sequence.weigh(1, unread=event == "result")
        now = sequence.due()
        if now is not None:
            assert now.until >= told.until
            assert now.seen >= told.seen
            told = now
        assert sequence.unread <= window
        assert sequence.unread or told.until > sequence.last
        assert sequence.last - told.seen < kept
