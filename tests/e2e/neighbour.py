"""A well-behaved client that goes on with its work while others do not, checks each answer, and notes how long each took."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
from raw_client import RawClient, message_frame
from solo import digits

from tidegate.codecs.messages import Infer, Result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Neighbour:
    """One connection with one request in flight.

    Attributes:
        latencies_s: of all answers.
    """

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self.latencies_s: list[float] = []

    async def work(self, requests: int | None = None) -> None:
        """Send requests one after the other, without end if no number is given."""
        images, probs = digits()
        number = 0
        while number != requests:
            row = number % len(images)
            start = time.perf_counter()
            await self._client.send(message_frame(Infer(id=number, model_name="digits"), {"image": images[row : row + 1]}))
            answer = await self._client.message()
            self.latencies_s.append(time.perf_counter() - start)
            assert isinstance(answer.message, Result), answer.message
            assert answer.message.id == number
            assert np.array_equal(answer.tensors["probs"], probs[row : row + 1])
            number += 1

    def p99_s(self, since: int = 0) -> float:
        """Return the 99th percentile of the latencies, from one of them on."""
        ordered = sorted(self.latencies_s[since:])
        return ordered[math.ceil(0.99 * len(ordered)) - 1]


@asynccontextmanager
async def working(port: int) -> AsyncIterator[Neighbour]:
    """Let a neighbour work until the end of the block; whatever went wrong for it is raised there."""
    async with await RawClient.open(port) as client:
        neighbour = Neighbour(client)
        work = asyncio.create_task(neighbour.work())
        try:
            yield neighbour
            before = len(neighbour.latencies_s)
            async with asyncio.timeout(20):
                while len(neighbour.latencies_s) <= before and not work.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
        finally:
            work.cancel()
            outcome = (await asyncio.gather(work, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError), outcome
