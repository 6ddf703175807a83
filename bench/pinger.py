"""Asks for pongs, one at a time, with pauses: a process of its own; prints one JSON line about the round trips.

``python -m bench.pinger URL --seconds 5``. The ping is the protocol's message, not WebSocket's own frame.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from dataclasses import asdict, dataclass
from time import perf_counter, process_time

import uvloop

from . import proc
from .asker import Asker
from .dialling import dial
from .load import settle
from .stats import quantile

PAUSE_S = 0.004


@dataclass(slots=True, kw_only=True)
class Pings:
    """Round trips of one window, in milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_cpu: float
    noise: proc.Noise
    failures: list[str]


async def pinged(options: argparse.Namespace, failures: list[str]) -> list[float]:
    """Ping for that long and return the round trips, in milliseconds."""
    (link,) = await dial(options.url, 1, lambda opening: Asker(opening, failures), failures)
    trips: list[float] = []
    end = perf_counter() + options.seconds
    while perf_counter() < end and not failures:
        began = perf_counter()
        await link.ping()
        trips.append((perf_counter() - began) * 1000)
        await asyncio.sleep(random.expovariate(1 / PAUSE_S))
    return trips


def main() -> None:
    """Ping, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--watch", type=int, nargs="*", default=[], help="ids of the processes of the measurement")
    options = parser.parse_args()
    settle(options)
    failures: list[str] = []
    before, cpu_s = proc.machine_times(), sum(map(proc.cpu_s, options.watch))
    began, own_s = perf_counter(), process_time()
    trips = uvloop.run(pinged(options, failures))
    used_s = sum(map(proc.cpu_s, options.watch)) - cpu_s
    pings = Pings(
        count=len(trips),
        p50_ms=quantile(trips, 0.5),
        p99_ms=quantile(trips, 0.99),
        max_ms=max(trips, default=float("nan")),
        server_cpu=used_s / (perf_counter() - began),
        noise=proc.Noise.between(before, proc.machine_times(), used_s + process_time() - own_s),
        failures=failures,
    )
    json.dump(asdict(pings), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
