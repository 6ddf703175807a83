"""What ``server/stats`` says is the difference of two readings, whatever was counted before."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.histogram import Histogram
from tidegate.gateway.metrics import LATENCY_S, Gauges, Metrics
from tidegate.gateway.server_stats import ServerStats, percentile, states_of

STATES = {"digits": "ready", "broken": "failed"}


def _load(metrics: Metrics) -> None:
    digits = metrics.model("digits")
    digits.requests.add("ok", 10)
    digits.requests.add("overloaded", 2)
    digits.requests.add("model_failed")
    digits.requests.add("cancelled", 5)
    digits.streams.steps.add("ok", 6)
    digits.streams.steps.add("unexpected_step", 3)
    metrics.model("nobody").requests.add("unknown_model", 4)
    metrics.refused.add("in_flight", 2)
    digits.batch(4, 0.1, [0.0])
    digits.batch(2, 0.1, [0.0])
    digits.latency_s.observe_many([0.01] * 99 + [0.5])


def test_a_window() -> None:
    """Rates, percentiles and shares are of the window alone; what was counted before it does not matter."""
    metrics = Metrics(["digits"])
    stats = ServerStats(metrics, started=100.0)
    _load(metrics)
    metrics.connections_opened = 7
    metrics.connections_closed.add("lost", 2)
    metrics.loop_lag.record(1.0)
    stats.begin(Gauges(compute_slots=2, slot_busy_s=5.0), 110.0)
    _load(metrics)
    metrics.loop_lag.record(0.003)
    gauges = Gauges(compute_slots=2, slot_busy_s=5.4, queue_requests={"digits": 3}, queue_bytes=12, subscriptions=9)
    said = stats.snapshot(gauges, STATES, 112.0)
    models = said.pop("models")
    p50_ms, p99_ms = said.pop("p50_ms"), said.pop("p99_ms")
    assert said == {
        "uptime_s": 12.0, "connections": 5, "streams": 0, "subscriptions": 9, "requests_per_s": 5.0, "steps_per_s": 3.0,
        "refused_per_s": 1.0, "failed_per_s": 4.0, "loop_lag_ms": 3.0, "queue_requests": 3, "queue_bytes": 12,
        "slot_busy": 0.1, "batch_rows": 3.0,
    }  # fmt: skip
    assert 8 < p50_ms < 12
    assert 8 < p99_ms < 12
    assert models["digits"] == {
        "state": "ready", "requests_per_s": 8.0, "rows_per_s": 3.0, "p50_ms": p50_ms, "p99_ms": p99_ms, "queue_requests": 3,
        "batch_rows": 3.0, "compute_share": 0.05, "refused_per_s": 1.0, "failed_per_s": 2.0, "streams": 0,
    }  # fmt: skip
    assert models["broken"]["state"] == "failed"
    assert models.keys() == STATES.keys()


def test_a_quiet_window() -> None:
    """When nothing happens, rates are 0 and there are no percentiles."""
    metrics = Metrics(["digits"])
    stats = ServerStats(metrics, started=0.0)
    _load(metrics)
    stats.begin(Gauges(compute_slots=1), 1.0)
    said = stats.snapshot(Gauges(compute_slots=1), STATES, 2.0)
    assert (said["p50_ms"], said["p99_ms"], said["requests_per_s"], said["batch_rows"]) == (None, None, 0.0, 0.0)
    assert said["models"]["digits"]["p99_ms"] is None
    assert said["models"]["digits"].keys() == said["models"]["broken"].keys()


@given(st.lists(st.floats(1e-4, 40.0), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_near_the_exact_ones(values: list[float], share: float) -> None:
    """What the histogram says lies in the bucket of the exact value: at most a fifth beside it."""
    histogram = Histogram(LATENCY_S)
    for value in values:
        histogram.observe(value)
    found = percentile(LATENCY_S, histogram.counts, share)
    exact = sorted(values)[min(len(values) - 1, max(0, -(-round(share * len(values) * 1000) // 1000) - 1))]
    assert found == pytest.approx(exact, rel=0.2)


def test_percentiles_at_the_ends() -> None:
    """An empty histogram has none; what is beyond the last bound counts as that."""
    histogram = Histogram(LATENCY_S)
    assert percentile(LATENCY_S, histogram.counts, 0.5) is None
    histogram.observe(1000.0)
    assert percentile(LATENCY_S, histogram.counts, 0.99) == LATENCY_S[-1]


def test_a_model_with_versions() -> None:
    """A model is ready if any of its versions is."""
    described = [{"name": "m", "state": "failed"}, {"name": "m", "state": "ready"}, {"name": "m", "state": "failed"}]
    for _ in range(3):
        random.shuffle(described)
        assert states_of(described) == {"m": "ready"}
