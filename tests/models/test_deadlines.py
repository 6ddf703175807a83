"""Which requests have run out of time."""

from __future__ import annotations

from fakes import request
from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.deadlines import Deadlines
from tidegate.models.request import NEVER


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans())), st.lists(st.floats(0, 110)))
def test_each_expires_once_and_in_time(plan: list[tuple[float, bool]], times: list[float]) -> None:
    """At any time exactly the requests past their limit have expired, each once, and none that was discarded."""
    deadlines = Deadlines()
    requests = [request(tag, deadline=at) for tag, (at, _) in enumerate(plan)]
    for one in requests:
        deadlines.add(one)
    for one, (_, discarded) in zip(requests, plan, strict=True):
        if discarded:
            deadlines.discard(one)
    seen: list[int] = []
    for now in sorted(times):
        seen += [one.tag for one in deadlines.expired(now, 10_000)]
        assert sorted(seen) == [tag for tag, (at, discarded) in enumerate(plan) if at <= now and not discarded]


@given(st.lists(st.floats(0, 10), max_size=50), st.integers(1, 7))
def test_a_flood_of_limits_is_taken_in_small_parts(limits: list[float], most: int) -> None:
    """However many expire together, no more than asked for are returned at once, and all in the end."""
    deadlines = Deadlines()
    for tag, at in enumerate(limits):
        deadlines.add(request(tag, deadline=at))
    parts = [deadlines.expired(20.0, most) for _ in range(len(limits) // most + 1)]
    assert max(map(len, parts)) <= most
    assert sorted(one.tag for part in parts for one in part) == list(range(len(limits)))


def test_it_says_when_to_look_again() -> None:
    """The next check lies just after the earliest limit that is still watched."""
    deadlines = Deadlines()
    late, soon = request(1, deadline=9.0), request(2, deadline=5.0)
    deadlines.add(late)
    deadlines.add(soon)
    assert 5.0 <= deadlines.next_check() <= 5.01
    deadlines.discard(soon)
    assert 9.0 <= deadlines.next_check() <= 9.01
    deadlines.discard(late)
    assert deadlines.next_check() == NEVER


def test_requests_without_a_limit_are_not_kept() -> None:
    """A request that may wait for ever costs nothing here."""
    deadlines = Deadlines()
    deadlines.add(request(1))
    assert len(deadlines) == 0


def test_empty_buckets_do_not_pile_up() -> None:
    """A million requests that are answered at once leave no more than a bounded number of buckets."""
    deadlines = Deadlines()
    for number in range(200_000):
        one = request(number, deadline=number / 50)
        deadlines.add(one)
        deadlines.discard(one)
    assert len(deadlines._buckets) <= 8192
    assert len(deadlines._order) == len(deadlines._buckets)
