"""The load generator: its own process on its own core; prints one JSON line about one measuring window.

``python -m bench.load ws://127.0.0.1:8000/v1 --model tiny --cases FILE.npz --watch PID``. It warms up, says so,
measures, lets the last answers come in, and then checks every answer of the whole run. The server's CPU time is read
from /proc at the very start and end of the window. It knows no particular server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import uvloop

from . import checks, wire
from .cases import Cases
from .dialling import DRAIN_TIMEOUT_S, dial, finished
from .driver import MANNERS, Pausing, Recorder
from .link import frame
from .window import Snapshot, closed

MEASURING = "measuring"


async def measured(seconds: float) -> None:
    """Say that the window begins, and wait for its end: that long, or until standard input is closed if it is 0."""
    print(MEASURING, flush=True)
    if seconds:
        await asyncio.sleep(seconds)
        return
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), closed.set)
    await closed.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


async def drive(options: argparse.Namespace, frames: list[bytes], recorder: Recorder) -> tuple[Snapshot, Snapshot]:
    """Open the connections, run warm-up and window, drain; return the clocks at both ends of the window."""
    manner, Pausing.pause_s = MANNERS[options.manner], options.pause_ms / 1000
    connections = await dial(
        options.url,
        options.connections,
        lambda opening: manner(opening, frames, options.in_flight, recorder),
        recorder.failures,
    )
    for connection in connections:
        connection.start()
    await asyncio.sleep(options.warm_up)
    first = Snapshot.take(len(recorder), options.watch, options.beside)
    await measured(options.seconds)
    last = Snapshot.take(len(recorder), options.watch, options.beside)
    for connection in connections:
        connection.stop()
    await finished((c.drained for c in connections), DRAIN_TIMEOUT_S, "drained", recorder.failures)
    for connection in connections:
        connection.close()
    return first, last


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return the arguments that every load process takes."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("url")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--warm-up", type=float, default=0.4)
    parser.add_argument("--seconds", type=float, default=2.0, help="0: until standard input is closed")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0, help="how far it yields its core to others")
    parser.add_argument("--watch", type=int, default=0, help="process id of the server, on this machine")
    parser.add_argument("--beside", type=int, nargs="*", default=[], help="ids of other processes of the measurement")
    return parser


def settle(options: argparse.Namespace) -> None:
    """Take the core and the place in it that the command line says."""
    os.sched_setaffinity(0, {options.core})
    os.nice(options.nice)
    gc.disable()  # nothing here makes cycles, and the lists of answers are long


def give_way() -> None:
    """Let the server finish what it is at when something comes for this process, which shares its core.

    Otherwise the kernel takes the core from the server's loop in the middle of a write, while it holds the interpreter lock,
    for which its compute thread then waits on the other core. A client on another machine does nothing of the kind.
    """
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__)
    options.add_argument("--speak", choices=get_args(wire.Dialect), default="tidegate")
    options.add_argument("--manner", choices=MANNERS, default="steady")
    options.add_argument("--pause-ms", type=float, default=20.0, help="mean pause of who is pausing")
    options.add_argument("--in-flight", type=int, default=16, help="per connection, at most 256")
    return options.parse_args()


def main() -> None:
    """Run one window and print it."""
    options = arguments()
    settle(options)
    cases = Cases.load(options.cases)
    count = max(len(cases.x), options.in_flight)
    messages = wire.requests(options.speak, options.model, cases, count)
    recorder = Recorder(messages if options.speak == "echo" else None)
    first, last = uvloop.run(drive(options, [frame(message) for message in messages], recorder))
    if options.speak == "echo":
        checked = checks.check_echo(recorder.answers, recorder.cases)
    else:
        checked = checks.check_answers(options.speak, recorder.answers, recorder.cases, cases)
    json.dump(asdict(closed(recorder, first, last, options.watch, checked)), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
