"""Clients of a simulation: whoever asks, and counts what comes of it. They know neither slots nor costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from tidegate.models.client import Client
from tidegate.models.request import NEVER, Kind, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulation import Simulation

    from tidegate.errors import Overloaded
    from tidegate.models.worker import Worker

MS = 0.001


class Source(ABC):
    """Somebody who asks, and counts what comes of it; the kinds of load are below."""

    def __init__(self, worker: Worker, *, limit_s: float = NEVER, rows: int = 1, key: Any = "k", priority: int = 0) -> None:
        self.kind = Kind(worker, key, rows, nbytes=8 * rows, priority=priority)
        self.client = Client()
        self.limit_s = limit_s
        self.counts_from = 0.0
        self.counts_to = NEVER
        self.outcomes: Counter[str] = Counter()  # of requests that arrived in the time that counts
        self.latencies: list[float] = []

    @abstractmethod
    def start(self, simulation: Simulation) -> None:
        """Begin to ask."""

    def ask(self, simulation: Simulation) -> Request | None:
        """Send one request; return it if it was admitted."""
        return simulation.ask(self, self.kind, self.client, self.limit_s)

    def ended(self, simulation: Simulation, request: Request, outcome: str) -> None:
        """Take note of a request that was admitted and now has its outcome."""
        if self.counts_from <= request.arrival < self.counts_to:
            self.outcomes[outcome] += 1
            if outcome in ("in time", "late"):
                self.latencies.append(simulation.now - request.arrival)

    def refused(self, simulation: Simulation, request: Request, error: Overloaded) -> None:
        """Take note of a request that was not admitted."""
        if self.counts_from <= request.arrival < self.counts_to:
            self.outcomes[f"refused: {error.bound}"] += 1

    def refusals(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome.startswith("refused"))

    def admitted(self) -> int:
        return sum(self.outcomes.values()) - self.refusals()

    def p99(self) -> float:
        """Return the 99th percentile of the latencies of what was answered, in seconds."""
        return percentile(self.latencies, 0.99)


class Poisson(Source):
    """Open loop: so many requests a second, whatever comes of them.

    Attributes:
        pauses: whether it sends nothing for the moment.
    """

    def __init__(self, worker: Worker, rate: float, *, seed: int = 1, clients: int = 1, **options: Any) -> None:
        super().__init__(worker, **options)
        self.pauses = False
        self._rate = rate
        self._random = Random(seed)
        self._clients = [Client() for _ in range(clients)]

    def start(self, simulation: Simulation) -> None:
        simulation.at(simulation.now + self._random.expovariate(self._rate), self._arrives)

    def _arrives(self, simulation: Simulation) -> None:
        client = self._clients[0] if len(self._clients) == 1 else self._random.choice(self._clients)
        if not self.pauses:
            simulation.ask(self, self.kind, client, self.limit_s)
        if not simulation.closing:
            simulation.at(simulation.now + self._random.expovariate(self._rate), self._arrives)


class Closed(Source):
    """Closed loop: one client that always has so many requests in flight, and thinks for a while in between."""

    def __init__(self, worker: Worker, in_flight: int = 1, *, think_s: float = 0.0, seed: int = 1, **options: Any) -> None:
        super().__init__(worker, **options)
        self._in_flight = in_flight
        self._think_s = think_s
        self._random = Random(seed)

    def start(self, simulation: Simulation) -> None:
        for _ in range(self._in_flight):
            self._later(simulation)

    def ended(self, simulation: Simulation, request: Request, outcome: str) -> None:
        super().ended(simulation, request, outcome)
        self._later(simulation)

    def refused(self, simulation: Simulation, request: Request, error: Overloaded) -> None:
        super().refused(simulation, request, error)
        if not simulation.closing:
            simulation.at(simulation.now + (error.retry_after_ms or 1) * MS, self._again)

    def _later(self, simulation: Simulation) -> None:
        if not simulation.closing:
            pause_s = self._random.expovariate(1 / self._think_s) if self._think_s else 0.0
            simulation.at(simulation.now + pause_s, self._again)

    def _again(self, simulation: Simulation) -> None:
        self.ask(simulation)


class Burst(Source):
    """So many requests at once, again and again or only once, each from a client of its own."""

    def __init__(self, worker: Worker, count: int, *, every_s: float = NEVER, **options: Any) -> None:
        super().__init__(worker, **options)
        self._clients = [Client() for _ in range(count)]
        self._every_s = every_s
        self.requests: list[Request] = []  # of the last burst, those that were admitted

    def start(self, simulation: Simulation) -> None:
        simulation.at(simulation.now, self._bursts)

    def _bursts(self, simulation: Simulation) -> None:
        sent = [simulation.ask(self, self.kind, client, self.limit_s) for client in self._clients]
        self.requests = [request for request in sent if request is not None]
        if self._every_s != NEVER and not simulation.closing:
            simulation.at(simulation.now + self._every_s, self._bursts)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values do not exceed; 0 without values."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0
