"""Streams that are opened, stepped once or twice, and dropped without a close, a wave of connections at a time.

Of each ten connections, five are cut when everything was answered, so that their streams wait to be resumed and nobody
comes; four stay and say nothing more until the gateway has ended their streams; one is cut with everything in flight.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from .dialling import dial
from .link import Link
from .stream_sums import Tally, check, frames, steps_of

if TYPE_CHECKING:
    from collections.abc import Sequence

CUT, IDLE, IN_FLIGHT = "cut", "idle", "in flight"
WAYS = (CUT, IDLE, CUT, IDLE, CUT, IDLE, CUT, IDLE, CUT, IN_FLIGHT)
ANSWER_TIMEOUT_S = 60.0


class Dropper(Link):
    """Some streams on one connection."""

    def __init__(self, opening: bytes, failures: list[str], streams: Sequence[int]) -> None:
        super().__init__(opening, failures)
        self.streams = streams
        self.kept: list[bytes] = []
        self._due = 0
        self._came = asyncio.Event()

    def answered(self, messages: Sequence[bytes]) -> None:
        """Keep them."""
        self.kept += messages
        if len(self.kept) >= self._due:
            self._came.set()

    def fail(self, why: str) -> None:
        """Note it, and let nobody wait."""
        super().fail(why)
        self._came.set()

    async def came(self, due: int) -> None:
        """Wait until so many messages came.

        Raises:
            TimeoutError: they did not.
        """
        self._due = due
        self._came.clear()
        if len(self.kept) < due:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._came.wait()


@dataclass(slots=True)
class Wave:
    """One wave of connections.

    Attributes:
        took_s: from the first open to the last answer of those that were not cut in flight.
    """

    links: list[Dropper]
    took_s: float = 0.0


async def begin(url: str, connections: int, streams: Sequence[int], tally: Tally) -> Wave:
    """Open, step, and wait for the answers; some connections are cut meanwhile.

    Raises:
        TimeoutError: an answer did not come.
    """
    failures: list[str] = []
    parts = [streams[i::connections] for i in range(connections)]
    turns = iter(parts)
    links = await dial(url, connections, lambda opening: Dropper(opening, failures, next(turns)), failures)
    said = [frames(link.streams) for link in links]
    wave, began = Wave(links), perf_counter()
    for link, frame in zip(links, said, strict=True):
        link.write(frame)
    await asyncio.gather(*(_answer(link, _way(place), tally) for place, link in enumerate(links)))
    wave.took_s = perf_counter() - began
    for why in failures:
        tally.refuse(why)
    return wave


async def _answer(link: Dropper, way: str, tally: Tally) -> None:
    await link.came(1 if way == IN_FLIGHT else _due(link))
    if way == IN_FLIGHT:
        link.close()
        tally.unknown += len(link.streams)


async def end(wave: Wave, tally: Tally) -> None:
    """Cut what is to be cut, wait until the gateway has ended the streams of the others, and check everything.

    Raises:
        TimeoutError: it has not.
    """
    for place, link in enumerate(wave.links):
        if _way(place) == CUT:
            link.close()
            check(link.streams, link.kept, tally, idle=False)
    idle = [link for place, link in enumerate(wave.links) if _way(place) == IDLE]
    await asyncio.gather(*(link.came(_due(link) + len(link.streams)) for link in idle))
    for link in idle:
        link.close()
        check(link.streams, link.kept, tally, idle=True)


def _way(place: int) -> str:
    return WAYS[place % len(WAYS)]


def _due(link: Dropper) -> int:
    return len(link.streams) + sum(steps_of(stream) for stream in link.streams)
