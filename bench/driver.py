"""Closed loops: connections that send the next request because an answer came, and store what they get.

Frames are built beforehand and answers are checked after the window. An id is never used twice at the same time.
It knows ids; what a message means is in ``wire``. A connection holds as many answers as it was sent.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from .link import Link
from .wire import case_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Recorder:
    """What all connections of one run store: answers with the case of each, its latency in seconds, and failures.

    When ``echoes`` are given, answers are compared with them as they come, and right ones are not kept: with long
    messages, new memory for every answer would cost more than everything else here.
    """

    def __init__(self, echoes: Sequence[bytes] | None = None) -> None:
        self.echoes = echoes
        self.answers: list[bytes] = []
        self.cases: list[int] = []
        self.latencies: list[float] = []
        self.failures: list[str] = []

    def __len__(self) -> int:
        return len(self.answers)


class Connection(Link):
    """Keeps ``in_flight`` requests on the way: every answer sends the next one at once.

    ``frames`` holds one request per id. Ids are used in the order in which they became free.
    """

    def __init__(self, opening: bytes, frames: Sequence[bytes], in_flight: int, recorder: Recorder) -> None:
        if len(frames) < in_flight:
            raise ValueError(f"{in_flight} requests in flight need as many ids, not {len(frames)}")
        super().__init__(opening, recorder.failures)
        self._frames = frames
        self._free = deque(range(len(frames)))
        self._in_flight = in_flight
        self._recorder = recorder
        self._sent: dict[int, float] = {}
        self._sending = self._stopped = False
        self.drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def waiting(self) -> bool:
        """Whether an answer is outstanding."""
        return bool(self._sent)

    def start(self) -> None:
        """Send the first requests."""
        self._sending = True
        self.send(self._in_flight)

    def stop(self) -> None:
        """Send no more; ``drained`` is done when the last answer is here."""
        self._sending, self._stopped = False, True
        self._look_drained()

    def send(self, count: int, now: float | None = None) -> None:
        """Send that many requests in one write, unless it was stopped."""
        if not self._sending:
            return
        now = perf_counter() if now is None else now
        out, free, frames, sent = [], self._free, self._frames, self._sent
        for _ in range(count):
            case = free.popleft()
            sent[case] = now
            out.append(frames[case])
        self.write(b"".join(out))

    def answered(self, messages: Sequence[bytes]) -> None:
        """Store the answers and go on."""
        now = perf_counter()
        recorder, sent, free = self._recorder, self._sent, self._free
        echoes, answers, cases, latencies = recorder.echoes, recorder.answers, recorder.cases, recorder.latencies
        for message in messages:
            case = case_of(message)
            if case not in sent:
                self.fail(f"an answer for {case}, which nobody asked")
                return
            latencies.append(now - sent.pop(case))
            answers.append(b"" if echoes is not None and message == echoes[case] else message)
            cases.append(case)
            free.append(case)
        self.go_on(len(messages), now)
        self._look_drained()

    def go_on(self, count: int, now: float) -> None:
        """Send as many as were answered."""
        self.send(count, now)

    def fail(self, why: str) -> None:
        """Note it, stop, and let nobody wait."""
        super().fail(why)
        self._sending = False
        if not self.drained.done():
            self.drained.set_result(None)

    def _look_drained(self) -> None:
        if self._stopped and not self._sent and not self.drained.done():
            self.drained.set_result(None)


class Pausing(Connection):
    """Waits before every request but the first, for a random time with the mean ``pause_s``: somebody who thinks."""

    pause_s = 0.02

    def go_on(self, count: int, now: float) -> None:
        """Send each of the next ones after a pause of its own."""
        for _ in range(count):
            asyncio.get_running_loop().call_later(random.expovariate(1 / self.pause_s), self.send, 1)


class Grouping(Connection):
    """Sends ``in_flight`` requests in one write, and the next group when all of them were answered."""

    def go_on(self, count: int, now: float) -> None:
        """Send the next group if this was the last answer of one."""
        if not self._sent:
            self.send(self._in_flight, now)


MANNERS = {"steady": Connection, "pausing": Pausing, "grouping": Grouping}
