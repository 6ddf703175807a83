"""How many streams in real time fit on one compute slot? ``python -m bench.streams`` from the project's root.

Silero, the bundled model that hears whether somebody speaks, at 16 kHz: each stream sends a chunk of 32 ms every 32 ms,
at a time within them that is its own, over 16 connections. A number of streams holds if 99 of 100 chunks are answered
before the stream's next one is due; the largest is sought by halving, and then measured round by round in turn with
onnxruntime alone, on the same core: a loop around a single stream, and many streams in step in batches, of which the best
size counts. Every result is compared with the loop's, bit for bit. At last, fewer streams than hold are measured without
and beside one more client that has a single stream.

Two cores: one computes and nothing else, as for onnxruntime alone; the server's loop and the load, which gives way to it,
share the other. What that core could carry at all is told by a bare echo of the chunks in the loop's place, with as many
streams as are aimed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from . import command, measure, places, runs, servers
from .measure import MARGIN_S, Raw
from .proc import Noise
from .stats import median, ratio, table
from .streams_beside import PAIRS, beside
from .streams_raw import BATCH_SIZES, SOLO
from .streams_voices import MODEL, PERIOD_S, silero, voices_file
from .streams_window import StreamsWindow
from .turns import Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from .command import Bench
    from .servers import Server

CONNECTIONS = 16
TRIES, QUICK_TRIES = 7, 3
AGAIN = 2
EXPECTED, MOST = 0.85, 1.05
"""Shares of what onnxruntime alone could do: where the search begins, and where it ends."""
LESS, MOST_STEPS = 0.98, 12
"""Where what was found does not hold in the rounds: how many streams are tried next, as a share, and how often."""
AIM = 0.8
"""Share of onnxruntime's best rate that is to be served."""
ECHOES = 3
SPARE_S = 2.0
"""A window lasts a little longer than planned."""
RESUME_S = 1.0
"""The streams of a window are gone before the next: tens of windows of hundreds would come to the most that may be open."""
FULL = Plan(rounds=5, warm_up_s=1.0, window_s=4.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.5, window_s=1.5, raw_s=0.15)


@dataclass(slots=True)
class Round:
    """onnxruntime alone, and streams that are served, one after the other."""

    raw: Raw
    served: StreamsWindow

    @property
    def parts(self) -> list[Raw | StreamsWindow]:
        """Both."""
        return [self.raw, self.served]


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway in its place, and what is measured there."""

    bench: Bench
    server: Server

    def raw(self) -> Raw:
        """Measure onnxruntime alone on the core of the compute slot."""
        plan, core = self.bench.plan, self.bench.cores[0]
        found = runs.result("streams_raw", measure.flags(core=core, seconds=plan.raw_s), MARGIN_S)
        return Raw({int(size): rate for size, rate in found["rows"].items()}, found["single_us"], Noise(**found["noise"]))

    def window(self, streams: int, lone: int = 0) -> StreamsWindow:
        """Measure that many streams, and as many more on connections of their own."""
        return window(self.bench, self.server, streams, lone=lone)

    def better_window(self, streams: int) -> StreamsWindow:
        """Measure that many streams, once more if they do not hold: one pause of the machine must not end the search."""
        for _ in range(1 if self.bench.quick else AGAIN):
            found = self.window(streams)
            if found.holds:
                break
        return found


def window(bench: Bench, server: Server, streams: int, speak: str = "tidegate", lone: int = 0) -> StreamsWindow:
    """Measure that many streams on a server."""
    plan, core = bench.plan, bench.cores[1]
    what = measure.flags(cases=voices_file(bench.space), streams=streams, connections=CONNECTIONS, speak=speak, lone=lone)
    when = measure.flags(warm_up=plan.warm_up_s, seconds=plan.window_s, core=core, watch=server.pid)
    found = runs.result("streams_driver", [server.url, *what, *when], plan.warm_up_s + plan.window_s + MARGIN_S)
    return measure.sound(server, msgspec.convert(found, StreamsWindow))


def largest(first: int, most: int, tries: int, holds: Callable[[int], bool]) -> int:
    """Return the largest number that was found to hold, by halving what is left between that and the smallest that does not."""
    low, high, probe = 0, most, first
    for _ in range(tries):
        if holds(probe):
            low = probe
        else:
            high = probe
        probe = (low + high) // 2
    return low or probe


def _search(stage: Stage) -> int:
    fits = max(stage.raw().rows.values()) * PERIOD_S
    lines: list[tuple[object, ...]] = []

    def holds(streams: int) -> bool:
        found = stage.better_window(streams)
        other = found.noise.steal + found.noise.other
        lines.append((f"{streams:,} streams", *_cells(found), f"{other:.0%}", "yes" if found.holds else "NO"))
        return found.holds

    tries = QUICK_TRIES if stage.bench.quick else TRIES
    found = largest(int(EXPECTED * fits), int(MOST * fits), tries, holds)
    print(table(["", *HEADS, "steal + other", "holds"], lines))
    return found


HEADS = ["chunks/s", "p50 ms", "p99 ms", "from send", "late p99", "mean batch", "run ms", "CPU us"]
HEADS += ["slot %", "loop %", "load %"]


def _cells(w: StreamsWindow) -> tuple[object, ...]:
    times = (w.due_p50_ms, w.due_p99_ms, w.sent_p99_ms, w.late_p99_ms)
    shares = [share * 100 for share in (w.threads_share, w.loop_share, w.load_share)]
    return w.rate, *times, w.checked.mean_batch, w.checked.compute_us / 1000, w.server_us, *shares


def _rounds(stage: Stage, streams: int) -> list[Round]:
    """Measure rounds with so many streams, with fewer if that does not hold after all."""
    for _ in range(MOST_STEPS):
        print(f"\n### {streams:,} streams, in turn with onnxruntime alone\n")
        rounds = repeat(MODEL, stage.bench.plan, lambda: Round(stage.raw(), stage.window(streams)))  # noqa: B023 (it is called now)
        if median([r.served.due_p99_ms for r in rounds]) < PERIOD_S * 1000 or stage.bench.quick:
            break
        print("\n" + table(["", *HEADS], [(f"round {i}", *_cells(r.served)) for i, r in enumerate(rounds, 1)]))
        streams = int(streams * LESS)
    return rounds


def best_size(rounds: list[Round]) -> int:
    """Return onnxruntime's best batch size, chosen over all rounds: a round's own maximum would also collect its luck."""
    return max(BATCH_SIZES, key=lambda size: median([r.raw.rows[size] for r in rounds]))


def _report(rounds: list[Round]) -> list[Verdict]:
    best, served = best_size(rounds), [r.served for r in rounds]
    heads = ["", "alone: loop chunks/s", f"in {best}s", "served chunks/s", "/ best", "/ loop", "best / loop", "steal/other"]
    alone = [(r.raw.rows[SOLO], r.raw.rows[best]) for r in rounds]
    ratios = [
        (ratio(s.rate, many), ratio(s.rate, loop), ratio(many, loop)) for s, (loop, many) in zip(served, alone, strict=True)
    ]
    each = enumerate(zip(rounds, alone, ratios, strict=True), 1)
    lines = [(f"round {i}", *rates, r.served.rate, *shares, disturbance(r)) for i, (r, rates, shares) in each]
    print("\n" + table(["", *HEADS], [(f"round {i}", *_cells(s)) for i, s in enumerate(served, 1)]))
    print("\n" + table(heads, lines))
    exact, count = median([s.checked.exact_share for s in served]), sum(s.checked.answers for s in served)
    print(f"\n{count:,} results, each there and in order; bit-equal to a stream alone: {exact:.1%}")
    of_best, of_loop, _ = (median(column) for column in zip(*ratios, strict=True))
    p99 = median([s.due_p99_ms for s in served])
    return [
        Verdict(f"{served[0].streams:,} Silero streams in real time: p99 ms", p99, PERIOD_S * 1000, False),
        Verdict("chunks/s / onnxruntime's best batched chunks/s", of_best, AIM, True),
        Verdict("chunks/s / a loop around one stream", of_loop, 1.0, True),
        Verdict("results that are not bit-equal to a stream alone, %", (1 - exact) * 100, 0, False),
    ]


def _echo(bench: Bench, best: float) -> None:
    """Tell what a bare echo of as many chunks as are aimed at takes of the loop's core, and what is left beside the load."""
    streams = int(AIM * best * PERIOD_S)
    with servers.echo("asyncio", [bench.cores[1]]) as server:
        found = [window(bench, server, streams, "echo") for _ in range(1 if bench.quick else ECHOES)]
    print(f"\n### {streams:,} streams, as aimed at, and a bare websockets echo in the loop's place\n")
    heads = [
        "",
        "chunks/s",
        "p50 ms",
        "p99 ms",
        "late p99",
        "CPU us",
        "loop %",
        "load %",
        "us left by the load",
        "steal + other",
    ]
    print(table(heads, [(f"window {i}", *_echo_cells(w)) for i, w in enumerate(found, 1)]))


def _echo_cells(w: StreamsWindow) -> tuple[object, ...]:
    beside = (1 - w.load_share) / w.rate * 1e6
    times = (w.due_p50_ms, w.due_p99_ms, w.late_p99_ms)
    return w.rate, *times, w.server_us, w.loop_share * 100, w.load_share * 100, beside, f"{w.noise.steal + w.noise.other:.0%}"


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    folder = silero(bench.space, bench.plan.warm_up_s + bench.plan.window_s + SPARE_S)
    with places.slot_apart(folder, bench.cores, ("--resume-window-s", f"{RESUME_S:g}")) as server:
        where = f"compute slot on core {bench.cores[0]}, loop and load on core {bench.cores[1]}"
        print(f"\n## {MODEL}, {CONNECTIONS} connections, {where}\n")
        stage = Stage(bench, server)
        rounds = _rounds(stage, _search(stage))
        verdicts = _report(rounds)
        verdicts += beside(stage.window, rounds[0].served.streams, 1 if bench.quick else PAIRS)
    _echo(bench, median([r.raw.rows[best_size(rounds)] for r in rounds]))
    return verdicts


if __name__ == "__main__":
    command.run(command.parser(__doc__).parse_args(), run, full=FULL, quick=QUICK)
