"""A fleet of dashboards: connections that subscribe to ``server/stats`` and note when each event comes.

``python -m bench.dashboard_fleet ws://127.0.0.1:8000/v1 --count 1000`` says so when each has had an event, watches until its
standard input is closed, and prints one JSON line: how late events came, by the time that they bear, and how many are missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec
import uvloop

from .dialling import OPEN_TIMEOUT_S, dial
from .link import Link, frame
from .load import measured, settle
from .stats import quantile
from .wire import binary

if TYPE_CHECKING:
    from collections.abc import Sequence

TOPIC = "server/stats"
AT_ONCE = 100
"""More would be handshakes that the gateway does not let wait."""
QUIET_S = 0.3
"""Events come once a second, to all of them within a few hundredths of it."""


@dataclass(slots=True, kw_only=True)
class Fleet:
    """What the dashboards saw; delays in milliseconds.

    Attributes:
        seconds: for how long they watched.
        events: how many came, to all of them.
        missing: how many did not, by the numbers of those that did, and since one had more than another.
        own_share: the share of a core that they took themselves.
    """

    count: int
    seconds: float
    events: int
    missing: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    own_share: float
    failures: list[str]


class Said(msgspec.Struct):
    """What is looked at of an event, or of what else comes."""

    op: str
    seq: int = 0
    at_ms: int = 0


_decode = msgspec.msgpack.Decoder(Said).decode


class Dashboard(Link):
    """One connection that watches.

    Attributes:
        seqs: numbers of the events that came.
        delays: how many milliseconds after they were published.
        last: when the last one came, in seconds of the monotonic clock.
    """

    def __init__(self, opening: bytes, failures: list[str]) -> None:
        super().__init__(opening, failures)
        self.seqs: list[int] = []
        self.delays: list[float] = []
        self.last = 0.0

    def subscribe(self) -> None:
        """Ask for events."""
        self.write(frame(binary({"op": "subscribe", "id": 1, "topic": TOPIC})))

    def answered(self, messages: Sequence[bytes]) -> None:
        """Note when events came."""
        now_ms, self.last = time.time() * 1000, time.monotonic()
        for message in messages:
            said = _decode(message[4 : 4 + int.from_bytes(message[:4], "little")])
            if said.op == "event":
                self.seqs.append(said.seq)
                self.delays.append(now_ms - said.at_ms)
            elif said.op != "subscribed":
                self.fail(f"a dashboard was told {said}")


async def watch(url: str, count: int, failures: list[str]) -> tuple[list[Dashboard], float]:
    """Watch until the end; give the dashboards, and the seconds that they watched."""
    fleet: list[Dashboard] = []
    while len(fleet) < count and not failures:
        fleet += await dial(url, min(AT_ONCE, count - len(fleet)), lambda opening: Dashboard(opening, failures), failures)
    for dashboard in fleet:
        dashboard.subscribe()
    until = time.monotonic() + OPEN_TIMEOUT_S
    while not all(dashboard.seqs for dashboard in fleet):
        if time.monotonic() > until or failures:
            raise SystemExit(f"bench: not every dashboard had an event; {'; '.join(failures)}")
        await asyncio.sleep(0.05)
    await asyncio.sleep(QUIET_S)  # the first events were those of late joiners
    for dashboard in fleet:
        dashboard.seqs.clear()
        dashboard.delays.clear()
    began = time.monotonic()
    await measured(0)
    await asyncio.sleep(QUIET_S)
    while time.monotonic() - max(dashboard.last for dashboard in fleet) < QUIET_S:  # noqa: ASYNC110 - nobody says that it is over
        await asyncio.sleep(QUIET_S / 2)  # events are coming to one after the other
    return fleet, time.monotonic() - began


def seen(fleet: list[Dashboard], seconds: float, own_s: float, failures: list[str]) -> Fleet:
    """Say what they saw."""
    delays = [delay for dashboard in fleet for delay in dashboard.delays]
    every = set().union(*[dashboard.seqs for dashboard in fleet])
    between = max(every, default=0) - min(every, default=1) + 1
    return Fleet(
        count=len(fleet),
        seconds=seconds,
        events=len(delays),
        missing=sum(between - len(dashboard.seqs) for dashboard in fleet),
        p50_ms=quantile(delays, 0.5),
        p99_ms=quantile(delays, 0.99),
        max_ms=max(delays, default=float("nan")),
        own_share=own_s / seconds,
        failures=failures,
    )


def main() -> None:
    """Watch, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0)
    options = parser.parse_args()
    settle(options)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    failures: list[str] = []
    fleet, seconds = uvloop.run(watch(options.url, options.count, failures))
    json.dump(asdict(seen(fleet, seconds, time.process_time(), failures)), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
