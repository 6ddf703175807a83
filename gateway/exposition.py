"""The gateway's numbers as Prometheus wants them: families, labels, text. It counts nothing and answers no request.

It may run on another thread than the one that counts: it only reads, and copies what grows in one step. Two families of one
answer may therefore differ by what happened in between.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from tidegate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from .counts import Counts
    from .histogram import Histogram
    from .metrics import Metrics, ModelMetrics

T = TypeVar("T")
V = TypeVar("V")

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Exposition(Collector):
    """Writes one ``Metrics``, and the numbers of the process, in Prometheus' text format."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        # An own registry: the library's default one is shared by everything in the process.
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """Give everything that is counted; reads ``/proc``, so it belongs on another thread than the event loop's."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Give all families, as the library's registry asks for them."""
        yield from _connections(self._metrics)
        yield from _requests(self._metrics)
        yield from _streams(self._metrics)
        yield from _events(self._metrics)
        yield from _slots(self._metrics)
        yield from _loop_lag(self._metrics)
        yield _counter("tidegate_refused", "What was turned away, by reason.", "reason", self._metrics.refused.values)
        yield _by("tidegate_models", "Models by state.", "state", self._metrics.gauges.models)
        yield _by("tidegate_build_info", "Version of the gateway; always 1.", "version", {__version__: 1})


def _connections(metrics: Metrics) -> Iterator[Metric]:
    closed = metrics.connections_closed.values
    opened = metrics.connections_opened
    yield GaugeMetricFamily("tidegate_connections", "Open WebSocket connections.", opened - sum(closed.copy().values()))
    yield CounterMetricFamily("tidegate_connections_opened", "WebSocket connections that were opened.", opened)
    yield _counter("tidegate_connections_closed", "WebSocket connections that ended, by reason.", "reason", closed)
    forms = metrics.messages_received.values
    yield _counter("tidegate_messages_received", "Messages from clients, by form.", "form", forms)
    held = metrics.gauges.inbound_bytes
    yield GaugeMetricFamily("tidegate_inbound_bytes", "Bytes of messages not yet whole, read or decoded.", held)
    waiting = metrics.gauges.outbound_buffer_bytes
    yield GaugeMetricFamily("tidegate_outbound_buffer_bytes", "Bytes of memory that unread answers keep.", waiting)
    choked = metrics.gauges.choked
    yield GaugeMetricFamily("tidegate_connections_choked", "Connections not read from: too much waits for them.", choked)


def _requests(metrics: Metrics) -> Iterator[Metric]:
    requests = _each(metrics.models, lambda m: m.requests)
    yield _counters("tidegate_requests", "Finished requests: ok, or an error code.", "outcome", requests)
    cancelled = _each(metrics.models, lambda m: m.cancelled)
    yield _counters("tidegate_cancelled", "Cancels by what became of the work.", "outcome", cancelled)
    rows = {name: model.rows for name, model in metrics.models.items()}
    yield _counter("tidegate_rows", "Rows that ran.", "model", rows)
    stopped = {name: model.stopped for name, model in metrics.models.items()}
    yield _counter("tidegate_runs_stopped", "Runs stopped since nobody waited for them any more.", "model", stopped)
    models = metrics.models
    yield _histograms("tidegate_request_queue_seconds", "Wait before a request's batch ran.", models, lambda m: m.queue_s)
    yield _histograms("tidegate_run_seconds", "Time that a batch ran.", models, lambda m: m.run_s)
    yield _histograms("tidegate_batch_rows", "Rows in a batch.", models, lambda m: m.batch_rows)
    yield _by("tidegate_queue_requests", "Requests that wait.", "model", metrics.gauges.queue_requests)
    yield GaugeMetricFamily("tidegate_queue_bytes", "Bytes of tensors that wait.", metrics.gauges.queue_bytes)


def _streams(metrics: Metrics) -> Iterator[Metric]:
    streams = {name: model.streams for name, model in metrics.models.items()}
    yield _by("tidegate_streams", "Streams that are open, parked ones included.", "model", _each(streams, lambda s: s.open))
    parked, nbytes = metrics.gauges.streams_parked, metrics.gauges.stream_bytes
    yield GaugeMetricFamily("tidegate_streams_parked", "Streams that wait for their client to come back.", parked)
    yield GaugeMetricFamily("tidegate_stream_bytes", "Bytes of memory that all streams keep.", nbytes)
    opened = _each(streams, lambda s: s.opened)
    yield _counter("tidegate_streams_opened", "Streams that were opened.", "model", opened)
    closed = _each(streams, lambda s: s.closed)
    yield _counters("tidegate_streams_closed", "Streams that ended, by reason.", "reason", closed)
    steps = _each(streams, lambda s: s.steps)
    yield _counters("tidegate_stream_steps", "Steps: ok, or the code of an error.", "outcome", steps)
    results = _each(streams, lambda s: s.results)
    yield _counter("tidegate_stream_results", "Results of steps that were sent, or sent again.", "model", results)
    gaps = _each(streams, lambda s: s.gaps)
    yield _counter("tidegate_stream_gaps", "Results that were never sent, but told of by a gap.", "model", gaps)
    resumes = metrics.resumes.values
    yield _counter("tidegate_resumes", "Sessions that clients wanted to resume, by what came of it.", "outcome", resumes)


def _events(metrics: Metrics) -> Iterator[Metric]:
    gauges = metrics.gauges
    yield GaugeMetricFamily("tidegate_subscriptions", "Subscriptions that are open.", gauges.subscriptions)
    yield GaugeMetricFamily("tidegate_topics", "Topics that are known.", gauges.topics)
    yield GaugeMetricFamily("tidegate_topic_bytes", "Bytes of memory that their last events keep.", gauges.topic_bytes)
    published, sent, conflated = metrics.events_published, metrics.events_sent, metrics.events_conflated
    yield CounterMetricFamily("tidegate_events_published", "Events of all topics.", published)
    yield CounterMetricFamily("tidegate_events_sent", "Events that were sent, to each subscriber.", sent)
    yield CounterMetricFamily("tidegate_events_conflated", "Events that a subscriber read too slowly to be sent.", conflated)


def _slots(metrics: Metrics) -> Iterator[Metric]:
    gauges, share = metrics.gauges, metrics.slot_busy_share
    yield GaugeMetricFamily("tidegate_compute_slots", "Models that may run at the same time.", gauges.compute_slots)
    yield CounterMetricFamily("tidegate_slot_busy_seconds", "Time that all slots together were busy.", gauges.slot_busy_s)
    up, restarts = gauges.worker_processes, gauges.worker_restarts
    yield GaugeMetricFamily("tidegate_worker_processes", "Worker processes that are ready for a run, or running one.", up)
    yield CounterMetricFamily("tidegate_worker_restarts", "Worker processes started again after one died.", restarts)
    yield GaugeMetricFamily("tidegate_tasks", "asyncio tasks, about one for each connection.", gauges.tasks)
    yield GaugeMetricFamily("tidegate_slot_busy_share", "Busy share of the slots' time in the last 10 seconds.", share)


def _loop_lag(metrics: Metrics) -> Iterator[Metric]:
    histogram, lag = metrics.loop_lag.histogram, metrics.lag
    family = HistogramMetricFamily("tidegate_loop_lag_seconds", "How late the event loop was.")
    family.add_metric([], _buckets(histogram), histogram.total)
    yield family
    yield GaugeMetricFamily("tidegate_loop_lag_p99_seconds", "99th percentile of the lag in the last minute.", lag.p99_s)
    yield GaugeMetricFamily("tidegate_loop_lag_max_seconds", "Worst lag in the last minute.", lag.max_s)


def _counter(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=[label])
    for value, count in list(values.items()):
        family.add_metric([value], count)
    return family


def _counters(name: str, help_: str, label: str, counts: Mapping[str, Counts]) -> Metric:
    """Lay out counters of each model."""
    family = CounterMetricFamily(name, help_, labels=["model", label])
    for model, counted in counts.items():
        for value, count in counted.values.copy().items():
            family.add_metric([model, value], count)
    return family


def _each(models: Mapping[str, T], pick: Callable[[T], V]) -> dict[str, V]:
    return {name: pick(numbers) for name, numbers in models.items()}


def _by(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _histograms(name: str, help_: str, models: Mapping[str, ModelMetrics], pick: Callable[[ModelMetrics], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, help_, labels=["model"])
    for model, metrics in models.items():
        histogram = pick(metrics)
        family.add_metric([model], _buckets(histogram), histogram.total)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    return [("+Inf" if bound == math.inf else str(float(bound)), count) for bound, count in histogram.buckets()]
