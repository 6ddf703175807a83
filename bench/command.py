"""What the commands share: their arguments, the words above the tables, the summary below. It measures nothing.

A command gives a function that measures, prints its tables and returns its verdicts. It fails only when an answer is
wrong or missing: a slow machine is no error.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import machine
from .stats import table
from .turns import QUICK, Plan
from .workspace import Workspace, workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .verdict import Verdict


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that a measurement is given: models, plan, the two cores, and what the command line said."""

    space: Workspace
    plan: Plan
    cores: tuple[int, int]
    options: argparse.Namespace

    @property
    def quick(self) -> bool:
        """Whether this is only a first look."""
        return bool(self.options.quick)

    def served(self, *names: str) -> Path:
        """Return a folder with these models, to run where ``--executor`` says."""
        config = "" if self.options.executor == "default" else f'executor = "{self.options.executor}"\n'
        return self.space.folder("-".join(("served", *names)), dict.fromkeys(names, config))


def parser(doc: str | None, *, executor: bool = False) -> argparse.ArgumentParser:
    """Return the arguments that every command takes; with ``executor``, where the models run is one of them."""
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--quick", action="store_true", help="short windows, few rounds: a first look")
    found.add_argument("--rounds", type=int, help="how often everything is repeated")
    found.add_argument("--window", type=float, help="seconds of each window")
    if executor:
        found.add_argument("--executor", choices=("default", "thread", "process"), default="default")
    return found


def _plan(options: argparse.Namespace, full: Plan, quick: Plan) -> Plan:
    plan = quick if options.quick else full
    if options.window:
        plan = dataclasses.replace(plan, window_s=options.window)
    if options.rounds:
        plan = dataclasses.replace(plan, rounds=options.rounds, most_rounds=max(options.rounds, plan.most_rounds))
    return plan


def run(
    options: argparse.Namespace,
    measure: Callable[[Bench], list[Verdict]],
    *,
    full: Plan | None = None,
    quick: Plan = QUICK,
) -> None:
    """Measure and print everything."""
    # SIGTERM ends the servers too: it unwinds the stack like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began, plan = time.monotonic(), _plan(options, full or Plan(), quick)
    print(machine.describe())
    print(
        f"{plan.rounds} rounds of {plan.window_s:g} s windows; medians; steal/other: share of the machine that was"
        " stolen, or used by neither server nor load ('!': above 5 %)",
        flush=True,
    )
    try:
        with workspace() as space:
            verdicts = measure(Bench(space, plan, machine.two_cores(), options))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(f"\n## Summary\n\n{table(['what', 'median', 'target', 'met'], [v.cells for v in verdicts])}")
    print(f"\nEvery answer was checked. {time.monotonic() - began:.0f} s in all.")
