"""More work than fits, in simulation: goodput, what was promised to those who were admitted, and what is told to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from simulated_clients import Closed, Poisson, Source, percentile
from simulation import MS, Machine, Simulation

if TYPE_CHECKING:
    from tidegate.errors import Overloaded
    from tidegate.models.request import Request

LIMIT_S = 0.1
Shape = tuple[float, float, int]  # seconds of a run, seconds of a row, largest batch

LINEAR, CHEAP_ROWS = (0.1 * MS, 1.0 * MS, 128), (0.1 * MS, 0.1 * MS, 128)
OVERHEAD, LONG, BETWEEN = (5 * MS, 0.02 * MS, 128), (20 * MS, 0.1 * MS, 128), (2 * MS, 0.1 * MS, 128)
CAPPED, SINGLE = (2 * MS, 0.5 * MS, 8), (10 * MS, 0.0, 1)


def peak(shape: Shape, slots: int, **truth: Any) -> float:
    """Return the requests per second that a closed loop with plenty in flight achieves."""
    fixed_s, row_s, largest = shape
    machine = Machine(fixed_s, row_s, **truth)
    worker = machine.worker(largest=largest)
    clients = [Closed(worker, max(1, largest * slots // 2)) for _ in range(8)]
    span_s = max(3.0, 100 * machine.plain_s(largest))
    Simulation({worker: machine}, *clients, slots=slots).run(1.2 * span_s, 0.2 * span_s).assert_clean()
    return sum(client.outcomes["in time"] for client in clients) / span_s


def overload(shape: Shape, slots: int, *, times: float = 2.0, clients: int = 64, **truth: Any) -> tuple[float, float]:
    """Ask for a multiple of what fits; return goodput by peak, and which share of what was admitted came in time."""
    fixed_s, row_s, largest = shape
    fits = peak(shape, slots, **truth)
    machine = Machine(fixed_s, row_s, seed=3, **truth)
    worker = machine.worker(largest=largest)
    span_s = min(20.0, max(3.0, 10_000 / fits))
    load = Poisson(worker, times * fits, clients=clients, limit_s=LIMIT_S)
    Simulation({worker: machine}, load, slots=slots).run(1.0 + span_s, 1.0).assert_clean()
    in_time = load.outcomes["in time"]
    return in_time / span_s / fits, in_time / load.admitted()


@pytest.mark.parametrize(
    ("shape", "slots", "noise"),
    [
        (LINEAR, 1, 0.0),
        (LINEAR, 2, 0.1),
        (CHEAP_ROWS, 1, 0.1),
        (LONG, 1, 0.1),
        (LONG, 2, 0.0),
        (BETWEEN, 1, 0.1),
        (CAPPED, 1, 0.0),
        (CAPPED, 2, 0.1),
        (SINGLE, 1, 0.3),
        (SINGLE, 2, 0.0),
    ],
)
def test_twice_the_load_that_fits(shape: Shape, slots: int, noise: float) -> None:
    """Open loop, 100 ms limits: goodput is at least 0.95 of the peak, and 99 % of what is admitted is answered in time."""
    goodput, in_time = overload(shape, slots, noise=noise)
    assert goodput >= 0.95
    assert in_time >= 0.99


@pytest.mark.parametrize("clients", [1, 3000])
def test_it_does_not_matter_from_how_many_clients_it_comes(clients: int) -> None:
    """The same for one client alone, and for thousands that ask so seldom that each is new to the queue."""
    goodput, in_time = overload(CAPPED, 1, clients=clients, noise=0.1)
    assert goodput >= 0.95
    assert in_time >= 0.99


@pytest.mark.parametrize("times", [1.1, 5.0])
def test_hardly_more_than_fits_and_much_more(times: float) -> None:
    """The same where the load is a little or five times above what fits."""
    goodput, in_time = overload(CAPPED, 1, times=times, noise=0.1)
    assert goodput >= 0.95
    assert in_time >= 0.99


@pytest.mark.parametrize(("slow", "believed"), [(2.0, 1.0), (0.5, 1.0), (1.0, 5.0), (1.0, 0.3)])
def test_costs_that_are_not_what_they_were(slow: float, believed: float) -> None:
    """A machine that becomes half or twice as fast at once, or that was measured wrong at load, costs two per cent at most."""
    fixed_s, row_s, largest = CAPPED
    machine = Machine(fixed_s, row_s, noise=0.1, slow_from=6.0, slow=slow)
    fits = largest / machine.plain_s(largest)
    worker = machine.worker(largest=largest, believed=believed)
    load = Poisson(worker, 2.2 * fits / min(slow, 1.0), clients=64, limit_s=LIMIT_S)
    Simulation({worker: machine}, load).run(16.0, 1.0).assert_clean()
    in_time = load.outcomes["in time"]
    assert in_time >= 0.95 * (5.0 * fits + 10.0 * fits / slow)
    assert in_time >= 0.98 * load.admitted()


def test_a_million_requests() -> None:
    """Thirty seconds at twice the load that fits: each of a million requests has one outcome, and the promises hold."""
    fixed_s, row_s, largest = OVERHEAD
    machine = Machine(fixed_s, row_s, noise=0.1)
    worker = machine.worker()
    fits = largest / machine.plain_s(largest)
    load = Poisson(worker, 2 * fits, clients=64, limit_s=LIMIT_S)
    Simulation({worker: machine}, load).run(1_000_000 / (2 * fits)).assert_clean()
    assert load.outcomes.total() >= 990_000
    assert load.outcomes["in time"] >= 0.99 * load.admitted()
    assert load.outcomes["in time"] >= 0.95 * 500_000


class Lone(Source):
    """Asks until it is refused, lets the load stop, and asks again when it was told to."""

    def __init__(self, load: Poisson) -> None:
        super().__init__(load.kind.worker, limit_s=LIMIT_S)
        self.admitted_again: list[bool] = []
        self._load = load
        self._was_refused = False

    def start(self, simulation: Simulation) -> None:
        simulation.at(2.0, self._asks)

    def _asks(self, simulation: Simulation) -> None:
        if self.ask(simulation) is None:
            return
        if self._was_refused:
            self._is_over(simulation, admitted=True)
        elif not simulation.closing:
            simulation.at(simulation.now + 1.3 * MS, self._asks)

    def refused(self, simulation: Simulation, request: Request, error: Overloaded) -> None:
        super().refused(simulation, request, error)
        if self._was_refused:
            self._is_over(simulation, admitted=False)
            return
        self._was_refused = self._load.pauses = True
        assert error.retry_after_ms is not None
        assert error.retry_after_ms <= 2500 * LIMIT_S
        simulation.at(simulation.now + error.retry_after_ms * MS, self._asks)

    def _is_over(self, simulation: Simulation, *, admitted: bool) -> None:
        self.admitted_again.append(admitted)
        self._was_refused = self._load.pauses = False
        simulation.at(simulation.now + 0.3, self._asks)


@pytest.mark.parametrize(("shape", "slots"), [(LINEAR, 1), (CAPPED, 2), (LONG, 1), (SINGLE, 1)])
def test_a_lone_retry_is_admitted(shape: Shape, slots: int) -> None:
    """Whoever was refused and asks again after retry_after_ms, alone, is admitted nine times of ten."""
    fixed_s, row_s, largest = shape
    machine = Machine(fixed_s, row_s, noise=0.1)
    worker = machine.worker(largest=largest)
    load = Poisson(worker, 2 * slots * largest / machine.plain_s(largest), clients=64, limit_s=LIMIT_S)
    lone = Lone(load)
    Simulation({worker: machine}, load, lone, slots=slots).run(12.0).assert_clean()
    assert len(lone.admitted_again) >= 20
    assert sum(lone.admitted_again) >= 0.9 * len(lone.admitted_again)


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("shape", "objective_ms"), [(LINEAR, 50.0), (OVERHEAD, 30.0), (CAPPED, 30.0), (SINGLE, 50.0)])
def test_a_latency_objective_is_met(shape: Shape, objective_ms: float, times: float) -> None:
    """With an objective and no limits: the p99 of what is admitted is within it at any load; the rest is told why not."""
    fixed_s, row_s, largest = shape
    machine = Machine(fixed_s, row_s, noise=0.1)
    worker = machine.worker(largest=largest, objective_ms=objective_ms)
    fits = largest / machine.plain_s(largest)
    load = Poisson(worker, times * fits, clients=64)
    Simulation({worker: machine}, load).run(min(12.0, 30_000 / fits), 1.0).assert_clean()
    assert percentile(load.latencies, 0.99) <= objective_ms * MS
    assert set(load.outcomes) <= {"in time", "refused: objective"}
    assert load.outcomes["in time"] >= 0.8 * min(1.0, times) * fits * (min(12.0, 30_000 / fits) - 1.0)
