"""The open loop: requests are sent when they are due, whatever the answers do.

Arrivals belong to connections at random, so that each connection has a Poisson process of its own. A connection has as
many requests on the way as it has ids; when no connection has an id left, the generator fails: it never waits.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from .link import Link
from .poisson import Fate, schedule
from .wire import case_of, header_of

if TYPE_CHECKING:
    from collections.abc import Sequence

TICK_S = 0.001
"""The clock that wakes the generator counts milliseconds: what is due within one of them goes out together."""


class Ledger:
    """What all connections of one run store; nothing is looked into before the end."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float, float]] = []
        self.answers: list[bytes] = []
        self.cases: list[int] = []
        self.failures: list[str] = []

    def fates(self) -> list[Fate]:
        """Return what became of each request that was answered."""
        return [Fate(*times, header_of(answer)[0].code) for times, answer in zip(self.times, self.answers, strict=True)]


class OpenLink(Link):
    """Sends what it is told to, and notes every answer."""

    def __init__(self, opening: bytes, frames: Sequence[bytes], ledger: Ledger) -> None:
        super().__init__(opening, ledger.failures)
        self._frames = frames
        self._ledger = ledger
        self._out: list[tuple[int, float]] = []
        self._sent: dict[int, tuple[float, float]] = {}
        self.free = deque(range(len(frames)))

    @property
    def waiting(self) -> bool:
        """Whether an answer is outstanding."""
        return bool(self._sent)

    def put(self, due: float) -> None:
        """Take a request that was due then; ``flush`` sends it."""
        self._out.append((self.free.popleft(), due))

    def flush(self) -> None:
        """Send what was put, in one write."""
        if self._out:
            out, self._out, now = self._out, [], perf_counter()
            self._sent.update({case: (due, now) for case, due in out})
            self.write(b"".join([self._frames[case] for case, _ in out]))

    def answered(self, messages: Sequence[bytes]) -> None:
        """Note the answers."""
        now = perf_counter()
        ledger, sent = self._ledger, self._sent
        for message in messages:
            case = case_of(message)
            if case not in sent:
                self.fail(f"an answer for {case}, which nobody asked")
                return
            ledger.times.append((*sent.pop(case), now))
            ledger.answers.append(message)
            ledger.cases.append(case)
            self.free.append(case)


class Arrivals:
    """Puts arrivals on the links from ``start`` to ``stop``; may be started again."""

    def __init__(self, links: Sequence[OpenLink], rate: float, seed: int, ledger: Ledger) -> None:
        self._links = links
        self._rate = rate
        self._random = random.Random(seed)
        self._ledger = ledger
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin now."""
        self._due = schedule(self._rate, perf_counter(), self._random.getrandbits(32))
        self._next = next(self._due)
        self._wake()

    def stop(self) -> None:
        """Send no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    async def drained(self, limit_s: float) -> None:
        """Wait until everything was answered, or note that it was not."""
        until = perf_counter() + limit_s
        # Looking is simpler than an event that every link has to set, and nothing is measured any more.
        while any(link.waiting for link in self._links) and perf_counter() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if left := sum(link.waiting for link in self._links):
            self._ledger.failures.append(f"{left} connections were not answered within {limit_s:.0f} s")

    def _wake(self) -> None:
        now, touched = perf_counter(), set()
        while self._next <= now:
            link = self._any()
            if link is None:
                self._ledger.failures.append("every id is on the way: more connections are needed")
                return
            link.put(self._next)
            touched.add(link)
            self._next = next(self._due)
        for link in touched:
            link.flush()
        self._timer = asyncio.get_running_loop().call_later(max(TICK_S, self._next - perf_counter()), self._wake)

    def _any(self) -> OpenLink | None:
        link = self._random.choice(self._links)
        return link if link.free else next((other for other in self._links if other.free), None)
