"""Reads the gateway's /metrics; the names of the metrics that the benches rely on stand here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from .stats import bucket_quantile

if TYPE_CHECKING:
    from .servers import Server

LOOP_LAG = "tidegate_loop_lag_seconds"
TASKS = "tidegate_tasks"
CONNECTIONS = "tidegate_connections"
UNREAD = "tidegate_outbound_buffer_bytes"
STREAMS, STREAMS_PARKED = "tidegate_streams", "tidegate_streams_parked"
STREAM_BYTES = "tidegate_stream_bytes"
STREAMS_OPENED, STREAMS_CLOSED = "tidegate_streams_opened_total", "tidegate_streams_closed_total"
STREAM_STEPS = "tidegate_stream_steps_total"


@dataclass(frozen=True, slots=True)
class Scrape:
    """Everything that /metrics said at one moment: samples by name and labels."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def of(cls, server: Server) -> Scrape:
        """Read them now."""
        families = text_string_to_metric_families(server.get("/metrics"))
        return cls({(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples})

    def total(self, name: str) -> float | None:
        """Return the sum of a metric over its labels, or None when there is no such metric."""
        values = [value for (found, _), value in self.samples.items() if found == name]
        return sum(values) if values else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return the values of a metric by one label, summed over the others."""
        found: dict[str, float] = {}
        for (each, labels), value in self.samples.items():
            if each == name:
                key = dict(labels)[label]
                found[key] = found.get(key, 0.0) + value
        return found

    def buckets(self, name: str) -> dict[float, float]:
        """Return the cumulative counts of a histogram by upper bound, summed over other labels."""
        counts: dict[float, float] = {}
        for (found, labels), value in self.samples.items():
            if found == f"{name}_bucket":
                bound = float(dict(labels)["le"])
                counts[bound] = counts.get(bound, 0.0) + value
        return counts


def lag_p99_ms(before: Scrape | None, after: Scrape) -> float:
    """Return the p99 of the loop lag between two scrapes, or since the start, in milliseconds; NaN when unknown."""
    earlier = before.buckets(LOOP_LAG) if before else {}
    counts = sorted((bound, count - earlier.get(bound, 0.0)) for bound, count in after.buckets(LOOP_LAG).items())
    return bucket_quantile(counts, 0.99) * 1000
