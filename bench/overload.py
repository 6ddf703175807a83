"""Twice the load that fits: ``python -m bench.overload`` from the project's root.

Requests come by a Poisson process on 256 connections, each with 100 ms left, whatever becomes of those before. The
load that fits is what a closed loop without time limits gets from the same server, just before and just after.
Goodput is what a client gets within 100 ms of its send; "from due" counts from when it was due by the process, so that
a late generator cannot hide. Then: is ``retry_after_ms`` true, and with ``--minutes 5``, does memory stay flat?

Both models are limited by their computing: *heavy* takes about a millisecond a row, *brisk* an eighth of that. (Where
the messages themselves are too many, as they would be with a tiny model, TCP holds the clients back.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import command, places, specials
from .overdrive import LIMIT_MS, OVER, Overdrive
from .stats import median, ratio, table
from .turns import Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    import argparse

    from .command import Bench
    from .open_load import OpenWindow
    from .window import Window

FULL = Plan(rounds=5, window_s=6.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.3, window_s=1.0)
LATE_MS = 5.0


@dataclass(slots=True)
class Round:
    """The closed loop, twice its rate in the open, and the closed loop again."""

    before: Window
    over: OpenWindow
    after: Window

    @property
    def parts(self) -> list[Window | OpenWindow]:
        """All that was measured."""
        return [self.before, self.over, self.after]

    @property
    def peak(self) -> float:
        """Rows a second that fit, at about the time of the overload."""
        return (self.before.rate + self.after.rate) / 2

    @property
    def ratio(self) -> float:
        """Goodput by peak."""
        return ratio(self.over.account.good, self.peak)


def _once(drive: Overdrive) -> Round:
    before = drive.peak()
    return Round(before, drive.over(before.rate, drive.bench.plan.window_s), drive.peak())


def _rounds(drive: Overdrive) -> list[Verdict]:
    name = drive.model
    rounds = repeat(name, drive.bench.plan, lambda: _once(drive))
    accounts = [r.over.account for r in rounds]
    print("\n" + _rates(rounds) + "\n\n" + _latencies(rounds))
    if median([a.lateness_p99_ms for a in accounts]) > LATE_MS:
        print(f"\nThe generator could not keep up: it was more than {LATE_MS:g} ms late at p99.")
    return [
        Verdict(f"{name}: goodput / peak", median([r.ratio for r in rounds]), 0.95, True),
        Verdict(f"{name}: accepted that were answered in time", median([a.kept for a in accounts]), 0.99, True),
        Verdict(f"{name}: refusals' p99, ms", median([a.refusal_p99_ms for a in accounts]), 5.0, False),
    ]


def _rates(rounds: list[Round]) -> str:
    heads = ["", "peak/s", "CPU us", "offered/s", "good/s", "from due", "ratio", "in time", "refused"]
    heads += ["CPU us", "compute %", "loop %", "load %", "steal/other"]
    lines = []
    for i, r in enumerate(rounds, 1):
        a, shares = r.over.account, (r.over.threads_share * 100, r.over.loop_share * 100, r.over.load_share * 100)
        good = (a.offered, a.good, a.good_from_due, r.ratio, a.kept, a.refused_share)
        lines.append((f"round {i}", r.peak, r.before.server_us, *good, r.over.server_us, *shares, disturbance(r)))
    return table(heads, lines)


def _latencies(rounds: list[Round]) -> str:
    heads = [
        "",
        "result p50 ms",
        "p99",
        "p99 from due",
        "refusal p50 ms",
        "p99",
        "generator late p50 ms",
        "p99",
        "most",
        "errors",
    ]
    lines = []
    for i, r in enumerate(rounds, 1):
        a = r.over.account
        late = (a.lateness_p50_ms, a.lateness_p99_ms, a.lateness_max_ms)
        errors = ", ".join(f"{count:,} {code}" for code, count in a.codes.items())
        results = (a.result_p50_ms, a.result_p99_ms, a.result_p99_from_due_ms)
        lines.append((f"round {i}", *results, a.refusal_p50_ms, a.refusal_p99_ms, *late, errors))
    return table(heads, lines)


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything about the models that were asked for."""
    verdicts: list[Verdict] = []
    for name in bench.options.models or specials.LAYERS:
        folder = bench.served(specials.heavy(bench.space, name))
        with places.slot_apart(folder, bench.cores) as server:
            print(f"\n## {name.capitalize()} model, {OVER:g} times its peak, {LIMIT_MS:g} ms each\n")
            drive = Overdrive(bench, server, name)
            verdicts += _rounds(drive)
            verdicts += drive.retries(3.0 if bench.quick else 20.0)
            if bench.options.minutes and name == specials.HEAVY:  # every answer is kept until the end, to be checked
                verdicts += drive.memory(bench.options.minutes * 60)
    return verdicts


def arguments() -> argparse.Namespace:
    """Read the command line."""
    names = ", ".join(specials.LAYERS)
    parser = command.parser(__doc__, executor=True)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"which of {names} (default: all)")
    parser.add_argument("--minutes", type=float, default=0, help="also overload heavy for that long and watch memory")
    options = parser.parse_args()
    if unknown := set(options.models) - set(specials.LAYERS):
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    command.run(arguments(), run, full=FULL, quick=QUICK)
