"""Who has to go when all clients together leave too much unread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.backlogs import Backlogs


def test_it_adds_up() -> None:
    """The total is what the clients hold now; one that holds nothing is forgotten."""
    backlogs = Backlogs[str](1000)
    backlogs.note("a", 300)
    backlogs.note("b", 500)
    assert (backlogs.total, backlogs.room, backlogs.full) == (800, 200, False)
    backlogs.note("a", 600)
    assert (backlogs.total, backlogs.room, backlogs.full) == (1100, 0, True)
    backlogs.note("b", 0)
    backlogs.note("nobody", 0)
    assert (backlogs.total, backlogs.room, list(backlogs), len(backlogs)) == (600, 400, ["a"], 1)


def test_those_that_hold_the_most_go_first() -> None:
    """The largest goes, then the next, until an eighth is free; below that nobody goes."""
    backlogs = Backlogs[str](1000)
    for client, nbytes in {"a": 100, "b": 400, "c": 290, "d": 310}.items():
        backlogs.note(client, nbytes)
    assert backlogs.surplus() == ["b"]
    backlogs.note("a", 500)
    assert backlogs.surplus() == ["a", "b"]
    backlogs.note("a", 0)
    backlogs.note("b", 275)
    assert (backlogs.total, backlogs.surplus()) == (875, [])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 500)), max_size=60))
def test_room_is_made_and_no_more(notes: list[tuple[int, int]]) -> None:
    """When those that are named have gone, an eighth is free; had the last of them stayed, it would not be."""
    backlogs, held = Backlogs[int](1000), dict[int, int]()
    for client, nbytes in notes:
        backlogs.note(client, nbytes)
        held[client] = nbytes
        assert backlogs.total == sum(held.values())
    gone = backlogs.surplus()
    stay = backlogs.total - sum(held[client] for client in gone)
    assert stay <= 875
    assert not gone or stay + held[gone[-1]] > 875
    assert all(held[client] >= nbytes for client in gone for other, nbytes in held.items() if other not in gone)
