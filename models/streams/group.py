"""Rows that stay together from token to token: whose they are and what is known of each. Pure; knows no cache.

While they do, each run feeds every row one token and every row is given one: nothing of this is changed then, only how far they
have moved is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .sampler import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

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


class Group:
    """Rows that stay together.

    Attributes:
        loop: how their model feeds itself.
        owners: whose each is.
        table: one record of ``FIELDS`` for each, before they moved.
        sampling: how their tokens are chosen.
        draws: which random number each uses next, before they moved.
        least: how often they can move before one of them has made its tokens or filled the context.
        asks: whether any of them wants more told than its tokens.
    """

    __slots__ = ("_padding", "asks", "draws", "least", "loop", "owners", "sampling", "table")

    def __init__(self, loop: Loop, owners: Sequence[Generation], table: Array) -> None:
        self.loop = loop
        self.owners = owners
        self.table = table
        temperature, top_k, top_p, seed, self.draws = (
            np.ascontiguousarray(table[name]) for name in ("temperature", "top_k", "top_p", "seed", "draws")
        )
        self.sampling = Sampling(temperature, top_k, top_p, seed)
        self.least = int(table["left"].min())
        if loop.context is not None:
            self.least = min(self.least, loop.context - int(table["length"].max()))
        self.asks = any(owner.wanted for owner in owners)
        self._padding: Array | None = None

    def __len__(self) -> int:
        return len(self.owners)

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
