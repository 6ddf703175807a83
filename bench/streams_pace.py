"""Streams in real time: each sends a chunk every 32 ms, whatever the answers do, at a time within them that is its own.

What comes is only kept, with when it came; it is looked into after the window. When answers are half a second behind, the
generator stops: what is measured then is no real time any more.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from .link import Link
from .streams_voices import INPUT, PERIOD_S
from .streams_wire import StepHead, masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cases import Array
    from .streams_voices import Voices

TICK_S = 0.001
"""The clock that wakes the generator counts milliseconds: what is due within one of them goes out together."""
MOST_BEHIND = 16
"""Chunks that each stream may be without answers; the gateway lets four times as many wait."""


class Keeper(Link):
    """Keeps everything that comes, with when it came."""

    def __init__(self, opening: bytes, failures: list[str]) -> None:
        super().__init__(opening, failures)
        self.kept: list[tuple[float, Sequence[bytes]]] = []
        self.count = 0
        self.sent = 0

    @property
    def waiting(self) -> bool:
        """Whether an answer is outstanding."""
        return self.count < self.sent

    def put(self, frames: Sequence[bytes], count: int) -> None:
        """Send frames in one write, which will be answered by ``count`` messages in all."""
        self.sent += count
        self.write(b"".join(frames))

    def answered(self, messages: Sequence[bytes]) -> None:
        """Keep them."""
        self.kept.append((perf_counter(), messages))
        self.count += len(messages)

    def taken(self) -> list[tuple[float, Sequence[bytes]]]:
        """Return what was kept, and count from nothing again."""
        kept, self.kept, self.count, self.sent = self.kept, [], 0, 0
        return kept


def answers(links: Sequence[Keeper]) -> int:
    """Return how many messages have come on all of them."""
    return sum(link.count for link in links)


async def drained(links: Sequence[Keeper], limit_s: float, failures: list[str]) -> None:
    """Wait until everything was answered, or note that it was not."""
    until = perf_counter() + limit_s
    # Looking is simpler than an event that every link has to set, and nothing is measured meanwhile.
    while any(link.waiting for link in links) and perf_counter() < until and not failures:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    if left := sum(link.sent - link.count for link in links):
        failures.append(f"{left} answers did not come within {limit_s:.0f} s")


class Pace:
    """Sends the chunks of all streams when they are due, from ``start`` to ``stop``.

    Attributes:
        began: when the first period began.
        sent: when each chunk was sent, in the order in which they were due.
        overrun: whether it stopped by itself.
    """

    def __init__(self, seats: Sequence[Keeper], voices: Voices, phases: Array) -> None:
        """Prepare.

        Args:
            seats: the link of each stream.
            voices: stream ``i`` speaks voice ``i`` modulo their number.
            phases: of each stream, how far into each period its chunk is due, in seconds.
        """
        self.order = np.argsort(phases)
        self.phases = phases[self.order].tolist()
        self._links = tuple(dict.fromkeys(seats))
        self._turns = [(seats[i], StepHead(i, INPUT, voices.chunks[:1]), voices.begin(i)) for i in self.order.tolist()]
        self._chunks = [masked(chunk) for chunk in voices.chunks]
        self._period = self._turn = 0
        self._timer: asyncio.TimerHandle | None = None
        self.began = 0.0
        self.sent: list[float] = []
        self.overrun = False

    def start(self) -> None:
        """Begin now."""
        self.began = perf_counter()
        self._wake()

    def stop(self) -> None:
        """Send no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        now = perf_counter()
        self._send_due(now)
        self.overrun = len(self.sent) - answers(self._links) > MOST_BEHIND * len(self._turns)
        if not self.overrun:
            due = self.began + self._period * PERIOD_S + self.phases[self._turn]
            self._timer = asyncio.get_running_loop().call_later(max(TICK_S, due - perf_counter()), self._wake)

    def _send_due(self, now: float) -> None:
        turns, phases, chunks, out = self._turns, self.phases, self._chunks, defaultdict[Keeper, list[bytes]](list)
        period, turn, count = self._period, self._turn, 0
        passed = now - self.began - period * PERIOD_S
        while phases[turn] <= passed:
            link, head, begin = turns[turn]
            out[link] += head.of(period + 1), chunks[(begin + period) % len(chunks)]
            turn += 1
            count += 1
            if turn == len(turns):
                period, turn, passed = period + 1, 0, passed - PERIOD_S
        self._period, self._turn = period, turn
        self.sent += [now] * count
        for link, frames in out.items():
            link.put(frames, len(frames) // 2)
