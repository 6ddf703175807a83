"""Drives lanes of questions and writes down what each answer cost. It knows clocks, and nothing of what is asked."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Result, Timing

    from .asking import Lane


@dataclass(slots=True)
class Costs:
    """What answers cost, over as many runs as were added.

    Attributes:
        latencies_s: seconds from each question to its answer, as the client saw it.
        batch_sizes: rows in the batch of each answer.
        wall_s: seconds from the first question to the last answer.
        slot_s: seconds of compute slots that there were meanwhile; 0 when that is not known.
        busy_s: seconds of them that were used.
    """

    latencies_s: list[float] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)
    wall_s: float = 0.0
    slot_s: float = 0.0
    busy_s: float = 0.0

    def add(self, latency_s: float, timing: Timing) -> None:
        """Count one answer."""
        self.latencies_s.append(latency_s)
        self.batch_sizes.append(timing.batch_size)

    @property
    def per_second(self) -> float:
        """Answers in a second."""
        return len(self.latencies_s) / self.wall_s

    @property
    def rows_per_batch(self) -> float:
        """Rows in a batch, the mean over batches."""
        return len(self.batch_sizes) / batches(self.batch_sizes)

    @property
    def busy_share(self) -> float | None:
        """Which share of the compute slots' time was used, or None when that is not known."""
        return self.busy_s / self.slot_s if self.slot_s else None

    @property
    def busy_us(self) -> float:
        """Microseconds of a compute slot that an answer took."""
        return self.busy_s / len(self.latencies_s) * 1e6

    def latency_ms(self, percent: float) -> float:
        """Return how long the fastest ``percent`` of all answers took at most."""
        return float(np.percentile(self.latencies_s, percent)) * 1000


def batches(batch_sizes: Sequence[int]) -> float:
    """Count the batches that answers came in: each is one n-th of a batch of n."""
    return sum(1 / size for size in batch_sizes)


async def drive(lanes: Sequence[Lane], at_once: int, costs: Costs) -> list[list[Result]]:
    """Go through lanes, ``at_once`` of them at the same time, and return the results of each.

    Cancelling it cancels what is asked. An error ends all lanes and leaves as an ``ExceptionGroup``.
    """
    results: list[list[Result]] = [[] for _ in lanes]
    todo = iter(zip(lanes, results, strict=True))  # shared: whoever is done with a lane takes the next

    async def work() -> None:
        for lane, said in todo:
            async with aclosing(lane):
                asked = perf_counter()
                async for result in lane:
                    costs.add(perf_counter() - asked, result.timing)
                    said.append(result)
                    asked = perf_counter()

    start = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    costs.wall_s += perf_counter() - start
    return results
