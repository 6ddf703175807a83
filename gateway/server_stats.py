"""What ``server/stats`` says: rates and percentiles of the time since the last snapshot, from the numbers that are counted
anyway. Pure; takes ``now``; knows nobody who wants to know.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from .metrics import LATENCY_S, ModelMetrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .counts import Counts
    from .metrics import Gauges, Metrics

REFUSED = ("overloaded", "shutting_down")
NOT_FAILED = ("ok", "cancelled", *REFUSED)


class ModelReading(NamedTuple):
    """What was counted of a model: numbers by name, and how many requests took how long."""

    counted: Mapping[str, float]
    latencies: Sequence[int]

    @classmethod
    def of(cls, model: ModelMetrics) -> ModelReading:
        """Read what was counted up to now."""
        asked, steps = model.requests.values, model.streams.steps.values
        counted = {
            "requests": asked["ok"],
            "steps": steps["ok"],
            "refused": sum(asked[code] + steps[code] for code in REFUSED),
            "failed": sum(count for each in (asked, steps) for code, count in each.items() if code not in NOT_FAILED),
            "rows": model.rows,
            "runs": sum(model.batch_rows.counts),
            "run_s": model.run_s.total,
        }
        return cls(counted, tuple(model.latency_s.counts))

    def since(self, before: ModelReading) -> ModelReading:
        """Return what was counted since an earlier reading."""
        counted = {name: count - before.counted[name] for name, count in self.counted.items()}
        return ModelReading(counted, [now - then for now, then in zip(self.latencies, before.latencies, strict=True)])


class Reading(NamedTuple):
    """What was counted of everything up to a moment."""

    now: float
    models: Mapping[str, ModelReading]
    refused: int
    slot_busy_s: float
    lags: int

    @classmethod
    def of(cls, metrics: Metrics, gauges: Gauges, now: float) -> Reading:
        """Read it."""
        models = {name: ModelReading.of(model) for name, model in metrics.models.items()}
        lags = sum(metrics.loop_lag.histogram.counts)
        return cls(now, models, _sum(metrics.refused), gauges.slot_busy_s, lags)


class ServerStats:
    """Makes one snapshot after the other.

    Args:
        metrics: the gateway's numbers.
        started: when the gateway began to serve.
    """

    def __init__(self, metrics: Metrics, started: float) -> None:
        self._metrics = metrics
        self._started = started
        self._before: Reading | None = None

    def begin(self, gauges: Gauges, now: float) -> None:
        """Let the first window begin now."""
        self._before = Reading.of(self._metrics, gauges, now)

    def snapshot(self, gauges: Gauges, states: Mapping[str, str], now: float) -> dict[str, Any]:
        """Say what has happened since the last time, and how things stand.

        Args:
            gauges: queues, compute slots and subscriptions, as they are now.
            states: of each model, by name.
            now: the time.
        """
        metrics, before, after = self._metrics, self._before, Reading.of(self._metrics, gauges, now)
        assert before is not None
        self._before = after
        window_s = max(1e-6, now - before.now)
        parts = {name: reading.since(before.models[name]) for name, reading in after.models.items()}
        total, slots_s = _total([*parts.values()]), window_s * gauges.compute_slots
        lags = metrics.loop_lag.latest(after.lags - before.lags)
        return {
            "uptime_s": round(now - self._started, 3),
            "connections": metrics.connections_opened - _sum(metrics.connections_closed),
            "streams": sum(model.streams.open for model in metrics.models.values()),
            "subscriptions": gauges.subscriptions,
            "requests_per_s": _rate(total.counted["requests"], window_s),
            "steps_per_s": _rate(total.counted["steps"], window_s),
            "refused_per_s": _rate(after.refused - before.refused, window_s),
            "failed_per_s": _rate(total.counted["failed"], window_s),
            **_percentiles(total),
            "loop_lag_ms": _ms(_of_sorted(sorted(lags), 0.99)) or 0.0,
            "queue_requests": sum(gauges.queue_requests.values()),
            "queue_bytes": gauges.queue_bytes,
            "slot_busy": _share(after.slot_busy_s - before.slot_busy_s, slots_s),
            "batch_rows": _mean(total),
            "models": {
                name: {"state": state, **self._model(name, parts.get(name, NOTHING), gauges, window_s)}
                for name, state in states.items()
            },
        }

    def _model(self, name: str, part: ModelReading, gauges: Gauges, window_s: float) -> dict[str, Any]:
        counted = part.counted
        return {
            "requests_per_s": _rate(counted["requests"] + counted["steps"], window_s),
            "rows_per_s": _rate(counted["rows"], window_s),
            **_percentiles(part),
            "queue_requests": gauges.queue_requests.get(name, 0),
            "batch_rows": _mean(part),
            "compute_share": _share(counted["run_s"], window_s * gauges.compute_slots),
            "refused_per_s": _rate(counted["refused"], window_s),
            "failed_per_s": _rate(counted["failed"], window_s),
            "streams": self._metrics.model(name).streams.open,
        }


def percentile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """Return about the value that a share of the counted ones does not exceed, from a histogram; None if it is empty.

    Args:
        bounds: upper bounds, ascending.
        counts: how many values there were up to each, and one number more for those above all of them.
        share: 0 to 1.
    """
    wanted = share * sum(counts)
    if not wanted:
        return None
    low, passed = 0.0, 0
    for bound, count in zip((*bounds, bounds[-1]), counts, strict=True):
        if count and passed + count >= wanted:
            return low + (bound - low) * (wanted - passed) / count
        low, passed = bound, passed + count
    return bounds[-1]


def _total(parts: Sequence[ModelReading]) -> ModelReading:
    counted = {name: sum(part.counted[name] for part in parts) for name in parts[0].counted}
    return ModelReading(counted, [sum(column) for column in zip(*[part.latencies for part in parts], strict=True)])


def _percentiles(part: ModelReading) -> dict[str, float | None]:
    return {f"p{share}_ms": _ms(percentile(LATENCY_S, part.latencies, share / 100)) for share in (50, 99)}


def states_of(described: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the state of each model by name: ready, if any version of it is."""
    states: dict[str, str] = {}
    for model in described:
        if states.get(model["name"]) != "ready":
            states[model["name"]] = model["state"]
    return states


def _sum(counts: Counts) -> int:
    return sum(counts.values.values())


def _of_sorted(values: Sequence[float], share: float) -> float | None:
    return values[math.ceil(share * len(values)) - 1] if values else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)


def _rate(count: float, seconds: float) -> float:
    return round(count / seconds, 2)


def _mean(part: ModelReading) -> float:
    """Return the mean rows of a batch."""
    return round(part.counted["rows"] / part.counted["runs"], 2) if part.counted["runs"] else 0.0


def _share(part: float, whole: float) -> float:
    return round(min(1.0, max(0.0, part / whole)), 4) if whole > 0 else 0.0


NOTHING = ModelReading.of(ModelMetrics())
"""Of a model that was never served."""
