"""One client floods, fifty ask one thing at a time: ``python -m bench.fairness`` from the project's root.

The light clients' p99 beside the flood by what it is alone, turn by turn: when they ask again at once, and when they
pause in between. The flood is one connection with 256 requests in flight, in a process of its own that yields its core
to the light clients', since it is their latency that is measured.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from . import command, measure, places, specials
from .measure import Load
from .models import TINY
from .stats import median, ratio, table
from .turns import Beside, Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    from .command import Bench
    from .servers import Server

LIGHT, FLOOD = 50, 256
YIELDING = 10
FULL = Plan(rounds=5, window_s=5.0)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.3, window_s=1.5)

PLACES = {TINY.name: places.one_core, specials.HEAVY: places.slot_apart}
PAUSES_MS = {TINY.name: 20.0, specials.HEAVY: 150.0}
"""Mean pauses with which fifty clients use about a third of what the model can do, or less."""


def _once(bench: Bench, server: Server, light: Load) -> Beside:
    alone = measure.load(server, bench.space, bench.plan, light)
    flood = dataclasses.replace(light, connections=1, in_flight=FLOOD, manner="steady", nice=YIELDING)
    with measure.background(server, bench.space, bench.plan, flood) as flooding:
        light = dataclasses.replace(light, beside=(flooding.pid,))
        beside = measure.load(server, bench.space, bench.plan, light)
    return Beside(alone, beside, flooding.window)


def _report(rounds: list[Beside]) -> str:
    heads = ["", "alone/s", "CPU us", "p50 ms", "p99 ms", "beside/s", "CPU us", "p50 ms", "p99 ms", "ratio", "flood/s"]
    lines = [
        (
            f"round {i}",
            *(r.alone.rate, r.alone.server_us, r.alone.p50_us / 1000, r.alone.p99_us / 1000),
            *(r.beside.rate, ratio(r.beside.server_us * r.beside.rate, r.beside.rate + r.others.rate)),
            *(r.beside.p50_us / 1000, r.beside.p99_us / 1000),
            *(r.ratio, r.others.rate, disturbance(r)),
        )
        for i, r in enumerate(rounds, 1)
    ]
    return table([*heads, "steal/other"], lines)


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    specials.heavy(bench.space)
    verdicts = []
    for name, place in PLACES.items():
        with place(bench.served(name), bench.cores) as server:
            for manner, words in (("steady", "asking again at once"), ("pausing", f"pausing {PAUSES_MS[name]:g} ms")):
                light = Load(model=name, core=bench.cores[1], connections=LIGHT, in_flight=1, manner=manner)
                light = dataclasses.replace(light, pause_ms=PAUSES_MS[name])
                what = f"{name}, {words}"
                print(f"\n## {what.capitalize()}: {LIGHT} light clients, one with {FLOOD} in flight\n")
                rounds = repeat(what, bench.plan, lambda light=light: _once(bench, server, light))  # type: ignore[misc]
                print("\n" + _report(rounds))
                verdicts.append(Verdict(f"{what}: p99 / alone", median([r.ratio for r in rounds]), 2.0, False))
    return verdicts


if __name__ == "__main__":
    command.run(command.parser(__doc__, executor=True).parse_args(), run, full=FULL, quick=QUICK)
