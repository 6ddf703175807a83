"""Which rows run together, and how a batch that failed is taken apart."""

from __future__ import annotations

from collections import Counter

import pytest
from fakes import request
from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.planner import Sizes, cut, split_failed, take_batch
from tidegate.models.queue import RequestQueue, rows_of

usable_sizes = st.sets(st.integers(2, 16)).map(lambda sizes: tuple(sorted({1, *sizes})))


def test_one_row_must_be_possible() -> None:
    """A model that cannot run one row is a mistake of whoever wrote the proof."""
    with pytest.raises(ValueError, match="one row"):
        Sizes((2, 4))


@given(usable_sizes, st.lists(st.integers(1, 20), min_size=1), st.integers(1, 16))
def test_only_proved_sizes_are_run(sizes: tuple[int, ...], rows: list[int], cap: int) -> None:
    """Whatever waits, each batch has one of the proved sizes, at most the cap, and every row runs once."""
    queue = RequestQueue()
    for tag, count in enumerate(rows):
        queue.push(request(tag, count))
    taken = 0
    while queue:
        size = rows_of(take_batch(queue, Sizes(sizes), cap))
        assert size in sizes
        assert size <= cap
        taken += size
    assert taken == sum(rows)


def test_a_batch_is_as_large_as_what_waits() -> None:
    """Greedy: all that waits runs at once, if it may."""
    queue = RequestQueue()
    for tag in range(5):
        queue.push(request(tag))
    assert rows_of(take_batch(queue, Sizes(range(1, 9)), 8)) == 5


@given(usable_sizes, st.lists(st.integers(1, 9), min_size=1, max_size=12), st.data())
def test_the_guilty_request_is_found(sizes: tuple[int, ...], rows: list[int], data: st.DataObject) -> None:
    """Splitting a failed batch again and again leaves one request, and only it, without a good run."""
    guilty = data.draw(st.integers(0, len(rows) - 1))
    todo = cut([(request(tag, count), 0, count) for tag, count in enumerate(rows)], Sizes(sizes))
    good: Counter[int] = Counter()
    blamed = set()
    runs = 0
    while todo:
        pieces = todo.pop()
        runs += 1
        assert rows_of(pieces) in sizes
        if all(one.tag != guilty for one, _, _ in pieces):
            good.update({one.tag: stop - start for one, start, stop in pieces})
        elif parts := split_failed(pieces, Sizes(sizes)):
            todo += parts
        else:
            blamed |= {one.tag for one, _, _ in pieces}
    assert blamed == {guilty}
    assert all(good[tag] == count for tag, count in enumerate(rows) if tag != guilty)
