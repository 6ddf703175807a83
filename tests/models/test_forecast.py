"""When an answer is expected, and how much later it may come."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.costs import Costs
from tidegate.models.forecast import Margin, expected_s

RUN_S = 0.010


def flat(largest: int = 8) -> Costs:
    """Costs of a model whose runs all take the same time, whatever their size."""
    return Costs(range(1, largest + 1), dict.fromkeys(range(1, largest + 1), RUN_S))


def expected(*, before: int, waiting: int, rows: int = 1, share: float = 1.0) -> float:
    return expected_s(flat(), "k", cap=8, before=before, waiting=waiting, rows=rows, share=share)


@pytest.mark.parametrize(
    ("before", "rows", "runs"), [(0, 1, 1), (7, 1, 1), (8, 1, 2), (16, 1, 3), (7, 2, 2), (0, 8, 1), (0, 9, 2), (12, 12, 3)]
)
def test_it_counts_the_runs_until_the_last_row_is_served(before: int, rows: int, runs: int) -> None:
    """Full batches go first, then the one that the request joins, and another one for what does not fit into it."""
    assert expected(before=before, waiting=before, rows=rows) == pytest.approx(runs * RUN_S, rel=0.01)


def test_several_slots_serve_what_comes_before_together() -> None:
    """With two runs at a time the sixteen rows before take the time of one, and the own run takes its own."""
    assert expected(before=16, waiting=16, share=2.0) == pytest.approx(2 * RUN_S, rel=0.01)


def test_who_joins_the_batch_makes_it_longer() -> None:
    """Rows that wait but come later fill the batch, and everybody in it waits for all of it."""
    costs = Costs(range(1, 9), {size: size * 0.001 for size in range(1, 9)})
    alone = expected_s(costs, "k", cap=8, before=0, waiting=0, rows=1, share=1.0)
    joined = expected_s(costs, "k", cap=8, before=0, waiting=7, rows=1, share=1.0)
    assert (alone, joined) == (pytest.approx(0.001, rel=0.05), pytest.approx(0.008, rel=0.05))


def test_the_margin_covers_all_but_a_small_share() -> None:
    """It settles where one answer of two hundred comes later than forecast and margin."""
    random, margin = Random(1), Margin()
    late = 0
    for _ in range(5000):
        behind_s = [random.expovariate(100.0) for _ in range(4)]
        late += sum(one > margin.seconds for one in behind_s)
        margin.observe(behind_s)
    assert 0.003 * 20_000 <= late <= 0.008 * 20_000


def test_one_bad_moment_is_forgotten() -> None:
    """Of answers that came late together nothing is left in the end; the margin falls slowly, since it would swing else."""
    margin = Margin()
    margin.observe([1.0] * 8)
    assert margin.seconds == 1.0
    for _ in range(512):
        margin.observe([0.001] * 8)
    assert 0.1 <= margin.seconds <= 0.5
    for _ in range(2000):
        margin.observe([0.001] * 8)
    assert margin.seconds == 0.001


def test_what_ended_without_an_answer_raises_the_margin() -> None:
    """Where every second request runs out of time at the edge of the margin, it grows until that ends."""
    margin = Margin()
    for _ in range(100):
        for _ in range(4):
            margin.missed(margin.seconds + 0.001)
        margin.observe([0.0] * 4)
    assert margin.seconds > 0.01


def test_answers_that_come_early_need_no_margin() -> None:
    """It is never negative: nobody is admitted who is expected to be late."""
    margin = Margin()
    margin.observe([-0.5] * 100)
    assert margin.seconds == 0.0


@given(st.floats(0, 100), st.floats(0, 100))
def test_the_margin_takes_half_of_the_time_at_most(seconds: float, left_s: float) -> None:
    """However late answers came: who leaves twice as much time as is expected, is admitted."""
    margin = Margin()
    margin.observe([seconds])
    assert margin.within(left_s) <= left_s / 2
    assert margin.within(left_s) in {seconds, left_s / 2}


@given(st.lists(st.lists(st.floats(-10, 10), max_size=40), max_size=400))
def test_what_is_kept_is_bounded(runs: list[list[float]]) -> None:
    """The window is full at some time, and what was missed between two runs is not kept for ever either."""
    margin = Margin()
    for _ in range(10):
        for behind_s in runs:
            margin.observe(behind_s)
            for one in behind_s:
                margin.missed(one)
    assert len(margin._ordered) == len(margin._recent) <= 2048
    assert sorted(margin._recent) == margin._ordered
    for _ in range(5000):
        margin.missed(1.0)
    assert len(margin._missed) <= 2048
