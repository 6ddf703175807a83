"""The rules at the top of queue.py, one test each, and their sum as a property."""

from __future__ import annotations

from collections import Counter

import pytest
from fakes import request, tags
from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.queue import RequestQueue, rows_of


def filled(*requests: object) -> RequestQueue:
    queue = RequestQueue()
    for one in requests:
        queue.push(one)  # type: ignore[arg-type]
    return queue


def test_a_higher_priority_is_served_first() -> None:
    """Rule 1: what came later with a higher priority overtakes."""
    queue = filled(request(1, priority=-1), request(2, priority=-1), request(3, priority=0))
    assert tags(queue.take(queue.next_key(), 2, may_split=False)) == [3, 1]


def test_clients_take_turns() -> None:
    """Rule 2: a client with many requests waits for one with few."""
    flood = [request(tag, client="flood") for tag in range(5)]
    queue = filled(*flood, request(10, client="light"), request(11, client="light"))
    assert tags(queue.take("k", 5, may_split=False)) == [0, 10, 1, 11, 2]


def test_turns_are_remembered_between_batches() -> None:
    """Rule 2: a new batch begins with the client after the one that was served last."""
    queue = filled(*(request(tag, client=tag % 3) for tag in range(9)))
    served = [tags(queue.take(queue.next_key(), 2, may_split=False)) for _ in range(4)]
    assert served == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_a_clients_requests_keep_their_order() -> None:
    """Rule 3: one client with one key is first come, first served."""
    queue = filled(*(request(tag) for tag in range(6)))
    assert tags(queue.take("k", 4, may_split=False)) + tags(queue.take("k", 4, may_split=False)) == list(range(6))


def test_a_batch_has_one_key_and_keys_take_turns() -> None:
    """Rules 3 and 4: what is taken has equal keys, and another key comes next."""
    queue = filled(request(0, key="a"), request(1, key="b"), request(2, key="a"), request(3, key="b"))
    first = queue.next_key()
    assert tags(queue.take(first, 8, may_split=False)) == [0, 2]
    assert queue.next_key() == "b"


def test_the_client_whose_turn_it_is_joins_its_own_batch() -> None:
    """Rule 4: choosing a key for a client puts that client first in the batch."""
    queue = filled(request(0, key="a", client="x"), request(1, key="b", client="y"), request(2, key="b", client="x"))
    assert tags(queue.take(queue.next_key(), 1, may_split=False)) == [0]
    assert queue.next_key() == "b"
    assert tags(queue.take("b", 1, may_split=False)) == [1]


def test_lower_priorities_fill_the_batch() -> None:
    """Rule 4: places that a high priority leaves are used."""
    queue = filled(request(1, priority=0), request(2, priority=-3), request(3, priority=-3, key="other"))
    assert tags(queue.take("k", 8, may_split=False)) == [1, 2]


def test_removing_leaves_nothing() -> None:
    """Rule 5: after every request was removed the queue is as new."""
    requests = [request(tag, key=tag % 2, client=tag % 3, priority=-(tag % 2)) for tag in range(12)]
    queue = filled(*requests)
    for one in requests:
        queue.remove(one)
    assert (len(queue), queue.rows, queue.nbytes, list(queue)) == (0, 0, 0, [])
    assert queue._lanes == {}
    assert queue._rows_by_key == {}
    with pytest.raises(LookupError):
        queue.next_key()


def test_a_request_that_does_not_fit_waits_unless_it_may_be_split() -> None:
    """Taking stops before a request that is too large, or takes a part of it."""
    whole, part = filled(request(0), request(1, rows=4)), filled(request(0), request(1, rows=4))
    assert rows_of(whole.take("k", 3, may_split=False)) == 1
    assert rows_of(part.take("k", 3, may_split=True)) == 3
    assert part.rows == 2


def test_a_request_larger_than_a_batch_is_split() -> None:
    """The first request is split even without leave, for else it could never run."""
    queue = filled(request(0, rows=5))
    assert [rows_of(queue.take("k", 2, may_split=False)) for _ in range(3)] == [2, 2, 1]
    assert len(queue) == 0


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2), st.integers(0, 3), st.integers(-2, 0), st.booleans())),
    st.integers(1, 8),
    st.booleans(),
)
def test_every_row_is_taken_once(plan: list[tuple[int, int, int, int, bool]], room: int, may_split: bool) -> None:
    """Whatever is pushed, removed and taken: each row of each request that stays is taken exactly once, in order."""
    requests = [
        request(tag, rows, key, client=client, priority=priority) for tag, (rows, key, client, priority, _) in enumerate(plan)
    ]
    queue = filled(*requests)
    for one, (*_, removed) in zip(requests, plan, strict=True):
        if removed:
            queue.remove(one)
    taken: Counter[int] = Counter()
    while queue:
        key = queue.next_key()
        pieces = queue.take(key, room, may_split=may_split)
        assert pieces
        assert rows_of(pieces) <= room
        for one, start, stop in pieces:
            assert one.kind.key == key
            assert start == taken[one.tag]
            taken[one.tag] = stop
    assert taken == Counter({tag: rows for tag, (rows, *_, removed) in enumerate(plan) if not removed})
    assert (queue.rows, queue.nbytes) == (0, 0)
