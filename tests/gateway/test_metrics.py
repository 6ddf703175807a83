"""Claims about the gateway's numbers and their Prometheus text, read back by Prometheus' own parser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tidegate import errors
from tidegate.errors import ConnectionLost, TidegateError, UnrecognisedError
from tidegate.gateway.exposition import Exposition
from tidegate.gateway.histogram import Histogram
from tidegate.gateway.metrics import OUTCOMES, Gauges, Metrics
from tidegate.gateway.slot_share import SlotShare

FAMILIES = {
    "tidegate_connections": "gauge",
    "tidegate_connections_opened": "counter",
    "tidegate_connections_closed": "counter",
    "tidegate_messages_received": "counter",
    "tidegate_inbound_bytes": "gauge",
    "tidegate_outbound_buffer_bytes": "gauge",
    "tidegate_streams": "gauge",
    "tidegate_streams_parked": "gauge",
    "tidegate_stream_bytes": "gauge",
    "tidegate_streams_opened": "counter",
    "tidegate_streams_closed": "counter",
    "tidegate_stream_steps": "counter",
    "tidegate_stream_results": "counter",
    "tidegate_stream_gaps": "counter",
    "tidegate_resumes": "counter",
    "tidegate_subscriptions": "gauge",
    "tidegate_topics": "gauge",
    "tidegate_topic_bytes": "gauge",
    "tidegate_events_published": "counter",
    "tidegate_events_sent": "counter",
    "tidegate_events_conflated": "counter",
    "tidegate_requests": "counter",
    "tidegate_cancelled": "counter",
    "tidegate_rows": "counter",
    "tidegate_request_queue_seconds": "histogram",
    "tidegate_run_seconds": "histogram",
    "tidegate_batch_rows": "histogram",
    "tidegate_connections_choked": "gauge",
    "tidegate_runs_stopped": "counter",
    "tidegate_worker_processes": "gauge",
    "tidegate_worker_restarts": "counter",
    "tidegate_queue_requests": "gauge",
    "tidegate_queue_bytes": "gauge",
    "tidegate_compute_slots": "gauge",
    "tidegate_tasks": "gauge",
    "tidegate_slot_busy_seconds": "counter",
    "tidegate_slot_busy_share": "gauge",
    "tidegate_loop_lag_seconds": "histogram",
    "tidegate_loop_lag_p99_seconds": "gauge",
    "tidegate_loop_lag_max_seconds": "gauge",
    "tidegate_refused": "counter",
    "tidegate_models": "gauge",
    "tidegate_build_info": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_cpu_seconds": "counter",
    "process_open_fds": "gauge",
}


def parse(metrics: Metrics) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(Exposition(metrics).text().decode())}


def _key(sample: Any) -> tuple[str, ...]:
    labels = dict(sample.labels)
    bound = [labels.pop("le")] if "le" in labels else []
    return (sample.name, *(labels[label] for label in sorted(labels)), *bound)


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    found = [sample for family in parse(metrics).values() for sample in family.samples]
    return {_key(sample): sample.value for sample in found}


def test_every_family_is_there_with_its_type_and_help() -> None:
    """A gateway that has done nothing yet shows all its families, typed and explained, and those of the process."""
    families = parse(Metrics(["digits"]))
    assert {name: families[name].type for name in FAMILIES if name in families} == FAMILIES
    assert {name for name in families if name.startswith("tidegate_")} <= set(FAMILIES)
    assert all(family.documentation for family in families.values())


def test_counting_shows() -> None:
    """What is counted on the loop is what Prometheus reads, under the right labels."""
    metrics = Metrics(["digits"])
    metrics.connections_opened += 3
    metrics.connections_closed.add("stalled")
    metrics.messages_received.values["msgpack"] += 7
    metrics.model("digits").requests.add("ok", 5)
    metrics.model("digits").requests.add("overloaded")
    metrics.refused.add("origin")
    metrics.model("digits").cancelled.add("removed", 2)
    metrics.model("unheard of").cancelled.add("too_late")
    read = samples(metrics)
    assert read["tidegate_connections",] == 2
    assert read["tidegate_connections_opened_total",] == 3
    assert read["tidegate_connections_closed_total", "stalled"] == 1
    assert read["tidegate_messages_received_total", "msgpack"] == 7
    assert read["tidegate_requests_total", "digits", "ok"] == 5
    assert read["tidegate_requests_total", "digits", "overloaded"] == 1
    assert read["tidegate_requests_total", "digits", "internal"] == 0
    assert read["tidegate_refused_total", "origin"] == 1
    assert read["tidegate_cancelled_total", "digits", "removed"] == 2
    assert read["tidegate_cancelled_total", "other", "too_late"] == 1


def test_gauges_are_looked_up_when_sampled() -> None:
    """A sample asks for the gauges once; the text shows them as they were then."""
    gauges = [Gauges(11, {"ready": 2, "failed": 1}, {"digits": 4}, 44, 2, 1.0), Gauges(compute_slots=2, slot_busy_s=6.0)]
    metrics = Metrics(["digits"], lambda: gauges.pop(0))
    metrics.sample(100.0)
    read = samples(metrics)
    assert read["tidegate_outbound_buffer_bytes",] == 11
    assert (read["tidegate_models", "ready"], read["tidegate_models", "failed"]) == (2, 1)
    assert (read["tidegate_queue_requests", "digits"], read["tidegate_queue_bytes",]) == (4, 44)
    assert (read["tidegate_compute_slots",], read["tidegate_slot_busy_seconds_total",]) == (2, 1.0)
    metrics.sample(105.0)
    assert samples(metrics)["tidegate_slot_busy_share",] == 0.5


def test_a_batch_is_counted() -> None:
    """One call for a batch counts its rows, its run time and the wait of each request in it."""
    metrics = Metrics(["digits"])
    metrics.model("digits").batch(7, 0.25, [1.0, 0.002])
    read = samples(metrics)
    assert (read["tidegate_rows_total", "digits"], read["tidegate_batch_rows_sum", "digits"]) == (7, 7)
    assert read["tidegate_batch_rows_bucket", "digits", "4.0"] == 0
    assert read["tidegate_batch_rows_bucket", "digits", "8.0"] == 1
    assert read["tidegate_run_seconds_sum", "digits"] == 0.25
    assert read["tidegate_request_queue_seconds_count", "digits"] == 2
    assert read["tidegate_request_queue_seconds_sum", "digits"] == pytest.approx(1.002)
    assert read["tidegate_request_queue_seconds_bucket", "digits", "0.0025"] == 1


def test_clients_cannot_make_labels() -> None:
    """Names and codes that nobody declared count as other: the number of series stays what it was at the start."""
    metrics = Metrics(["digits"])
    before = set(samples(metrics))
    for index in range(100):
        metrics.model(f"model-{index}").requests.add(f"code-{index}")
        metrics.messages_received.add(f"form-{index}")
        metrics.connections_closed.add(f"reason-{index}")
        metrics.refused.add(f"reason-{index}")
    assert set(samples(metrics)) == before
    assert samples(metrics)["tidegate_requests_total", "other", "other"] == 100


def test_odd_model_names_are_escaped() -> None:
    """Any name that a model's folder can have comes back unchanged from Prometheus' parser."""
    names = ['say "hi"', "back\\slash", "line\nbreak", "naïve-模型", "a{b}", ""]
    metrics = Metrics(names)
    for number, name in enumerate(names, 1):
        metrics.model(name).requests.add("ok", number)
    read = samples(metrics)
    assert [read["tidegate_requests_total", name, "ok"] for name in names] == [1, 2, 3, 4, 5, 6]


def test_every_error_that_a_gateway_sends_is_an_outcome() -> None:
    """A code that is added to the error tree without being counted fails here."""
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, TidegateError)]
    sent = {cls.code for cls in classes if cls not in (TidegateError, ConnectionLost, UnrecognisedError)}
    assert {"ok", *sent} == set(OUTCOMES)


def test_two_gateways_in_one_process_do_not_share_numbers() -> None:
    """Each gateway has a registry of its own."""
    one, other = Metrics(["digits"]), Metrics(["digits"])
    one.connections_opened += 1
    assert samples(other)["tidegate_connections_opened_total",] == 0


BOUNDS = (1.0, 2.0, 5.0)


@given(st.lists(st.floats(-1, 10) | st.sampled_from(BOUNDS)))
def test_a_histogram_counts_values_up_to_each_bound(values: list[float]) -> None:
    """One by one or all at once, each bucket holds the values up to its bound, and the last one holds all."""
    single, many = Histogram(BOUNDS), Histogram(BOUNDS)
    for value in values:
        single.observe(value)
    many.observe_many(values)
    expected = [(bound, sum(value <= bound for value in values)) for bound in (*BOUNDS, float("inf"))]
    assert single.buckets() == many.buckets() == expected
    assert single.total == pytest.approx(many.total) == pytest.approx(sum(values))


def test_the_busy_share_covers_about_the_last_ten_seconds() -> None:
    """Two slots, of which one was busy until 20 s: half at first, and nothing of it is left ten seconds later."""
    share = SlotShare()
    assert share.read(0.0, 0.0, 2) == 0.0
    assert [share.read(float(now), float(now), 2) for now in (1, 5, 10, 20)] == [0.5] * 4
    assert share.read(25.0, 20.0, 2) == pytest.approx(10 / 30)
    assert share.read(30.0, 20.0, 2) == 0.0


def test_a_rare_reader_sees_all_the_time_since_it_last_asked() -> None:
    """Someone who asks once a minute gets the share of that minute, not of a moment."""
    share = SlotShare()
    share.read(0.0, 0.0, 1)
    assert share.read(60.0, 15.0, 1) == 0.25


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=200), st.integers(0, 8))
def test_the_busy_share_is_a_share_and_memory_is_bounded(steps: list[tuple[float, float]], slots: int) -> None:
    """However often it is read, it stays between 0 and 1 and remembers few readings."""
    share, now, busy_s = SlotShare(), 0.0, 0.0
    for step_s, busy_step_s in steps:
        now, busy_s = now + step_s, busy_s + busy_step_s
        assert 0.0 <= share.read(now, busy_s, slots) <= 1.0
    assert len(share._readings) <= 64
