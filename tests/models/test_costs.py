"""What is learned of the cost of batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        size = costs.explore()
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


def test_keys_cost_what_they_cost() -> None:
    """A key whose rows take four times as long is expected to, at sizes where it was never seen too."""
    costs = Costs(SIZES, linear(1.0, 0.1))
    for _ in range(100):
        costs.observe(4, 1.4, "short")
        costs.observe(4, 5.6, "long")
    assert costs.estimate_s(4, "long") == pytest.approx(5.6, rel=0.1)
    assert costs.estimate_s(4, "short") == pytest.approx(1.4, rel=0.1)
    assert costs.estimate_s(32, "long") == pytest.approx(4 * costs.estimate_s(32, "short"), rel=0.1)


def test_one_slow_moment_does_not_spoil_an_estimate() -> None:
    """A run that took a hundred times as long counts as if it took four times as long."""
    costs = Costs(SIZES, linear(1.0, 0.1))
    costs.observe(4, 140.0)
    assert costs.estimate_s(4) < 4 * 1.4


def test_remembered_keys_are_bounded() -> None:
    """A client that makes up shapes for ever takes no more memory than 1024 keys."""
    costs = Costs(SIZES, linear(1.0, 0.1))
    for number in range(5000):
        costs.observe(4, 1.4, number)
    assert len(costs._factors) <= 1024


@given(st.lists(st.floats(0.001, 1.0), min_size=6, max_size=6), st.floats(0.0001, 50.0), st.integers(1, 32))
def test_the_largest_size_within_a_time_is_found(per_size: list[float], seconds: float, rows: int) -> None:
    """What is proposed takes no longer than allowed, or is one row."""
    costs = Costs(SIZES, dict(zip((1, 2, 4, 8, 16, 32), per_size, strict=True)))
    size = costs.size_within(seconds, rows)
    assert 1 <= size <= rows
    assert size == 1 or costs.estimate_s(size) <= seconds * (1 + 1e-9)
