"""Loop lag while models load and run, as the gateway's own histogram saw it: ``python -m bench.lag``.

The gateway runs as a user starts it, on all cores; the loads of the three models share the second core with it, all at
once. First version: models are loaded once, at the start.
"""

from __future__ import annotations

import argparse
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from . import machine, measure, servers
from .gauges import Scrape, lag_p99_ms
from .measure import Load
from .models import SHAPES
from .stats import table
from .turns import Plan
from .workspace import workspace

CONNECTIONS, IN_FLIGHT = 4, 8
TARGET_MS = 10.0


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    plan = dataclasses.replace(Plan(), window_s=parser.parse_args().seconds)
    _, load_core = machine.two_cores()
    print(machine.describe(), flush=True)
    with workspace() as space, servers.gateway(space.models) as server, ThreadPoolExecutor() as pool:
        loaded = Scrape.of(server)
        loads = [Load(model=name, core=load_core, connections=CONNECTIONS, in_flight=IN_FLIGHT) for name in SHAPES]
        windows = dict(zip(SHAPES, pool.map(partial(measure.load, server, space, plan), loads), strict=True))
        ran = Scrape.of(server)
    lines = [("while models load", lag_p99_ms(None, loaded)), ("while they run", lag_p99_ms(loaded, ran))]
    print("\n" + table(["phase", "loop lag p99 ms", "target"], [(*line, f"≤ {TARGET_MS:g}") for line in lines]))
    print(
        "\n"
        + table(
            ["model", "requests/s", "p50 ms", "p99 ms"],
            [(name, w.rate, w.p50_us / 1000, w.p99_us / 1000) for name, w in windows.items()],
        )
    )


if __name__ == "__main__":
    main()
