"""Which rows run together, and how a batch that failed is taken apart."""

from __future__ import annotations

from collections import Counter

import pytest
from fakes import request
from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.client import Client
from tidegate.models.planner import Sizes, cut, light_rows, split_failed, trim
from tidegate.models.queue import rows_of

usable_sizes = st.sets(st.integers(2, 16)).map(lambda sizes: tuple(sorted({1, *sizes})))


def test_one_row_must_be_possible() -> None:
    """A model that cannot run one row is a mistake of whoever wrote the proof."""
    with pytest.raises(ValueError, match="one row"):
        Sizes((2, 4))


@given(usable_sizes, st.lists(st.integers(1, 20), min_size=1))
def test_what_is_trimmed_leaves_a_usable_size(sizes: tuple[int, ...], rows: list[int]) -> None:
    """Trimming keeps the front of a batch, of a usable size, and gives back exactly the rest."""
    pieces = [(request(tag, count), 0, count) for tag, count in enumerate(rows)]
    cut_off = trim(pieces, Sizes(sizes))
    assert rows_of(pieces) == Sizes(sizes).floor(sum(rows))
    assert rows_of(pieces) + rows_of(cut_off) == sum(rows)


def holding(nbytes: int) -> Client:
    client = Client()
    client.nbytes = nbytes
    return client


def test_nobody_is_light_among_equals() -> None:
    """Nobody is light where nobody has sixteen times as much as another."""
    assert light_rows([(holding(160), 16), (holding(20), 2), (holding(110), 11)], 0.0) == 0
    assert light_rows([(holding(10_000), 1000)], 0.0) == 0


def test_who_has_a_sixteenth_of_another_is_light() -> None:
    """Beside one that has sixteen times as much, all that the others have waiting is light."""
    assert light_rows([(holding(10), 1), (holding(160), 16), (holding(2560), 200)], 0.0) == 17
    assert light_rows([(holding(161), 16), (holding(2560), 200)], 0.0) == 0


def test_what_runs_counts_too() -> None:
    """A flood whose requests mostly run already is none the less a flood."""
    assert light_rows([(holding(10), 1), (holding(2560), 3)], 0.0) == 1


def test_one_of_many_equals_is_not_light() -> None:
    """Who has one request waiting, and had a dozen a moment ago, is not light; when it has gone on so for a while, it is."""
    busy, other = holding(12), holding(160)
    busy.most_nbytes, busy.nbytes = 12, 1
    waiting = [(busy, 1), (other, 16)]
    assert [light_rows(waiting, now) for now in (10.0, 10.9, 11.0, 11.9, 12.0, 13.0)] == [0, 0, 1, 1, 1, 1]
    busy.nbytes = busy.most_nbytes = 11
    assert light_rows(waiting, 13.1) == 0
    busy.nbytes = 1
    assert [light_rows(waiting, now) for now in (13.9, 14.0, 14.9, 15.0)] == [0, 0, 0, 1]


def test_many_streams_are_no_flood() -> None:
    """A client with a step of each of a hundred streams is none; with sixteen times as much beside them, it is."""
    many = holding(1000)
    many.streams = 100
    assert light_rows([(holding(10), 1), (many, 100)], 0.0) == 0
    many.nbytes = 16_000
    assert light_rows([(holding(10), 1), (many, 1600)], 0.0) == 1


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
