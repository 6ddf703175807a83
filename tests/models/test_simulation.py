"""What must hold between models, when runs fail and when requests are cancelled: in simulation, with fixed seeds."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from simulated_clients import Burst, Closed, Poisson, percentile
from simulation import MS, Machine, Simulation

if TYPE_CHECKING:
    from tidegate.models.request import Request

SLOW_S = 0.4
DIGITS = (0.1 * MS, 0.02 * MS)


def fast_p99(slots: int, *, beside_slow: bool, think_s: float, clients: int = 8) -> float:
    """Return the 99th percentile of a fast model's latency, if asked for beside a slow one under full load or alone."""
    slow, fast = Machine(SLOW_S, 0.0, noise=0.05), Machine(*DIGITS, noise=0.1, seed=2)
    slow_worker, fast_worker = slow.worker("slow", 1), fast.worker("fast")
    asking = [Closed(fast_worker, think_s=think_s, seed=seed) for seed in range(clients)]
    load = [Closed(slow_worker, 64)] if beside_slow else []
    simulation = Simulation({slow_worker: slow, fast_worker: fast}, *load, *asking, slots=slots)
    simulation.run(30.0 if beside_slow else 5.0, 1.0).assert_clean()
    return percentile([latency for client in asking for latency in client.latencies], 0.99)


@pytest.mark.parametrize("think_s", [0.02, 0.5])
def test_a_slow_model_does_not_hold_up_a_fast_one_with_two_slots(think_s: float) -> None:
    """Beside a model whose runs take 400 ms, under full load, the fast model's p99 is at most three times what it is alone."""
    alone = fast_p99(2, beside_slow=False, think_s=think_s)
    assert fast_p99(2, beside_slow=True, think_s=think_s) <= 3 * alone


def test_with_one_slot_a_fast_model_waits_for_one_slow_run_at_most() -> None:
    """With a single slot the fast model's p99 is at most one run of the slow one more than alone."""
    alone = fast_p99(1, beside_slow=False, think_s=0.02)
    assert fast_p99(1, beside_slow=True, think_s=0.02) <= 1.15 * SLOW_S + alone  # runs of the slow one vary by 5 %


@pytest.mark.parametrize("guilty", range(32))
def test_a_poisoned_row_fails_alone(guilty: int) -> None:
    """Of 32 requests in a batch the one with the bad row gets model_failed, 31 their answers, within 2·log2(32)+1 runs."""
    machine = Machine(1 * MS, 0.1 * MS)
    burst = Burst(machine.worker("m", 32), 32)
    simulation = Simulation({burst.kind.worker: machine}, burst)
    simulation.poisoned.add(guilty)
    simulation.run(1.0).assert_clean()
    assert burst.outcomes == {"in time": 31, "model_failed": 1}
    assert simulation.runs <= 2 * 5 + 1


@pytest.mark.parametrize("guilty", [0, 13, 31])
def test_a_row_that_kills_its_worker_twice_fails_alone(guilty: int) -> None:
    """Of 32 requests in a batch the one that kills its worker gets model_failed after two deaths, 31 get their answers."""
    machine = Machine(1 * MS, 0.1 * MS)
    burst = Burst(machine.worker("m", 32), 32)
    simulation = Simulation({burst.kind.worker: machine}, burst)
    simulation.killers.add(guilty)
    simulation.run(1.0).assert_clean()
    assert burst.outcomes == {"in time": 31, "model_failed": 1}
    assert simulation.deaths == 2


def test_poisoned_rows_under_load_cost_only_themselves() -> None:
    """One bad row in fifty, at half the load that fits: each of them gets model_failed, and nobody else does."""
    machine = Machine(1 * MS, 0.02 * MS, noise=0.1)
    worker = machine.worker("m", 32)
    load = Poisson(worker, 2000.0, clients=16)
    simulation = Simulation({worker: machine}, load)
    simulation.poisoned.update(range(0, 10_000, 50))
    simulation.run(3.0).assert_clean()
    sent = load.outcomes.total()
    assert load.outcomes == {"model_failed": (sent + 49) // 50, "in time": sent - (sent + 49) // 50}


def cancel_later(simulation: Simulation, requests: list[Request], at: float, outcomes: list[str]) -> None:
    """Cancel requests at a time, and note what came of it."""

    def cancel(_: Any) -> None:
        outcomes.extend(simulation.cancel(request) for request in requests)

    simulation.at(at, cancel)


def test_a_run_that_nobody_waits_for_is_stopped() -> None:
    """Of two runs the one whose members are all cancelled is told to stop, and ends; the other one is not disturbed."""
    machine = Machine(100 * MS, 0.0)
    first, second = machine.worker("first", 8), machine.worker("second", 8)
    both = [Burst(first, 8), Burst(second, 8)]
    simulation = Simulation({first: machine, second: machine}, *both, slots=2)
    outcomes: list[str] = []
    for burst in both:
        burst.start(simulation)
    simulation.go_on(until=0.02)
    cancel_later(simulation, both[0].requests, 0.03, outcomes)
    cancel_later(simulation, both[1].requests[:7], 0.04, outcomes)
    simulation.go_on(until=0.05)
    assert simulation.stopped == 1
    simulation.go_on()
    simulation.assert_clean()
    assert (simulation.stopped, outcomes) == (1, ["dropped"] * 15)
    assert both[1].outcomes == {"cancelled": 7, "in time": 1}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_each_request_has_one_outcome(seed: int) -> None:
    """Overload, two models, bad rows, dying workers, cancelling, limits and priorities together: nothing is lost."""
    random = Random(seed)
    machines = [Machine(2 * MS, 0.2 * MS, noise=0.3, stall=(0.01, 0.05)), Machine(0.2 * MS, 0.05 * MS, noise=0.2, seed=2)]
    workers = [machines[0].worker("a", 32), machines[1].worker("b", 64, executor="process")]
    sources = [
        Poisson(workers[0], 5000.0, seed=seed, clients=20, limit_s=0.05),
        Poisson(workers[0], 300.0, seed=seed + 1, limit_s=0.2, rows=5, priority=-1, key="other"),
        Closed(workers[1], 300, rows=3),
        Closed(workers[1], 4, think_s=0.002, limit_s=0.02),
        Burst(workers[1], 200, every_s=0.1, priority=-2),
    ]
    simulation = Simulation(dict(zip(workers, machines, strict=True)), *sources, slots=2, hop_s=0.1 * MS)
    simulation.poisoned.update(random.sample(range(20_000), 200))
    simulation.killers.update(random.sample(range(20_000), 50))
    outcomes: list[str] = []

    def cancel_some(_: Any) -> None:
        waiting = [request for request in sources[4].requests if random.random() < 0.3]  # type: ignore[attr-defined]
        outcomes.extend(simulation.cancel(request) for request in waiting)
        if not simulation.closing:
            simulation.at(simulation.now + 0.013, cancel_some)

    simulation.at(0.01, cancel_some)
    simulation.run(1.0).assert_clean()
    assert {"removed", "too_late"} <= set(outcomes)
    assert {"in time", "deadline_exceeded", "model_failed", "refused: deadline"} <= set().union(
        *[source.outcomes for source in sources]
    )
