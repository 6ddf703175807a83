"""When a worker process that died is started again."""

from __future__ import annotations

from tidegate.models.processes.backoff import FIRST_S, GOOD_WHILE_S, LONGEST_S, Backoff


def test_deaths_in_a_row_wait_longer_and_longer() -> None:
    """The wait doubles from a tenth of a second and stays at five, whether the process became ready or not."""
    backoff = Backoff()
    waits = [backoff.died(0.0)]
    for now in range(1, 9):
        backoff.started(float(now))
        waits.append(backoff.died(now + 0.5))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert (FIRST_S, LONGEST_S) == (0.1, 5.0)


def test_a_good_life_is_forgiven() -> None:
    """After a process that lived for a good while, the wait begins anew; a moment less does not count."""
    backoff = Backoff()
    for _ in range(4):
        backoff.died(0.0)
    backoff.started(100.0)
    assert backoff.died(100.0 + GOOD_WHILE_S - 0.001) == 1.6
    backoff.started(200.0)
    assert backoff.died(200.0 + GOOD_WHILE_S) == FIRST_S


def test_never_ready_is_not_a_long_life() -> None:
    """The time since the last process that was ready does not count for one that never was."""
    backoff = Backoff()
    backoff.started(0.0)
    assert backoff.died(1.0) == 0.1
    assert backoff.died(1000.0) == 0.2
