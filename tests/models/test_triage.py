"""The rules at the top of triage.py, one test each, and their sum as a property."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes import request, tags
from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.costs import Costs
from tidegate.models.request import NEVER
from tidegate.models.triage import triage

if TYPE_CHECKING:
    from tidegate.models.request import Piece

SIZES = range(1, 65)


def costs(fixed: float, per_row: float) -> Costs:
    return Costs(tuple(SIZES), {size: fixed + per_row * size for size in (1, 2, 4, 8, 16, 32, 64)})


LINEAR = costs(0.0, 0.010)
STEEP = Costs(tuple(SIZES), {1: 0.010, 2: 0.011, 4: 0.012, 8: 0.013, 16: 0.015, 32: 0.020, 64: 0.030})


def batch(*deadlines: float) -> list[Piece]:
    return [(request(tag, deadline=limit), 0, 1) for tag, limit in enumerate(deadlines)]


def sorted_out(pieces: list[Piece], learned: Costs, *, crowded: bool) -> tuple[list[int], list[int], list[int]]:
    runs, waits, late = triage(pieces, 0.0, learned.estimate_s, learned.size_within, crowded=crowded)
    return tags(runs), tags(waits), tags(late)


def test_a_batch_that_is_in_time_stays_as_it_is() -> None:
    """Where everybody is in time, nothing is changed."""
    assert sorted_out(batch(1.0, NEVER, 1.0), LINEAR, crowded=True) == ([0, 1, 2], [], [])


def test_what_cannot_be_in_time_is_given_up() -> None:
    """Rule 1: a request that would be late even alone is given up, and the others run."""
    assert sorted_out(batch(1.0, 0.001, 1.0), LINEAR, crowded=False) == ([0, 2], [], [1])


def test_it_runs_all_the_same_if_there_is_nothing_else_to_do() -> None:
    """Rule 1: alone, a late request is tried, so that an estimate that is too high is put right."""
    assert sorted_out(batch(0.001), LINEAR, crowded=False) == ([0], [], [])
    assert sorted_out(batch(0.001), LINEAR, crowded=True) == ([], [], [0])


def test_a_batch_is_cut_short_for_its_most_urgent_member() -> None:
    """Rule 2: with room for two rows before its limit, the urgent one runs with one other, and the rest waits."""
    runs, waits, late = sorted_out(batch(1.0, 1.0, 0.021, 1.0), LINEAR, crowded=False)
    assert (2 in runs, len(runs), len(waits), late) == (True, 2, 2, [])


def test_in_a_crowd_a_batch_is_cut_short_only_if_that_costs_little() -> None:
    """Rule 3: where rows cost the same in any batch the urgent one is saved; where the batch is what pays, it is given up."""
    limits = (0.041, *[1.0] * 7)
    runs, waits, late = sorted_out(batch(*limits), LINEAR, crowded=True)
    assert (0 in runs, len(runs), len(waits), late) == (True, 4, 4, [])
    limits = (0.0105, *[1.0] * 31)
    assert sorted_out(batch(*limits), STEEP, crowded=True) == (list(range(1, 32)), [], [0])


@given(
    st.lists(st.tuples(st.one_of(st.just(NEVER), st.floats(0.0, 0.5)), st.integers(1, 4)), min_size=1, max_size=16),
    st.sampled_from([LINEAR, STEEP]),
    st.booleans(),
)
def test_nobody_is_lost_and_who_runs_is_in_time(plan: list[tuple[float, int]], learned: Costs, crowded: bool) -> None:
    """Each piece runs, waits or is given up; if anything but the whole batch runs, all of it is expected in time."""
    pieces: list[Piece] = [(request(tag, rows, deadline=limit), 0, rows) for tag, (limit, rows) in enumerate(plan)]
    runs, waits, late = triage(pieces, 0.0, learned.estimate_s, learned.size_within, crowded=crowded)
    assert sorted(tags(runs) + tags(waits) + tags(late)) == list(range(len(plan)))
    if len(runs) < len(pieces) and len(runs) > 1:
        end = learned.estimate_s(sum(stop - start for _, start, stop in runs))
        assert all(one.deadline >= end - 1e-9 for one, _, _ in runs)
    assert runs or late or waits
