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
    """Rule 2: a client with many requests waits for one with few, since each gets the same compute time."""
    flood = [request(tag, client="flood") for tag in range(5)]
    queue = filled(*flood, request(10, client="light"), request(11, client="light"))
    assert tags(queue.take("k", 5, may_split=False)) == [0, 10, 1, 11, 2]


def test_turns_are_remembered_between_batches() -> None:
    """Rule 2: a new batch begins with the client that was given the least so far."""
    queue = filled(*(request(tag, client=tag % 3) for tag in range(9)))
    served = [tags(queue.take(queue.next_key(), 2, may_split=False)) for _ in range(4)]
    assert served == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_compute_time_is_shared_evenly_not_requests() -> None:
    """Rule 2: a client whose requests are eight times as large gets one served for eight of another's."""
    large = [request(f"large{tag}", rows=8, client="large") for tag in range(10)]
    small = [request(f"small{tag}", client="small") for tag in range(40)]
    queue = filled(*large, *small)
    rows: Counter[str] = Counter()
    for _ in range(8):
        for one, start, stop in queue.take("k", 8, may_split=True):
            rows[one.tag[:5]] += stop - start
    assert abs(rows["large"] - rows["small"]) <= 8


def test_a_dear_key_costs_its_client_more() -> None:
    """Rule 2: rows are charged by what they cost, so a client with dear rows gets fewer of them."""
    queue = filled(
        *[request(f"dear{tag}", key="dear", client="a") for tag in range(50)],
        *[request(f"cheap{tag}", key="cheap", client="b") for tag in range(50)],
    )
    served = []
    for _ in range(30):
        key = queue.next_key()
        served += tags(queue.take(key, 1, row_s=4.0 if key == "dear" else 1.0, may_split=False))
    dear = sum(tag.startswith("dear") for tag in served)
    assert 5 <= dear <= 7


def test_idleness_saves_nothing_up_and_costs_nothing() -> None:
    """Rule 2: a client that comes back after a hundred requests of another takes every second turn from then on."""
    queue = filled(*[request(tag, client="busy") for tag in range(200)], request("first", client="sleeper"))
    queue.take("k", 100, may_split=False)
    for tag in range(10):
        queue.push(request(f"late{tag}", client="sleeper"))
    served = tags(queue.take("k", 20, may_split=False))
    assert sum(str(tag).startswith("late") for tag in served) == 10


def test_the_earliest_time_limit_of_a_client_comes_first() -> None:
    """Rule 3: a request with an earlier limit overtakes its client's others, and equal limits keep their order."""
    queue = filled(
        request(0),
        request(1, deadline=9.0),
        request(2, deadline=5.0),
        request(3, deadline=9.0),
        request(4),
        request(5, deadline=1),
    )
    assert tags(queue.take("k", 6, may_split=False)) == [5, 2, 1, 3, 0, 4]


def test_an_urgent_request_does_not_overtake_other_clients() -> None:
    """Rule 2 before rule 3: a limit, which everyone may set, is no way to jump the queue."""
    queue = filled(request(0, client="a"), request(1, client="b"), request(2, client="b", deadline=0.1), request(3, client="a"))
    queue.take("k", 1, may_split=False)
    assert tags(queue.take("k", 1, may_split=False)) == [2]
    assert tags(queue.take("k", 1, may_split=False)) == [3]


def test_a_clients_requests_keep_their_order() -> None:
    """Rule 3: one client with one key and no limits is first come, first served."""
    queue = filled(*(request(tag) for tag in range(6)))
    assert tags(queue.take("k", 4, may_split=False)) + tags(queue.take("k", 4, may_split=False)) == list(range(6))


def test_the_key_of_the_most_urgent_request_is_next() -> None:
    """Rule 4: of a client's keys, the one with the earliest limit is served."""
    queue = filled(request(0, key="a"), request(1, key="b", deadline=3.0), request(2, key="c", deadline=2.0))
    assert queue.next_key() == "c"


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2), st.integers(-1, 0)), min_size=1), st.data())
def test_what_is_put_back_is_as_if_it_was_never_taken(plan: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """Putting the end of a batch back restores all counts, and the rows are served again."""
    queue = filled(*[request(tag, rows, client=client, priority=p) for tag, (rows, client, p) in enumerate(plan)])
    total = queue.rows
    pieces = queue.take("k", data.draw(st.integers(1, total)), may_split=data.draw(st.booleans()))
    kept = data.draw(st.integers(0, len(pieces)))
    for piece in reversed(pieces[kept:]):
        queue.put_back(piece)
    assert queue.rows == total - rows_of(pieces[:kept])
    assert queue.requests == len(list(queue)) == len(plan) - sum(stop == one.rows for one, _, stop in pieces[:kept])
    again = rows_of(pieces[:kept])
    while queue:
        again += rows_of(queue.take(queue.next_key(), 3, may_split=True))
    assert (again, queue.rows, queue.nbytes) == (total, 0, 0)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 6)), min_size=1, max_size=60), st.integers(1, 9))
def test_no_client_with_work_gets_less_than_another(plan: list[tuple[str, int]], room: int) -> None:
    """Rule 2, the guarantee: of two clients that both still wait, neither was given more than one request more."""
    queue = filled(*[request(tag, rows, client=client) for tag, (client, rows) in enumerate(plan)])
    left = Counter({client: sum(rows for other, rows in plan if other == client) for client in "abcd"})
    given_: Counter[str] = Counter()
    largest = max(rows for _, rows in plan)
    while queue:
        for one, start, stop in queue.take("k", room, may_split=True):
            client = plan[one.tag][0]
            given_[client] += stop - start
            left[client] -= stop - start
        waiting = [other for other in "abcd" if left[other] > 0]  # within a batch there is no order
        if len(waiting) > 1:
            assert max(given_[other] for other in waiting) - min(given_[other] for other in waiting) <= largest


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


def test_a_busy_queue_does_not_remember_what_is_over() -> None:
    """Rule 5: clients and keys that come and go while the queue is never empty leave nothing behind."""
    queue = filled(request("always", rows=10_000, client="always"))
    for tag in range(2000):
        queue.push(request(tag, key=f"key{tag}", client=f"client{tag}"))
        assert tags(queue.take(f"key{tag}", 1, may_split=False)) == [tag]
    (lane,) = queue._lanes.values()
    assert len(lane._rings) == 1
    assert len(lane._turns) <= 1026


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
