"""Opens and closes connections by the thousand and looks whether the server is as it was: ``python -m bench.connections``.

Connections come in waves, and in six ways (see ``soak``): polite ones, ones cut with requests in flight, half
handshakes … It prints file descriptors, tasks, threads and memory of the server before, after a warm-up, at the end,
and the memory of an idle connection. It exits 1 when something did not come back. Only loopback, never more than one
wave open at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import sys
import time
from dataclasses import dataclass

import numpy as np

from . import machine, proc, servers, soak
from .gauges import CONNECTIONS, TASKS, Scrape
from .models import TINY
from .stats import table
from .wire import tidegate_request
from .workspace import workspace

WAVE = 192
WARM_UP = 2_000
SETTLE_TIMEOUT_S = 20.0
MEMORY_GROWTH = 0.05
MOST = 20_000
"""More would run out of loopback's ports, which stay in TIME_WAIT for a minute."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the server holds at one moment; None where it does not tell."""

    connections: float | None
    tasks: float | None
    files: int
    threads: int
    rss_kib: int

    @classmethod
    def of(cls, server: servers.Server) -> Holdings:
        """Look now."""
        scrape = Scrape.of(server)
        files, threads = proc.open_files(server.pid), proc.threads(server.pid)
        return cls(scrape.total(CONNECTIONS), scrape.total(TASKS), files, threads, proc.rss_kib(server.pid))

    def cells(self, name: str) -> tuple[object, ...]:
        """Return the cells of its line."""
        counts = [int(n) if n is not None else "-" for n in (self.connections, self.tasks, self.files, self.threads)]
        return name, *counts, f"{self.rss_kib:,}"


HEADS = ("", "connections", "tasks", "files", "threads", "RSS KiB")


def settled(server: servers.Server, baseline: Holdings | None = None) -> Holdings:
    """Wait until no connection is left, and until files and tasks are as in ``baseline``; give up after a while."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        now = Holdings.of(server)
        calm = not now.connections
        if baseline:
            calm = calm and now.files <= baseline.files and (now.tasks or 0) <= (baseline.tasks or 0)
        if calm or time.monotonic() > deadline:
            return now
        time.sleep(0.1)


async def come_and_go(target: soak.Target, count: int, failures: collections.Counter[str]) -> None:
    """Make ``count`` connections, a wave at a time, in all ways in turn; count what went wrong by kind."""
    for start in range(0, count, WAVE):
        size = min(WAVE, count - start)
        ways = [soak.WAYS[i % len(soak.WAYS)] for i in range(start, start + size)]
        for way, done in zip(ways, await asyncio.gather(*(w(target) for w in ways), return_exceptions=True), strict=True):
            if isinstance(done, BaseException):
                failures[f"{way.__name__}: {type(done).__name__}: {done}"[:200]] += 1


async def idle_kib(server: servers.Server, target: soak.Target, count: int) -> float:
    """Return how much the server's memory grows for each of ``count`` open connections that do nothing, in KiB."""
    before = proc.rss_kib(server.pid)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            client = await stack.enter_async_context(soak.connected(target))
            await client.open()
        return (proc.rss_kib(server.pid) - before) / count


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=10_000, help=f"how many connections, at most {MOST:,}")
    parser.add_argument("--idle", type=int, default=2_000, help="idle connections for the memory of one; 0 for none")
    options = parser.parse_args()
    if not 1 <= options.count <= MOST:
        parser.error(f"count must be from 1 to {MOST}")
    return options


def main() -> int:
    """Measure, print the table, and return the exit code."""
    options = arguments()
    print(machine.describe(), flush=True)
    failures: collections.Counter[str] = collections.Counter()
    with workspace() as space, servers.gateway(space.only(TINY.name)) as server:
        target = soak.Target(server.port, tidegate_request(TINY.name, 0, np.zeros(TINY.columns, np.float32)))
        fresh = settled(server)
        idle = asyncio.run(idle_kib(server, target, options.idle)) if options.idle else 0.0
        asyncio.run(come_and_go(target, WARM_UP, failures))
        warm = settled(server, fresh)
        began = time.monotonic()
        asyncio.run(come_and_go(target, options.count, failures))
        took = time.monotonic() - began
        after = settled(server, warm)
    lines = [fresh.cells("before"), warm.cells("after warm-up"), after.cells("after all")]
    print(f"\n{table(HEADS, lines)}\n\n{options.count:,} connections in {took:.1f} s")
    if options.idle:
        print(f"{options.idle:,} idle connections took {idle:.1f} KiB each")
    wrong = [f"{count} x {what}" for what, count in failures.items()] + not_back(warm, after)
    print("\n".join(wrong) or "Everything came back.")
    return 1 if wrong else 0


def not_back(warm: Holdings, after: Holdings) -> list[str]:
    """Return a line for each thing that is not as it was after the warm-up."""
    found = []
    for name in ("connections", "tasks", "files", "threads"):
        then, now = getattr(warm, name), getattr(after, name)
        if now is not None and then is not None and now > then:
            found.append(f"{name}: {then} before, {now} after")
    if after.rss_kib > warm.rss_kib * (1 + MEMORY_GROWTH):
        found.append(f"memory: {warm.rss_kib:,} KiB before, {after.rss_kib:,} KiB after")
    return found


if __name__ == "__main__":
    sys.exit(main())
