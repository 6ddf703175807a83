"""What is counted of streams, and how Prometheus sees it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from test_metrics import samples

from tidegate.gateway.metrics import Gauges, Metrics
from tidegate.gateway.stream_metrics import CLOSE_REASONS, StreamCounter


def test_streams_that_come_and_go() -> None:
    """Opened streams less those that ended are open; steps are counted by how they ended, under their model."""
    metrics = Metrics(["digits"], lambda: Gauges(streams_parked=2, stream_bytes=300))
    counter = StreamCounter(metrics)
    stream: Any = SimpleNamespace(model=SimpleNamespace(name="digits"))
    for _ in range(7):
        counter.stream_opened(stream)
    for reason in (*CLOSE_REASONS, "a new one"):
        counter.stream_closed(stream, reason)
    counter.steps_ended(stream.model, "ok")
    counter.steps_ended(stream.model, "model_failed")
    metrics.resumes.add("lost")
    metrics.sample(0.0)
    read = samples(metrics)
    assert (read["tidegate_streams", "digits"], read["tidegate_streams_opened_total", "digits"]) == (1, 7)
    assert all(read["tidegate_streams_closed_total", "digits", reason] == 1 for reason in (*CLOSE_REASONS, "other"))
    assert read["tidegate_stream_steps_total", "digits", "ok"] == 1
    assert read["tidegate_stream_steps_total", "digits", "model_failed"] == 1
    assert (read["tidegate_streams_parked",], read["tidegate_stream_bytes",]) == (2, 300)
    assert read["tidegate_resumes_total", "lost"] == 1


def test_streams_of_models_that_are_not_served() -> None:
    """A stream of a model that nobody declared counts as other: clients cannot make labels."""
    metrics = Metrics(["digits"])
    before = set(samples(metrics))
    StreamCounter(metrics).stream_opened(SimpleNamespace(model=SimpleNamespace(name="x")))  # type: ignore[arg-type]
    assert set(samples(metrics)) == before
    assert samples(metrics)["tidegate_streams", "other"] == 1
