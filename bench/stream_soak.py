"""Opens 100,000 streams, drops them without a close, and looks whether everything comes back: ``python -m bench.stream_soak``.

Streams come in waves, a hundred on each of a hundred connections, go one or two steps, and are left alone: some connections
are cut, others stay and say no more (see ``stream_waves``). The time for resuming and the time that a stream may be idle
are short. It prints memory, streams and connections of the server before, after a warm-up, with a whole wave open, and at
the end, how long one stream takes, and whether the metrics agree with what the clients were told. It exits 1 when
something did not come back or is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import machine, proc, servers
from .connections import HEADS, Holdings, not_back, settled
from .gauges import STREAM_BYTES, STREAM_STEPS, STREAMS, STREAMS_CLOSED, STREAMS_OPENED, STREAMS_PARKED, Scrape
from .stats import median, table
from .stream_sums import MODEL, Tally, adding
from .stream_waves import begin, end
from .verdict import Verdict

if TYPE_CHECKING:
    from .servers import Server

CONNECTIONS, WAVE = 100, 10_000
WARM_UP = 3
"""Waves; when one begins, streams of the last one may still wait to be resumed."""
QUICK_COUNT, QUICK_WAVE = 8_000, 2_000
IDLE_S, RESUME_S = 2.0, 1.0
GAUGES = (STREAMS, STREAMS_PARKED, STREAM_BYTES)
OVER_TIMEOUT_S = 20.0
MOST_KIB = 20.0
"""The memory that an open stream of this model may take: half a KiB of state, and what belongs to every stream."""


@dataclass(slots=True)
class Open:
    """The server with a wave open: how many streams, and how much memory each has added, in KiB."""

    streams: int
    rss_kib: int
    kib_each: float


@dataclass(slots=True)
class Soaked:
    """What the waves told; times in seconds of the wall and of the server's processors, for all streams of a wave."""

    tally: Tally
    streams: int = 0
    took_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    open: list[Open] = field(default_factory=list)


async def soak(server: Server, count: int, wave: int, first: int, soaked: Soaked) -> None:
    """Let ``count`` streams come and go, numbered from ``first``."""
    cpu_s, base = proc.cpu_s(server.pid), Holdings.of(server)
    for begins in range(first, first + count, wave):
        streams = range(begins, min(begins + wave, first + count))
        came = await begin(server.url, CONNECTIONS, streams, soaked.tally)
        soaked.streams += len(streams)
        soaked.took_s.append(came.took_s / len(streams))
        soaked.open.append(await asyncio.to_thread(_look, server, base))
        await end(came, soaked.tally)
    soaked.cpu_s += proc.cpu_s(server.pid) - cpu_s


def _look(server: Server, base: Holdings) -> Open:
    streams, rss_kib = int(Scrape.of(server).total(STREAMS) or 0), proc.rss_kib(server.pid)
    return Open(streams, rss_kib, (rss_kib - base.rss_kib) / max(1, streams))


def over(server: Server) -> Scrape:
    """Wait until no stream is left; give up after a while."""
    deadline = time.monotonic() + OVER_TIMEOUT_S
    while (scrape := Scrape.of(server)).total(STREAMS) and time.monotonic() < deadline:
        time.sleep(0.1)
    return scrape


def disagreements(scrape: Scrape, tally: Tally) -> list[str]:
    """Return a line for each number of the metrics that is not what it should be by what was told."""
    opened, steps = scrape.total(STREAMS_OPENED) or 0, scrape.by(STREAM_STEPS, "outcome")
    closed, ends = scrape.by(STREAMS_CLOSED, "reason"), {name: scrape.total(name) for name in GAUGES}
    found = [f"{name} is {value} at the end" for name, value in ends.items() if value != 0]
    if sum(closed.values()) != opened:
        found.append(f"{opened:,.0f} streams were opened, and {sum(closed.values()):,.0f} closed: {closed}")
    if not tally.opened <= opened <= tally.opened + tally.unknown:
        found.append(f"{opened:,.0f} streams were opened; clients know of {tally.opened:,} and perhaps {tally.unknown:,}")
    if not tally.steps <= steps.get("ok", 0) <= tally.steps + 2 * tally.unknown:
        found.append(f"{steps} steps; clients know of {tally.steps:,}, and perhaps of two in {tally.unknown:,} streams")
    if closed.get("idle", 0) < tally.ended["idle"] or tally.ended.total() != tally.ended["idle"]:
        found.append(f"closed: {closed}; clients were told {dict(tally.ended)}")
    return found


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, help="how many streams; 100,000 if not said")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_COUNT:,} streams: a first look")
    options = parser.parse_args()
    options.wave = QUICK_WAVE if options.quick else WAVE
    options.count = options.count or (QUICK_COUNT if options.quick else 100_000)
    if options.count < CONNECTIONS:
        parser.error(f"count must be at least {CONNECTIONS}")
    return options


def main() -> int:
    """Measure, print the tables, and return the exit code."""
    options, tally = arguments(), Tally()
    warming, soaked = Soaked(tally), Soaked(tally)
    print(machine.describe(), flush=True)
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
        models = adding(Path(folder) / "models", IDLE_S, 4 * options.wave)
        with servers.gateway(models, options=("--resume-window-s", f"{RESUME_S:g}")) as server:
            fresh = settled(server)
            asyncio.run(soak(server, WARM_UP * options.wave, options.wave, 0, warming))
            over(server)
            warm = settled(server, fresh)
            began = time.monotonic()
            asyncio.run(soak(server, options.count, options.wave, WARM_UP * options.wave, soaked))
            took_s, scrape = time.monotonic() - began, over(server)
            after = settled(server, warm)
    wrong = [f"{count} x {what}" for what, count in tally.wrong.most_common(10)]
    wrong += [*disagreements(scrape, tally), *not_back(warm, after)]
    _report(soaked, warming.open[0], [fresh, warm, after], took_s, scrape)
    print("\n" + ("\n".join(wrong) or "Everything came back, and the metrics agree."))
    return 1 if wrong else 0


def _report(soaked: Soaked, first: Open, held: list[Holdings], took_s: float, scrape: Scrape) -> None:
    fresh, warm, after = held
    lines = [fresh.cells("before"), warm.cells("after warm-up"), after.cells("after all")]
    limits = f"ended when idle for {IDLE_S:g} s, or not resumed for {RESUME_S:g} s"
    print(f"\n## {MODEL}: {soaked.streams:,} streams, {CONNECTIONS} connections at a time; {limits}\n")
    print(table(HEADS, lines))
    print(f"\nwith the first wave open: {first.streams:,} streams, {first.rss_kib:,} KiB, {first.kib_each:.1f} KiB each")
    numbers = {"streams closed": scrape.by(STREAMS_CLOSED, "reason"), "steps": scrape.by(STREAM_STEPS, "outcome")}
    for name, counts in numbers.items():
        print(f"{name}: " + ", ".join(f"{value:,.0f} {key}" for key, value in counts.items() if value))
    print(
        f"{took_s:.1f} s in all; to open a stream and go its steps, {median(soaked.took_s) * 1e6:.0f} us of the wall;"
        f" {soaked.cpu_s / soaked.streams * 1e6:.0f} us of the server's CPU to its end"
    )
    verdicts = [
        Verdict("memory after all / after warm-up", after.rss_kib / warm.rss_kib, 1.05, False),
        Verdict("memory of an open stream, KiB", first.kib_each, MOST_KIB, False),
        Verdict("streams that are left", scrape.total(STREAMS) or 0.0, 0, False),
        Verdict("answers that were wrong or missing", soaked.tally.wrong.total(), 0, False),
    ]
    print(f"\n## Summary\n\n{table(['what', 'found', 'target', 'met'], [v.cells for v in verdicts])}")


if __name__ == "__main__":
    sys.exit(main())
