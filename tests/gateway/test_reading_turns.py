"""Who reads in which turn, and for how long: on a clock that only reading moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.reading_turns import ReadingTurns
from tidegate.gateway.turn_budget import FRAMES, LEAST_FRAMES, NEW_S, OLD_S, SLICE_S, TURN_S, TurnBudget

if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """Turns, and a clock that stands still between them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[Callable[[], None]] = []
        self.turns = ReadingTurns(self.due.append, lambda: self.now)

    def turn(self) -> None:
        """Make the calls that are due."""
        due, self.due[:] = list(self.due), []
        for call in due:
            call()


class Client:
    """Reads something in each turn until it has read all."""

    def __init__(self, loop: Loop, slices: int, step_s: float = SLICE_S) -> None:
        self.loop = loop
        self.left = slices
        self.step_s = step_s
        self.turns: list[float] = []

    def read_on(self, now: float, until: float) -> None:
        assert now < until <= now + SLICE_S
        self.turns.append(now)
        self.left -= 1
        self.loop.now += self.step_s
        self.loop.turns.spend(self.step_s)
        if self.left:
            self.loop.turns.wait(self, new=False)


def test_a_turn_is_shared() -> None:
    """Newcomers, old ones and what arrives each find time in a turn, and all together no more than the turn has."""
    assert SLICE_S <= NEW_S < OLD_S < TURN_S
    budget = TurnBudget()
    assert budget.until(5.0) == pytest.approx(5.0 + SLICE_S)
    budget.spend(TURN_S - SLICE_S / 2)
    assert budget.until(6.0) == pytest.approx(6.0 + SLICE_S / 2)
    budget.spend(SLICE_S)
    assert budget.until(7.0) <= 7.0
    budget.renew()
    assert budget.until(8.0) > 8.0


def frames_after(*read: int) -> int:
    """Return how many frames a connection may read after a turn in which others have read so many each."""
    budget = TurnBudget()
    for frames in read:
        budget.spend(0.0, frames)
    budget.renew()
    return budget.frames


def test_many_small_requests_of_one_do_not_fill_a_turn() -> None:
    """Beside connections that read one frame each a flooding one reads few; alone, or among its like, as many as ever."""
    assert frames_after() == FRAMES
    assert frames_after(FRAMES) == FRAMES
    assert frames_after(*[FRAMES] * 8) == FRAMES
    assert frames_after(FRAMES, *[1] * 50) == LEAST_FRAMES
    assert frames_after(*[16] * 8) == 32


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.floats(0.1, 1.5))
def test_floods_take_turns_and_leave_time(slices: list[int], share: float) -> None:
    """All are served in the order of the line, nobody twice before the others, and no turn of the loop goes on for long."""
    loop = Loop()
    clients = [Client(loop, count, share * SLICE_S) for count in slices]
    for client in clients:
        loop.turns.wait(client, new=False)
    while any(client.left for client in clients):
        began = loop.now
        loop.turn()
        assert 0 < loop.now - began <= OLD_S + 1.5 * SLICE_S
        assert loop.turns.budget.until(0.0) > 0.0 or share > 1
        waiting = [len(client.turns) for client in clients if client.left]
        assert not waiting or max(waiting) - min(waiting) <= 1
    assert [len(client.turns) for client in clients] == slices
    loop.turn()
    assert not loop.due


def test_newcomers_go_first_but_not_alone() -> None:
    """Who had no turn yet is served before those who had, up to its share; the others always get something."""
    loop = Loop()
    old = [Client(loop, 100) for _ in range(3)]
    for client in old:
        loop.turns.wait(client, new=False)
    newcomers = [Client(loop, 1) for _ in range(3)]
    for client in newcomers:
        loop.turns.wait(client, new=True)
    loop.turn()
    assert [len(client.turns) for client in newcomers] == [1, 1, 0]
    assert [len(client.turns) for client in old] == [1, 0, 0]
    loop.turn()
    assert len(newcomers[2].turns) == 1
    assert [len(client.turns) for client in old] == [1, 1, 1]


def test_quiet_turns_cost_no_callback() -> None:
    """The loop is asked for a callback only when time was spent that a turn should not carry over."""
    loop = Loop()
    loop.turns.spend(0.0002)
    loop.turns.spend(0.0002)
    assert not loop.due
    loop.turns.spend(0.0002)
    loop.turns.spend(1.0)
    assert len(loop.due) == 1
    assert loop.turns.budget.until(0.0) <= 0.0
    loop.turn()
    assert loop.turns.budget.until(0.0) > 0.0
