"""Counters with a closed set of labels: whatever is not in it counts as ``other``. Knows not what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

OTHER = "other"


class Counts:
    """Counters by one label with a closed set of values.

    Attributes:
        values: the numbers by label value; callers on the hot path may add to them directly.
    """

    __slots__ = ("values",)

    def __init__(self, labels: Iterable[str]) -> None:
        self.values = dict.fromkeys((*labels, OTHER), 0)

    def add(self, label: str, count: int = 1) -> None:
        """Count ``count`` more under a label; an unknown label counts as ``other``."""
        values = self.values
        values[label if label in values else OTHER] += count
