"""Claims about the queue that the collector does not walk, and contents by number: they do what a plain container does."""

from __future__ import annotations

import gc
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from tidegate.models.streams.chain import Chain
from tidegate.models.streams.contents import Contents


@given(st.lists(st.one_of(st.lists(st.integers(), max_size=4), st.sampled_from(["popleft", "clear"]))))
def test_a_chain_is_a_queue(operations: list[list[int] | str]) -> None:
    """Whatever is done to it, a chain holds what a deque holds."""
    chain, like = Chain[int](), deque[int]()
    for operation in operations:
        if operation == "popleft":
            if like:
                assert chain.popleft() == like.popleft()
        elif operation == "clear":
            chain.clear()
            like.clear()
        else:
            chain.extend(operation)
            like.extend(operation)
        assert [*chain] == [*like]
        assert chain.count == len(like)
        assert not like or chain.first == like[0]


def test_the_collector_does_not_meet_what_a_chain_holds() -> None:
    """Of a chain with many items, the collector knows the chain alone."""
    chain = Chain[bytes]()
    chain.extend(bytes([number]) for number in range(200))
    met, seen = [chain], set()
    while met:
        for each in gc.get_referents(met.pop()):
            if gc.is_tracked(each) and id(each) not in seen and not isinstance(each, type):
                seen.add(id(each))
                met.append(each)
    assert not seen


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=40))
def test_contents_are_found_by_their_number(operations: list[tuple[bool, int]]) -> None:
    """The last five contents are found by their numbers; those that are forgotten, all or some, or not there yet are not."""
    contents, like, number = Contents(5), dict[int, int](), 1
    for adds, value in operations:
        if value == 12:
            contents.clear()
            like.clear()
        elif adds:
            contents.add(number, -value)
            like[number] = -value
            like.pop(number - 5, None)
            number += 1
        else:
            number = min(number, value)
            contents.forget_from(number)
            like = {at: kept for at, kept in like.items() if at < number}
    assert [contents.find(at) for at in range(45)] == [like.get(at) for at in range(45)]
