"""A client with a microphone: a recording that is streamed on the clock, and what was heard in it, when.

Knows streams and the clock; knows nothing of connections, of what cuts them, or of who watches.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from .asking import CHUNK, chunks, speech
from .measuring import batches
from .recordings import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tidegate.client.stream import Stream
    from tidegate.results import Array, StreamResult

    from .recordings import Recording

STEP_S = CHUNK / RATE_HZ
"""Seconds of a chunk: 32 ms."""


@dataclass(slots=True)
class Hearing:
    """What one client has heard so far.

    Attributes:
        recording: what is spoken into its microphone.
        probabilities: of each chunk, that somebody speaks.
        latencies_s: seconds from the end of each chunk to its result.
        batch_sizes: rows in the batch of each.
        places: number of the step and of the result, for each.
        cut_s: when the connection was cut, in seconds of the recording; None if it was not.
        silent_s: how long nothing came after that; None before something did.
    """

    recording: Recording
    probabilities: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    cut_s: float | None = None
    silent_s: float | None = None

    def add(self, result: StreamResult, at_s: float) -> None:
        """Take a result that came ``at_s`` seconds after the recording began."""
        self.probabilities.append(speech(result))
        self.latencies_s.append(at_s - result.step * STEP_S)
        self.batch_sizes.append(result.timing.batch_size)
        self.places.append((result.step, result.seq))
        if self.cut_s is not None and self.silent_s is None:
            self.silent_s = at_s - self.cut_s

    def latency_ms(self, percent: float) -> float:
        """Return how long the fastest ``percent`` of all results took at most; NaN before there are any."""
        return float(np.percentile(self.latencies_s, percent)) * 1000 if self.latencies_s else float("nan")

    @property
    def rows_per_batch(self) -> float:
        """Rows in a batch, the mean over batches; NaN before there are any."""
        return len(self.batch_sizes) / batches(self.batch_sizes) if self.batch_sizes else float("nan")

    @property
    def complete(self) -> bool:
        """Whether each chunk of the recording has one result, in order."""
        return self.places == [(number, number) for number in range(1, len(chunks(self.recording.samples)) + 1)]

    def apart(self, other: Hearing) -> float:
        """Return how much the probabilities differ at most from those of another client; 1 if there are not as many."""
        if len(self.probabilities) != len(other.probabilities):
            return 1.0
        return max(abs(one - another) for one, another in zip(self.probabilities, other.probabilities, strict=True))

    @property
    def waited(self) -> int:
        """How many chunks were spoken while the connection was away."""
        if self.cut_s is None or self.silent_s is None:
            return 0
        return int((self.cut_s + self.silent_s) / STEP_S) - int(self.cut_s / STEP_S)


async def hear(stream: Stream, hearing: Hearing, start_s: float) -> None:
    """Stream the recording, which began at ``start_s``, and write down what is heard."""
    async for result in stream.run(_microphone(hearing.recording.samples, start_s)):
        hearing.add(result, perf_counter() - start_s)


async def _microphone(samples: Array, start_s: float) -> AsyncGenerator[Array]:
    """Give each chunk when its last sample has been spoken, not before; what was missed is caught up with."""
    for number, chunk in enumerate(chunks(samples), 1):
        await asyncio.sleep(start_s + number * STEP_S - perf_counter())
        yield chunk
