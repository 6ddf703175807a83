"""The load of streams in real time: a process that gives way to the server; prints one JSON line about one measuring window.

``python -m bench.streams_driver ws://127.0.0.1:8000/v1 --cases FILE.npz --streams 100 --watch PID`` opens the streams,
lets them speak for a while, measures, lets the last answers come in and checks every answer of the whole run.
"""

from __future__ import annotations

import json
import sys
from asyncio import sleep
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import uvloop

from .dialling import DRAIN_TIMEOUT_S, dial
from .load import give_way, measured, parser, settle
from .streams_pace import Keeper, Pace, answers, drained
from .streams_voices import MODEL, PERIOD_S, RATE, Voices
from .streams_window import StreamsWindow, window
from .streams_wire import open_frame, shown, told_of
from .window import Snapshot

if TYPE_CHECKING:
    import argparse

SEED = 20_264


async def opened(links: list[Keeper], seats: list[Keeper], failures: list[str]) -> None:
    """Open stream ``i`` on link ``seats[i]`` and wait for all of them."""
    for stream, link in enumerate(seats):
        link.put([open_frame(stream, MODEL, ("sr", RATE))], 1)
    await drained(links, DRAIN_TIMEOUT_S, failures)
    told = [told_of(message)[0] for link in links for _, messages in link.taken() for message in messages]
    failures += [shown(each) for each in told if each.op != "opened"]
    if failures:
        raise SystemExit(f"bench: {failures[0]}")


async def drive(options: argparse.Namespace, voices: Voices) -> StreamsWindow:
    """Run the window and return what it says."""
    failures: list[str] = []
    count = options.connections
    links = await dial(options.url, count + options.lone, lambda opening: Keeper(opening, failures), failures)
    seats = [*[links[stream % count] for stream in range(options.streams)], *links[count:]]
    echoed = options.speak == "echo"
    if not echoed:
        await opened(links, seats, failures)
    pace = Pace(seats, voices, np.random.default_rng(SEED).uniform(0, PERIOD_S, len(seats)))
    pace.start()
    await sleep(options.warm_up)
    first = Snapshot.take(answers(links), options.watch, options.beside)
    await measured(options.seconds)
    last = Snapshot.take(answers(links), options.watch, options.beside)
    pace.stop()
    await drained(links, DRAIN_TIMEOUT_S, failures)
    kept = [each for link in links for each in link.taken()]
    for link in links:
        link.close()
    return window(pace, kept, voices, (first, last), options.watch, failures, echoed=echoed)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__)
    options.add_argument("--streams", type=int, required=True)
    options.add_argument("--lone", type=int, default=0, help="how many more, each on a connection of its own")
    options.add_argument(
        "--speak", choices=("tidegate", "echo"), default="tidegate", help="echo: to a server that sends all back"
    )
    return options.parse_args()


def main() -> None:
    """Run one window and print it."""
    options = arguments()
    settle(options)
    give_way()
    json.dump(asdict(uvloop.run(drive(options, Voices.load(options.cases)))), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
