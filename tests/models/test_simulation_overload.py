"""More work than fits, in simulation: goodput, what was promised to those who were admitted, and what is told to the others."""

from __future__ import annotations

from typing import Any

import pytest
from simulated_clients import Closed, Poisson
from simulation import MS, Machine, Simulation

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
    span_s = 100 * machine.plain_s(largest)
    Simulation({worker: machine}, *clients, slots=slots).run(1.2 * span_s, 0.2 * span_s).assert_clean()
    return sum(client.outcomes["in time"] for client in clients) / span_s


def overload(shape: Shape, slots: int, *, times: float = 2.0, clients: int = 64, **truth: Any) -> tuple[float, float]:
    """Ask for a multiple of what fits; return goodput by peak, and which share of what was admitted came in time."""
    fixed_s, row_s, largest = shape
    fits = peak(shape, slots, **truth)
    machine = Machine(fixed_s, row_s, seed=3, **truth)
    worker = machine.worker(largest=largest)
    span_s = min(30.0, max(6.0, 20_000 / fits))
    load = Poisson(worker, times * fits, clients=clients, limit_s=LIMIT_S)
    Simulation({worker: machine}, load, slots=slots).run(1.0 + span_s, 1.0).assert_clean()
    in_time = load.outcomes["in time"]
    return in_time / span_s / fits, in_time / load.admitted()


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize(
    ("shape", "slots"),
    [(LINEAR, 1), (LINEAR, 2), (CHEAP_ROWS, 1), (LONG, 1), (LONG, 2), (BETWEEN, 1), (CAPPED, 1), (CAPPED, 2), (SINGLE, 1)],
)
def test_twice_the_load_that_fits(shape: Shape, slots: int, noise: float) -> None:
    """Open loop, 100 ms limits: goodput is at least 0.95 of the peak, and 99 % of what is admitted is answered in time."""
    goodput, in_time = overload(shape, slots, noise=noise)
    assert goodput >= 0.95
    assert in_time >= 0.99
