"""The load of generations: a process that gives way to the server; prints one JSON line about one measuring window.

``python -m bench.generation_driver ws://127.0.0.1:8000/v1 --cases FILE.npz --concurrent 32 --watch PID`` generates for a
while, measures, lets what is under way end and checks every token of the whole run. A window of generations that begin
together begins and ends between them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING

import uvloop

from .dialling import DRAIN_TIMEOUT_S, dial
from .generation_asking import Asking, AskingLink
from .generation_cases import Prompts
from .generation_window import GenerationWindow, window
from .load import give_way, measured, parser, settle
from .window import Snapshot

if TYPE_CHECKING:
    import argparse

LOOK_S = 0.002


async def over(asking: Asking, failures: list[str]) -> None:
    """Wait until everything has ended, or note that it has not."""
    until = perf_counter() + DRAIN_TIMEOUT_S
    # Looking is simpler than an event, and nothing is measured meanwhile.
    while not asking.over and perf_counter() < until and not failures:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
    if not asking.over:
        failures.append(f"{len(asking.asked) - asking.ended} generations did not end")


async def drive(options: argparse.Namespace, prompts: Prompts) -> GenerationWindow:
    """Run the window and return what it says."""
    failures: list[str] = []
    asking = Asking(prompts, options.concurrent, options.manner, options.temperature)
    links = await dial(options.url, options.connections, lambda opening: AskingLink(opening, failures, asking.end), failures)
    asking.start(links)
    await asyncio.sleep(options.warm_up)
    first = Snapshot.take(0, options.watch, options.beside)
    await measured(options.seconds)
    last = Snapshot.take(0, options.watch, options.beside)
    asking.stop()
    await over(asking, failures)
    kept = [each for link in links for each in link.kept]
    for link in links:
        link.close()
    right = None if options.temperature else prompts
    return window(asking.asked, kept, right, (first, last), options.watch, failures)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__)
    options.add_argument("--concurrent", type=int, default=1)
    options.add_argument("--manner", choices=("together", "steady"), default="together")
    options.add_argument("--temperature", type=float, default=0.0, help="0: the most likely token")
    return options.parse_args()


def main() -> None:
    """Run one window and print it."""
    options = arguments()
    settle(options)
    give_way()
    json.dump(asdict(uvloop.run(drive(options, Prompts.load(options.cases)))), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
