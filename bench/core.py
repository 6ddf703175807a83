"""The bench that the project's promises rest on: ``python -m bench.core`` from the project's root.

It prints three tables and a summary in one run: a tiny model against bare echo servers, a compute-bound model against
onnxruntime alone, and one request in flight against the sum of both. All servers run as processes of their own; the
measurements are interleaved, repeated and reported as medians; every answer's numbers are checked. ``--quick`` takes
less than a minute. It fails only when an answer is wrong or missing: a slow machine is no error.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import time

from . import machine, row_big, row_single, row_tiny
from .measure import QUICK, Plan, workspace
from .stats import table

ROWS = {"tiny": row_tiny.run, "big": row_big.run, "single": row_single.run}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows: {', '.join(ROWS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="short windows, three rounds, no naive server")
    parser.add_argument("--rounds", type=int, help="how often each row is repeated")
    parser.add_argument("--window", type=float, help="seconds of each window")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return options


def plan_of(options: argparse.Namespace) -> Plan:
    """Return the plan that the command line asks for."""
    plan = QUICK if options.quick else Plan()
    asked = {"rounds": options.rounds, "window_s": options.window}
    return dataclasses.replace(plan, **{name: value for name, value in asked.items() if value})


def main() -> None:
    """Measure and print everything."""
    # SIGTERM ends the servers too: it unwinds the stack like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options, began = arguments(), time.monotonic()
    plan, cores = plan_of(options), machine.two_cores()
    print(machine.describe())
    print(
        f"{plan.rounds} rounds of {plan.window_s:g} s windows; medians; steal/other: share of the machine that was"
        " stolen, or used by neither server nor load ('!': above 5 %)",
        flush=True,
    )
    verdicts = []
    with workspace() as space:
        for name in options.rows or ROWS:
            verdicts += ROWS[name](space, plan, cores)
    print(f"\n## Summary\n\n{table(['what', 'median', 'target', 'met'], [v.cells for v in verdicts])}")
    print(f"\nEvery answer was checked. {time.monotonic() - began:.0f} s in all.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
