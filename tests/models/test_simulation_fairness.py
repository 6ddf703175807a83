"""A client that floods beside fifty that ask one thing at a time, in simulation: what they notice of it."""

from __future__ import annotations

from typing import Any

import pytest
from simulated_clients import Closed, percentile
from simulation import MS, Machine, Simulation

HOP_S = 0.2 * MS  # the way from a slot over the loop
THINK_S = 0.5 * MS  # the way to a client and back
LIGHT, FLOOD = 50, 256
Shape = tuple[float, float, int]  # seconds of a run, seconds of a row, largest batch

LINEAR, OVERHEAD, BETWEEN = (0.1 * MS, 1.0 * MS, 128), (5 * MS, 0.02 * MS, 128), (2 * MS, 0.1 * MS, 128)
HALF, CAPPED = (5 * MS, 0.5 * MS, 64), (2 * MS, 0.5 * MS, 8)


def run(
    shape: Shape, *, light: int, floods: int, slots: int = 1, think_s: float = THINK_S, rows: int = 1
) -> tuple[float, float]:
    """Return the light clients' p99, and the rows per second of all."""
    fixed_s, row_s, largest = shape
    machine = Machine(fixed_s, row_s, noise=0.1)
    worker = machine.worker(largest=largest)
    asking = [Closed(worker, think_s=think_s, seed=seed) for seed in range(light)]
    flooding = [Closed(worker, FLOOD, rows=rows) for _ in range(floods)]
    simulation = Simulation({worker: machine}, *flooding, *asking, slots=slots, hop_s=HOP_S)
    span_s = max(2.0, 100 * machine.plain_s(largest))
    simulation.run(1.0 + span_s, 1.0).assert_clean()
    latencies = [latency for client in asking for latency in client.latencies]
    served = sum(client.outcomes["in time"] * client.kind.rows for client in (*asking, *flooding))
    return percentile(latencies, 0.99), served / span_s


def ratio(shape: Shape, **options: Any) -> float:
    """Return the light clients' p99 beside floods by what it is alone."""
    alone = {**options, "floods": 0, "rows": 1}
    return run(shape, light=LIGHT, **options)[0] / run(shape, light=LIGHT, **alone)[0]


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("shape", [LINEAR, OVERHEAD, BETWEEN, HALF, CAPPED])
def test_light_clients_hardly_notice_a_flood(shape: Shape, slots: int) -> None:
    """Fifty clients that ask again at once: their p99 beside one with 256 in flight is at most twice what it is alone."""
    assert ratio(shape, floods=1, slots=slots) <= 2.0


@pytest.mark.parametrize(("shape", "think_s"), [(LINEAR, 0.150), (OVERHEAD, 0.1), (BETWEEN, 0.05), (CAPPED, 0.1)])
def test_light_clients_that_pause_hardly_notice_a_flood(shape: Shape, think_s: float) -> None:
    """The same where fifty clients pause, so that alone they find the model idle most of the time."""
    assert ratio(shape, floods=1, think_s=think_s) <= 2.0


@pytest.mark.parametrize("shape", [LINEAR, OVERHEAD, BETWEEN])
def test_two_floods_are_no_worse_than_one(shape: Shape) -> None:
    """The same beside two floods, though then most of what waits is not from light clients."""
    assert ratio(shape, floods=2) <= 2.0


@pytest.mark.parametrize("shape", [LINEAR, OVERHEAD])
def test_large_requests_do_not_buy_a_larger_share(shape: Shape) -> None:
    """The same beside a flood of requests of eight rows each."""
    assert ratio(shape, floods=1, rows=8) <= 2.0


@pytest.mark.parametrize(("shape", "share"), [(LINEAR, 0.95), (CAPPED, 0.9), (OVERHEAD, 0.4), (BETWEEN, 0.4)])
def test_the_price_of_fairness_is_bounded(shape: Shape, share: float) -> None:
    """Small batches cost nothing where batching pays little, and leave two fifths of what a flood alone gets in any case."""
    beside = run(shape, light=LIGHT, floods=1)[1]
    assert beside >= share * run(shape, light=0, floods=1)[1]


def test_clients_that_are_alike_fill_the_batches() -> None:
    """Among twenty clients with thirty in flight each, nobody is light: batches are as large as they are for one."""
    machine = Machine(*BETWEEN[:2])
    worker = machine.worker()
    clients = [Closed(worker, 30, seed=seed) for seed in range(20)]
    simulation = Simulation({worker: machine}, *clients).run(2.0)
    simulation.assert_clean()
    assert simulation.rows / simulation.runs >= 120
