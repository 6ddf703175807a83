"""How busy the gateway's compute slots are, read from its /metrics. It knows two lines of that page and no more."""

from __future__ import annotations

import asyncio
import urllib.request
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from tidegate.client.url import complete, is_loopback

_BUSY = "tidegate_slot_busy_seconds_total"
_SLOTS = "tidegate_compute_slots"
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class SlotReading:
    """The counter at one moment.

    Attributes:
        busy_s: seconds that all slots together have computed.
        slots: how many models may run at the same time.
    """

    busy_s: float
    slots: float

    @classmethod
    def parse(cls, page: str) -> Self:
        """Find the numbers in the text of /metrics.

        Raises:
            ValueError: they are not there.
        """
        lines = (line.split() for line in page.splitlines() if not line.startswith("#"))
        values = {line[0]: float(line[1]) for line in lines if len(line) == 2}
        if not values.keys() >= {_BUSY, _SLOTS}:
            raise ValueError(f"no {_BUSY} in what /metrics says")
        return cls(values[_BUSY], values[_SLOTS])


async def read_slots(url: str) -> SlotReading | None:
    """Read the counter of the gateway at a WebSocket address; None when its /metrics cannot be read from here."""
    try:
        page = await asyncio.to_thread(_get, metrics_url(url), direct=is_loopback(url))
        return SlotReading.parse(page)
    except (OSError, ValueError):
        return None


def metrics_url(url: str) -> str:
    """Return where the metrics of a gateway are: on the same port as its WebSocket."""
    parts = urlsplit(complete(url))
    return urlunsplit((parts.scheme.replace("ws", "http", 1), parts.netloc, "/metrics", "", ""))


def _get(url: str, *, direct: bool) -> str:
    # A proxy from the environment has no say about this machine.
    handlers = [urllib.request.ProxyHandler({})] if direct else []
    with urllib.request.build_opener(*handlers).open(url, timeout=_TIMEOUT_S) as answer:
        return str(answer.read().decode())
