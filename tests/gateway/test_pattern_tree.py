"""The tree of patterns finds what one look at each pattern would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.codecs.topics import matches
from tidegate.gateway.pattern_tree import PatternTree

SEGMENT = st.sampled_from(["a", "b", "c"])
TOPIC = st.lists(SEGMENT, min_size=1, max_size=4).map(tuple)
PATTERN = st.builds(
    lambda head, last: (*head, last), st.lists(SEGMENT | st.just("*"), max_size=3), SEGMENT | st.sampled_from(["*", "**"])
)


@given(st.lists(st.tuples(st.booleans(), PATTERN)), st.lists(TOPIC))
def test_it_agrees_with_a_list(changes: list[tuple[bool, tuple[str, ...]]], topics: list[tuple[str, ...]]) -> None:
    """Whatever was set and removed, each topic finds the values of all patterns that mean it, and nothing is left over."""
    tree: PatternTree[str] = PatternTree()
    there: dict[tuple[str, ...], str] = {}
    for add, pattern in changes:
        if add:
            tree.set(pattern, "/".join(pattern))
            there[pattern] = "/".join(pattern)
        elif pattern in there:
            tree.remove(pattern)
            del there[pattern]
        assert tree.get(pattern) == there.get(pattern)
    assert len(tree) == len(there)
    for topic in topics:
        assert sorted(tree.matching(topic)) == sorted(name for pattern, name in there.items() if matches(pattern, topic))
    for pattern in there:
        tree.remove(pattern)
    assert not tree._root.children
