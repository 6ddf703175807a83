"""Rows that stay together from token to token: whose they are and what is known of each. Pure; knows no cache.

While they do, each run feeds every row one token and every row is given one: nothing of this is changed then, only how far they
have moved is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tidegate.results import Array  # noqa: TC001 - a tuple's annotations are read

from .sampler import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .generation import Generation
    from .loop import Loop

FIELDS = np.dtype(
    [
        ("length", np.int64),  # tokens in the caches
        ("left", np.int64),  # tokens to be made
        ("temperature", np.float64),
        ("top_k", np.int64),
        ("top_p", np.float64),
        ("seed", np.uint64),
        ("draws", np.uint64),  # tokens chosen with this seed
        ("chosen", np.bool_),  # whether what it is fed next was chosen, and is not of a prompt
    ]
)
"""What is known of each row."""


class Outlook(NamedTuple):
    """What is true of rows that stay together.

    Attributes:
        sampling: how their tokens are chosen.
        draws: which random number each uses next, before they moved.
        least: how often they can move before one of them has made its tokens or filled the context.
        asks: whether any of them wants more told than its tokens.
    """

    sampling: Sampling
    draws: Array
    least: int
    asks: bool

    @classmethod
    def of(cls, loop: Loop, owners: Sequence[Generation], table: Array) -> Outlook:
        """Find it out."""
        temperature, top_k, top_p, seed, draws = (
            np.ascontiguousarray(table[name]) for name in ("temperature", "top_k", "top_p", "seed", "draws")
        )
        least = int(table["left"].min())
        if loop.context is not None:
            least = min(least, loop.context - int(table["length"].max()))
        return cls(Sampling(temperature, top_k, top_p, seed), draws, least, any(owner.wanted for owner in owners))


class Group:
    """Rows that stay together.

    Attributes:
        loop: how their model feeds itself.
        owners: whose each is.
        table: one record of ``FIELDS`` for each, before they moved.
    """

    __slots__ = ("_is_padded", "_ones", "_outlook", "_padding", "loop", "owners", "table")

    def __init__(self, loop: Loop, owners: Sequence[Generation], table: Array) -> None:
        self.loop = loop
        self.owners = owners
        self.table = table
        self._outlook: Outlook | None = None
        self._padding: Array | None = None
        self._is_padded: bool | None = None
        self._ones: Array | None = None

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def outlook(self) -> Outlook:
        """What is true of them for as long as they stay together; found out when they first run."""
        if self._outlook is None:
            self._outlook = Outlook.of(self.loop, self.owners, self.table)
        return self._outlook

    def moved(self, by: int) -> Array:
        """Return what is known of each row when they have moved so often; not to be changed."""
        if not by:
            return self.table
        table = self.table.copy()
        table["length"] += by
        table["left"] -= by
        table["draws"] += np.uint64(by)
        table["chosen"] = True
        return table

    def padding(self, cached: int, moved: int) -> Array:
        """Return before how many of the tokens in the caches each row begins, INT64 [rows, 1]; it does not change."""
        if self._padding is None:
            self._padding = (cached - moved - self.table["length"])[:, None]
        return self._padding

    def mask(self, padding: Array, tokens: int, dtype: np.dtype[Any]) -> Array:
        """Return which of so many tokens are no padding, [rows, tokens]; not to be changed. The datatype is always the same."""
        if self._is_padded is None:
            self._is_padded = bool(padding.any())
        if self._is_padded:
            return (np.arange(tokens) >= padding).astype(dtype)
        size, ones = len(self) * tokens, self._ones
        if ones is None or ones.size < size:
            self._ones = ones = np.ones(2 * size, dtype)  # it grows with each step
        return ones[:size].reshape(len(self), tokens)
