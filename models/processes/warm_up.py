"""Runs a model that was proved in another process, so that not the first requests pay for the first runs. It proves nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import TidegateError

from ..probe_search import Search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..config import ModelConfig
    from ..loader import OpenedModel
    from ..probe_shapes import Layout
    from ..signature import Batching

_LIMIT_S = 0.2
_CHEAP_S = 0.05


def cheap_sizes(batching: Batching) -> tuple[int, ...]:
    """Choose the sizes that are worth a run, the largest first: it is the one that takes memory for the first time."""
    return tuple(size for size in reversed(batching.sizes) if batching.cost_s.get(size, _CHEAP_S) < _CHEAP_S)


def warm_up(opened: OpenedModel, config: ModelConfig, layout: Layout, sizes: Sequence[int]) -> None:
    """Run a model with made-up rows in these sizes, within a time limit. Whatever fails here shows again where it matters."""
    if not sizes:
        return
    with suppress(TidegateError), opened.backend.stoppable(_LIMIT_S) as run:
        found = Search(opened.subject(run), config).runnable(layout)
        if found is None:
            return
        rows = found.pool.joined_rows()
        for size in sizes:
            chosen = np.arange(size) % len(found.pool)
            run([array if axis is None else np.take(array, chosen, axis) for array, axis in zip(rows, layout, strict=True)])
