"""The rules of ``trickle``, in simulated time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.trickle import WITHIN_S, Trickle


def test_the_first_waits_for_more() -> None:
    """What begins to trickle is not written at once, but after a millisecond, with what has come until then."""
    trickle: Trickle[str] = Trickle()
    assert [trickle.add("a", at * WITHIN_S / 4) for at in range(6)] == [None, None, None, None, "a", None]
    assert trickle


def test_many_are_spread() -> None:
    """Of four connections that get something all the time, one at a time is written to, in turn."""
    trickle: Trickle[int] = Trickle()
    written = []
    for tick in range(400):
        now = tick * WITHIN_S / 10
        due = [one for who in range(4) if (one := trickle.add(who, now)) is not None]
        assert len(due) <= 1
        written += due
    assert written[:8] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert len(written) >= 4 * 400 / 10 / 1.5


def test_what_stops_is_not_forgotten() -> None:
    """When nothing more comes, whoever looks after a millisecond finds all that waited so long."""
    trickle: Trickle[str] = Trickle()
    trickle.add("a", 0.0)
    trickle.add("b", 0.9 * WITHIN_S)
    assert trickle.late(WITHIN_S) == ["a"]
    assert trickle.late(WITHIN_S) == []
    assert trickle.late(2 * WITHIN_S) == ["b"]
    assert not trickle


def test_who_is_gone_is_not_written_to() -> None:
    """A connection that is closed is forgotten."""
    trickle: Trickle[str] = Trickle()
    trickle.add("a", 0.0)
    trickle.forget("a")
    trickle.forget("b")
    assert (trickle.late(1.0), bool(trickle)) == ([], False)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 900)), max_size=200))
def test_nobody_waits_longer_than_two_milliseconds(added: list[tuple[int, int]]) -> None:
    """However connections come, with a look in each millisecond all of them are written to within two."""
    trickle: Trickle[int] = Trickle()
    waiting: dict[int, float] = {}
    now, look = 0.0, WITHIN_S
    for who, pause_us in added:
        now += pause_us / 1e6
        while look <= now:
            for one in trickle.late(look):
                assert look - waiting.pop(one) <= 2 * WITHIN_S
            look += WITHIN_S
        waiting.setdefault(who, now)
        due = trickle.add(who, now)
        if due is not None:
            assert now - waiting.pop(due) <= 2 * WITHIN_S
    for _ in range(2):
        for one in trickle.late(look):
            del waiting[one]
        look += WITHIN_S
    assert not waiting
