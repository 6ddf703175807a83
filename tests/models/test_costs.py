"""What is learned of the cost of batches."""

from __future__ import annotations

import pytest

from tidegate.models.costs import Costs

SIZES = tuple(range(1, 33))


def linear(fixed: float, per_row: float) -> dict[int, float]:
    return {size: fixed + per_row * size for size in (1, 2, 4, 8, 16, 32)}


def test_batching_goes_on_while_it_pays() -> None:
    """With a fixed cost for each run the largest size is the best."""
    assert Costs(SIZES, linear(1.0, 0.1)).cap() == 32


def test_batching_stops_where_the_rate_stops_rising() -> None:
    """A model whose rows cost the same alone is not batched at all; the smallest sufficient size is taken."""
    assert Costs(SIZES, linear(0.0, 1.0)).cap() == 1
    assert Costs(SIZES, {1: 1.0, 2: 1.1, 4: 1.2, 8: 2.4, 16: 6.0, 32: 20.0}).cap() == 4


def test_only_usable_sizes_are_proposed() -> None:
    """The cap is always one of the sizes that the proof covered."""
    assert Costs((1, 3, 6), {1: 1.0, 3: 1.2, 6: 1.4}).cap() == 6
    assert Costs((1, 3, 6), {1: 1.0, 3: 1.2, 6: 6.0}).cap() == 3


def test_it_learns_while_it_runs() -> None:
    """A size that turns out slow is left."""
    costs = Costs(SIZES, linear(1.0, 0.1))
    for _ in range(60):
        costs.observe(32, 32 * 2.0)
    assert costs.cap() == 16


def test_a_size_that_noise_spoilt_is_tried_again() -> None:
    """After many full batches the next larger size has another chance, and wins it back if it is good."""
    costs = Costs(SIZES, linear(1.0, 0.1))
    for _ in range(60):
        costs.observe(32, 32 * 2.0)
    for _ in range(40 * 128):
        size = costs.cap()
        costs.observe(size, 1.0 + 0.1 * size)
    assert costs.cap() == 32


def test_nothing_known_means_as_large_as_allowed() -> None:
    """Without a measurement nothing speaks against the largest size."""
    costs = Costs(SIZES, {})
    assert (costs.cap(), costs.estimate_s(5), costs.best_rate()) == (32, 0.0, 0.0)


def test_estimates_follow_the_nearest_size() -> None:
    """The estimate of a size that was never measured comes from its neighbour."""
    costs = Costs(SIZES, {1: 1.0, 32: 16.0})
    assert costs.estimate_s(1) == pytest.approx(1.0, rel=1e-3)
    assert costs.estimate_s(30) == pytest.approx(15.0, rel=1e-3)
