"""Lanes are driven as many at a time as was said, and what answers cost is written down."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tidegate.client_demo.measuring import Costs, drive
from tidegate.results import Result, Timing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


def result(number: int, batch_size: int = 1) -> Result:
    timing = Timing(queue_us=0, compute_us=1, batch_size=batch_size)
    return Result({"y": np.array(number)}, model="m", version="1", timing=timing)


async def test_lanes_are_followed_in_order_and_at_most_so_many_at_once() -> None:
    """Each lane's results come back in its own order, never more than three lanes being under way."""
    running, most = 0, 0

    async def lane(start: int) -> AsyncGenerator[Result]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for number in range(start, start + 4):
            await asyncio.sleep(0)
            yield result(number)
        running -= 1

    costs = Costs()
    results = await drive([lane(10 * number) for number in range(7)], 3, costs)
    assert [[int(r["y"]) for r in of_lane] for of_lane in results] == [[10 * n + i for i in range(4)] for n in range(7)]
    assert most == 3
    assert len(costs.latencies_s) == 28
    assert costs.wall_s >= max(costs.latencies_s)


async def test_an_error_ends_all_lanes() -> None:
    """Whoever drives gets the error, and no lane stays open."""
    closed = []

    async def lane(name: str) -> AsyncGenerator[Result]:
        try:
            yield result(1)
            if name == "bad":
                raise OSError(name)
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append(name)

    with pytest.raises(ExceptionGroup) as raised:
        await drive([lane("good"), lane("bad")], 2, Costs())
    assert raised.group_contains(OSError, match="bad")
    assert sorted(closed) == ["bad", "good"]


def test_costs_are_told_in_the_units_of_their_names() -> None:
    """Rates in answers a second, latencies in milliseconds, rows as a mean over batches, slots as a share."""
    costs = Costs(latencies_s=[0.001, 0.002, 0.003, 0.004], batch_sizes=[3, 3, 3, 1], wall_s=0.5, slot_s=1.0, busy_s=0.25)
    assert (costs.per_second, costs.rows_per_batch, costs.busy_share, costs.busy_us) == (8.0, 2.0, 0.25, 62_500.0)
    assert (costs.latency_ms(50), costs.latency_ms(100)) == (2.5, 4.0)
    assert Costs().busy_share is None
