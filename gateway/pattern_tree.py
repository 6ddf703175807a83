"""Values by pattern, so kept that those of all patterns which mean a topic are found by walking along its segments. Pure.

Bound: patterns, by whoever adds them; a look goes to the nodes that the topic's segments lead to, of which there are as many
as patterns that differ in where they have a ``*``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from tidegate.codecs.topics import MORE, ONE

if TYPE_CHECKING:
    from collections.abc import Sequence

V = TypeVar("V")


class _Node(Generic[V]):
    """What comes behind some segments, and the value of the pattern that ends with them."""

    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.children: dict[str, _Node[V]] = {}
        self.value: V | None = None


class PatternTree(Generic[V]):
    """Values by pattern."""

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: _Node[V] = _Node()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def get(self, pattern: Sequence[str]) -> V | None:
        """Return the value of a pattern."""
        node: _Node[V] | None = self._root
        for segment in pattern:
            node = node.children.get(segment) if node is not None else None
        return None if node is None else node.value

    def set(self, pattern: Sequence[str], value: V) -> None:
        """Give a pattern a value."""
        node = self._root
        for segment in pattern:
            node = node.children.setdefault(segment, _Node())
        self._size += node.value is None
        node.value = value

    def remove(self, pattern: Sequence[str]) -> None:
        """Forget a pattern that has a value, and the nodes that only it needs."""
        way, node = [], self._root
        for segment in pattern:
            way.append((node, segment))
            node = node.children[segment]
        node.value = None
        self._size -= 1
        for parent, segment in reversed(way):
            child = parent.children[segment]
            if child.children or child.value is not None:
                return
            del parent.children[segment]

    def matching(self, topic: Sequence[str]) -> list[V]:
        """Return the values of all patterns that mean a topic."""
        found: list[V | None] = []
        nodes = [self._root]
        for segment in topic:
            found += [node.children[MORE].value for node in nodes if MORE in node.children]
            nodes = [child for node in nodes for child in (node.children.get(segment), node.children.get(ONE)) if child]
        found += [node.value for node in nodes]
        return [value for value in found if value is not None]
