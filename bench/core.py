"""The bench that the project's promises rest on: ``python -m bench.core`` from the project's root.

It prints three tables and a summary in one run: a tiny model against bare echo servers, a compute-bound model against
onnxruntime alone, and one request in flight against the sum of both. All servers run as processes of their own; the
measurements are interleaved, repeated and reported as medians; every answer's numbers are checked. ``--quick`` takes
less than a minute. It fails only when an answer is wrong or missing: a slow machine is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import command, row_big, row_single, row_tiny

if TYPE_CHECKING:
    import argparse

    from .command import Bench
    from .verdict import Verdict

ROWS = {"tiny": row_tiny.run, "big": row_big.run, "single": row_single.run}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.parser(__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows: {', '.join(ROWS)} (default: all)")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return options


def measure(bench: Bench) -> list[Verdict]:
    """Measure and print the rows that were asked for."""
    return [verdict for name in bench.options.rows or ROWS for verdict in ROWS[name](bench.space, bench.plan, bench.cores)]


if __name__ == "__main__":
    command.run(arguments(), measure)
