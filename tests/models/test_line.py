"""One client's requests with one key: in the order of their limits, and nothing left of what was removed."""

from __future__ import annotations

import pytest
from fakes import request
from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.line import Line
from tidegate.models.request import NEVER

limits = st.lists(st.one_of(st.just(NEVER), st.floats(0, 10)), max_size=30)


def drained(line: Line) -> list[int]:
    tags = []
    while line:
        one = line.first()
        tags.append(one.tag)
        line.take(one.rows - one.taken)
    return tags


@given(limits, st.data())
def test_the_earliest_limit_is_first_and_equal_ones_keep_their_order(deadlines: list[float], data: st.DataObject) -> None:
    """Whatever comes, and whatever of it is removed, leaves by limit, and then by arrival."""
    line = Line()
    requests = [request(tag, deadline=limit, arrival=float(tag)) for tag, limit in enumerate(deadlines)]
    for one in requests:
        line.push(one)
    removed = data.draw(st.sets(st.sampled_from(requests))) if requests else set()
    for one in removed:
        line.remove(one)
    stay = sorted(set(requests) - removed, key=lambda one: (one.deadline, one.arrival))
    assert line.rows == len(stay)
    assert list(line) == stay
    assert drained(line) == [one.tag for one in stay]
    assert line.rows == 0


@given(st.lists(st.integers(1, 9), min_size=1), st.integers(1, 9))
def test_rows_are_counted(rows: list[int], most: int) -> None:
    """Taking parts of requests, or all that is left, counts every row once."""
    line = Line()
    for tag, count in enumerate(rows):
        line.push(request(tag, rows=count, arrival=float(tag)))
    first = line.first()
    start, stop = line.take(min(most, first.rows))
    assert (start, stop) == (0, min(most, rows[0]))
    assert line.rows == sum(rows) - stop
    rest = line.take_all()
    assert sum(end - begin for _, begin, end in rest) == sum(rows) - stop
    assert (line.rows, bool(line)) == (0, False)


def test_what_is_not_there_cannot_be_removed() -> None:
    """Removing a stranger is a mistake that is told."""
    line = Line()
    line.push(request(1))
    with pytest.raises(ValueError, match="not in"):
        line.remove(request(2))
