"""Is ``retry_after_ms`` true? One client is refused, waits as it was told, and asks once more: is it served then?

``python -m bench.retries URL --rate R --cases FILE.npz`` loads openly as ``bench.open_load`` does and prints one JSON
line. It asks in two ways: with the others stopping at the moment of the refusal (a lone retry), and with the
others going on.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import uvloop

from .asker import Asker
from .cases import Cases
from .dialling import DRAIN_TIMEOUT_S, dial
from .load import settle
from .open_driver import Ledger
from .open_load import open_frames, open_parser, opened
from .poisson import REFUSED
from .stats import quantile, ratio
from .wire import header_of

if TYPE_CHECKING:
    import argparse

    from .open_driver import Arrivals
    from .wire import Header

FILLING_S = 0.2
"""Time for the queue to fill again, when the others have come back."""
REFUSAL_TIMEOUT_S = 2.0
"""A load under which nobody is refused for that long does not overload."""


@dataclass(slots=True)
class Honesty:
    """What became of the retries.

    Attributes:
        mute: refusals that did not say when to come again.
        never: times that nobody was refused.
    """

    retries: int = 0
    admitted: int = 0
    in_time: int = 0
    mute: int = 0
    never: int = 0
    told_ms: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Return it as numbers."""
        numbers: dict[str, float] = {name: getattr(self, name) for name in ("retries", "mute", "never")}
        shares = {f"{name}_share": ratio(getattr(self, name), self.retries) for name in ("admitted", "in_time")}
        return numbers | shares | {f"told_p{q}_ms": quantile(self.told_ms, q / 100) for q in (50, 99)}


async def _asked(prober: Asker, frame: bytes) -> Header:
    return header_of(await prober.ask(frame))[0]


async def _refusal(prober: Asker, frame: bytes) -> Header | None:
    until = perf_counter() + REFUSAL_TIMEOUT_S
    while perf_counter() < until:
        header = await _asked(prober, frame)
        if header.code == REFUSED:
            return header
    return None


async def once(prober: Asker, frame: bytes, arrivals: Arrivals, found: Honesty, *, lone: bool) -> None:
    """Be refused, wait, ask again, and note what came of it."""
    refusal = await _refusal(prober, frame)
    if lone:
        arrivals.stop()
    if refusal is None:
        found.never += 1
    elif refusal.retry_after_ms is None:
        found.mute += 1
    else:
        found.told_ms.append(refusal.retry_after_ms)
        await asyncio.sleep(refusal.retry_after_ms / 1000)
        header = await _asked(prober, frame)
        found.retries += 1
        found.admitted += header.code != REFUSED
        found.in_time += not header.code
    if lone:
        await arrivals.drained(DRAIN_TIMEOUT_S)
        arrivals.start()
        await asyncio.sleep(FILLING_S)


async def drive(options: argparse.Namespace) -> tuple[dict[str, Honesty], list[str]]:
    """Ask in both ways, half of the time each."""
    cases, ledger = Cases.load(options.cases), Ledger()
    arrivals = await opened(options, cases, ledger)
    (prober,) = await dial(options.url, 1, lambda opening: Asker(opening, ledger.failures), ledger.failures)
    frame = open_frames(options, cases)[0]
    found = {"lone": Honesty(), "crowded": Honesty()}
    arrivals.start()
    await asyncio.sleep(options.warm_up)
    for name, honesty in found.items():
        until = perf_counter() + options.seconds / 2
        while perf_counter() < until and not ledger.failures:
            await once(prober, frame, arrivals, honesty, lone=name == "lone")
    arrivals.stop()
    await arrivals.drained(DRAIN_TIMEOUT_S)
    return found, ledger.failures


def main() -> None:
    """Ask, and print what was found."""
    options = open_parser(__doc__).parse_args()
    settle(options)
    found, failures = uvloop.run(drive(options))
    json.dump({"failures": failures} | {name: honesty.summary() for name, honesty in found.items()}, sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
