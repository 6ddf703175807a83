"""The load generator: its own process on its own core; prints one JSON line about one measuring window.

``python -m bench.load ws://127.0.0.1:8000/v1 --model tiny --cases FILE.npz --watch PID``. It warms up, measures, lets
the last answers come in, and then checks every answer of the whole run. The server's CPU time is read from /proc at
the very start and end of the window. It knows no particular server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import numpy as np
import uvloop

from . import proc, wire
from .driver import Connection, Recorder, frame, handshake
from .stats import quantile, ratio

OPEN_TIMEOUT_S = 10.0
DRAIN_TIMEOUT_S = 20.0


@dataclass(slots=True)
class Window:
    """What was measured in one window; rates per second, shares of one core."""

    rate: float
    p50_us: float
    p99_us: float
    server_us: float
    loop_share: float
    threads_share: float
    load_share: float
    noise: proc.Noise
    checked: wire.Checked
    failures: list[str]

    @property
    def sound(self) -> bool:
        """Whether every answer came, once, and was right."""
        return not self.failures and not self.checked.wrong and self.checked.answers > 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All clocks at one end of the window."""

    answers: int
    wall: float
    own: float
    threads: dict[int, float]
    machine: proc.MachineTimes

    @classmethod
    def take(cls, recorder: Recorder, watched: int) -> Snapshot:
        """Read them now."""
        threads = proc.thread_cpu_s(watched) if watched else {}
        return cls(len(recorder), time.perf_counter(), time.process_time(), threads, proc.machine_times())


def summarise(recorder: Recorder, first: Snapshot, last: Snapshot, watched: int, checked: wire.Checked) -> Window:
    """Turn the two snapshots and what lies between them into a window."""
    answers = last.answers - first.answers
    wall = last.wall - first.wall
    threads = {tid: cpu - first.threads.get(tid, 0.0) for tid, cpu in last.threads.items()}
    server, loop, own = sum(threads.values()), threads.get(watched, 0.0), last.own - first.own
    latencies = recorder.latencies[first.answers : last.answers]
    return Window(
        rate=answers / wall,
        p50_us=quantile(latencies, 0.5) * 1e6,
        p99_us=quantile(latencies, 0.99) * 1e6,
        server_us=ratio(server, answers) * 1e6,
        loop_share=loop / wall,
        threads_share=(server - loop) / wall,
        load_share=own / wall,
        noise=proc.Noise.between(first.machine, last.machine, server + own),
        checked=checked,
        failures=recorder.failures[: wire.EXAMPLES],
    )


async def _finished(futures: list[asyncio.Future[None]], limit_s: float, what: str, recorder: Recorder) -> None:
    _, pending = await asyncio.wait(futures, timeout=limit_s)
    if pending:
        recorder.failures.append(f"{len(pending)} connections were not {what} within {limit_s:.0f} s")


async def drive(options: argparse.Namespace, frames: list[bytes], recorder: Recorder) -> tuple[Snapshot, Snapshot]:
    """Open the connections, run warm-up and window, drain; return the clocks at both ends of the window."""
    url = urlsplit(options.url)
    host, port = url.hostname or "127.0.0.1", url.port or 80
    opening = handshake(host, port, url.path or "/")
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(options.connections):
        _, made = await loop.create_connection(lambda: Connection(opening, frames, options.in_flight, recorder), host, port)
        connections.append(made)
    await _finished([c.opened for c in connections], OPEN_TIMEOUT_S, "opened", recorder)
    if recorder.failures:
        raise SystemExit(f"bench.load: {recorder.failures[0]}")
    for connection in connections:
        connection.start()
    await asyncio.sleep(options.warm_up)
    first = Snapshot.take(recorder, options.watch)
    await asyncio.sleep(options.seconds)
    last = Snapshot.take(recorder, options.watch)
    for connection in connections:
        connection.stop()
    await _finished([c.drained for c in connections], DRAIN_TIMEOUT_S, "drained", recorder)
    for connection in connections:
        connection.close()
    return first, last


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--speak", choices=get_args(wire.Dialect), default="tidegate")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--in-flight", type=int, default=16, help="per connection: 1, 2, 4 … 128")
    parser.add_argument("--warm-up", type=float, default=0.4)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--watch", type=int, default=0, help="process id of the server, on this machine")
    return parser.parse_args()


def main() -> None:
    """Run one window and print it."""
    options = arguments()
    os.sched_setaffinity(0, {options.core})
    with np.load(options.cases) as cases:
        rows, expected = cases["x"], cases["y"]
    messages = wire.requests(options.speak, options.model, rows)
    recorder = Recorder(messages if options.speak == "echo" else None)
    gc.disable()  # nothing here makes cycles, and the lists of answers are long
    first, last = uvloop.run(drive(options, [frame(message) for message in messages], recorder))
    if options.speak == "echo":
        checked = wire.check_echo(recorder.answers, recorder.cases)
    else:
        checked = wire.check_numbers(options.speak, recorder.answers, recorder.cases, expected)
    json.dump(asdict(summarise(recorder, first, last, options.watch, checked)), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
