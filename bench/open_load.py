"""The open load: Poisson arrivals on many connections in a process of its own; prints one JSON line about one window.

It takes what ``bench.load`` takes, and ``--rate`` and ``--limit-ms``. Being refused, or too late, is a right answer
here; everything else is checked as ever. How late the generator itself was stands in what it prints.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import uvloop

from . import checks, wire
from .cases import Cases
from .dialling import DRAIN_TIMEOUT_S, dial
from .link import frame
from .load import measured, parser, settle
from .open_driver import Arrivals, Ledger, OpenLink
from .poisson import Account, account
from .window import Snapshot, Usage, usage

if TYPE_CHECKING:
    import argparse

RIGHT_HERE = ("overloaded", "deadline_exceeded")


@dataclass(slots=True, kw_only=True)
class OpenWindow(Usage):
    """What was measured in one window of an open loop."""

    account: Account


def open_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return the arguments of everything that loads openly."""
    options = parser(doc)
    options.add_argument("--rate", type=float, required=True, help="requests a second")
    options.add_argument("--limit-ms", type=float, default=100.0)
    options.add_argument("--seed", type=int, default=1)
    return options


def open_frames(options: argparse.Namespace, cases: Cases) -> list[bytes]:
    """Return one frame for each id of a connection."""
    messages = wire.requests("tidegate", options.model, cases, len(cases.x), timeout_ms=options.limit_ms)
    return [frame(message) for message in messages]


async def opened(options: argparse.Namespace, cases: Cases, ledger: Ledger) -> Arrivals:
    """Open the connections and return what sends on them."""
    frames = open_frames(options, cases)
    links = await dial(options.url, options.connections, lambda opening: OpenLink(opening, frames, ledger), ledger.failures)
    return Arrivals(links, options.rate, options.seed, ledger)


async def drive(options: argparse.Namespace, cases: Cases, ledger: Ledger) -> tuple[Snapshot, Snapshot]:
    """Open the connections, run warm-up and window, drain; return the clocks at both ends of the window."""
    arrivals = await opened(options, cases, ledger)
    arrivals.start()
    await asyncio.sleep(options.warm_up)
    first = Snapshot.take(len(ledger.answers), options.watch, options.beside)
    await measured(options.seconds)
    last = Snapshot.take(len(ledger.answers), options.watch, options.beside)
    arrivals.stop()
    await arrivals.drained(DRAIN_TIMEOUT_S)
    return first, last


def main() -> None:
    """Run one window and print it."""
    options = open_parser(__doc__).parse_args()
    settle(options)
    cases, ledger = Cases.load(options.cases), Ledger()
    first, last = uvloop.run(drive(options, cases, ledger))
    checked = checks.check_answers("tidegate", ledger.answers, ledger.cases, cases, RIGHT_HERE)
    window = OpenWindow(
        account=account(ledger.fates(), first.wall, last.wall, options.limit_ms / 1000),
        **usage(first, last, options.watch, checked, ledger.failures),  # type: ignore[arg-type]
    )
    json.dump(asdict(window), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
