"""How many tokens a second do many generations get together? ``python -m bench.generation`` from the project's root.

The bundled character model: 16 tokens of prompt, 200 tokens made of each; every generation is a stream of its own that is
opened, given one step and closed, and every token is a message. 32 at a time on four connections, all of them beginning
together, against one at a time; and, as users come, each beginning when another has ended. In turn with two loops by
hand around onnxruntime alone, on the core of the compute slot: one row, and 32 rows that begin together and stay together.
Tokens are the most likely ones, which must be those of the lone loop, or drawn at random, which must be the same for the
same seed in every window.

Two cores: one computes and nothing else, as for onnxruntime alone; the server's loop and the load, which gives way to it,
share the other. The loops by hand run directly before and after the window of 32 together, since a rented core changes its
speed by half within seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from . import command, measure, places, runs
from .generation_cases import HOME, MODEL, TEMPERATURE, chars, prompts_file
from .generation_window import GenerationWindow
from .measure import MARGIN_S
from .proc import Noise  # noqa: TC001 (msgspec reads the annotations at run time)
from .stats import median, ratio, table
from .turns import Plan, disturbance, repeat
from .verdict import Verdict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from .command import Bench
    from .servers import Server

CONCURRENT, CONNECTIONS = 32, 4
FULL = Plan(rounds=5, warm_up_s=0.5, window_s=2.5, raw_s=0.5)
QUICK = Plan(rounds=1, most_rounds=1, warm_up_s=0.3, window_s=1.0, raw_s=0.15)
CHOICES = {0.0: "most likely", TEMPERATURE: f"temperature {TEMPERATURE}"}
WAYS = ("one", "together", "steady")


@dataclass(frozen=True, slots=True)
class Alone:
    """Tokens/s of the loops by hand, by temperature and then by rows."""

    rates: dict[float, dict[int, float]]
    noise: Noise


@dataclass(slots=True)
class Choice:
    """With one temperature: one at a time, 32 together, 32 in turn, and the loops by hand around the second of these."""

    served: dict[str, GenerationWindow]
    around: tuple[Alone, Alone]

    def alone(self, temperature: float, rows: int) -> float:
        """Return tokens/s of a loop by hand: the mean of before and after."""
        return sum(each.rates[temperature][rows] for each in self.around) / len(self.around)


@dataclass(slots=True)
class Round:
    """Everything once, by temperature."""

    choices: dict[float, Choice]

    @property
    def parts(self) -> list[Alone | GenerationWindow]:
        """All that was measured."""
        return [part for choice in self.choices.values() for part in (*choice.around, *choice.served.values())]


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway in its place, and what is measured there."""

    bench: Bench
    server: Server

    def once(self) -> Round:
        """Measure everything once."""
        return Round({temperature: self._choice(temperature) for temperature in CHOICES})

    def _choice(self, temperature: float) -> Choice:
        one = self._window("one", temperature)
        before = self._alone()
        together = self._window("together", temperature)
        after = self._alone()
        return Choice({"one": one, "together": together, "steady": self._window("steady", temperature)}, (before, after))

    def _alone(self) -> Alone:
        plan, core = self.bench.plan, self.bench.cores[0]
        flags = measure.flags(core=core, seconds=plan.raw_s, home=self.bench.options.home)
        return msgspec.convert(runs.result("generation_raw", flags, MARGIN_S), Alone, strict=False)

    def _window(self, way: str, temperature: float) -> GenerationWindow:
        plan, many = self.bench.plan, way != "one"
        how = measure.flags(
            concurrent=CONCURRENT if many else 1,
            connections=CONNECTIONS if many else 1,
            manner="steady" if way == "steady" else "together",
            temperature=temperature,
            cases=prompts_file(self.bench.space),
        )
        when = measure.flags(warm_up=plan.warm_up_s, seconds=plan.window_s, core=self.bench.cores[1], watch=self.server.pid)
        found = runs.result("generation_driver", [self.server.url, *how, *when], plan.warm_up_s + plan.window_s + MARGIN_S)
        return measure.sound(self.server, msgspec.convert(found, GenerationWindow))


def differing(windows: Iterable[GenerationWindow]) -> int:
    """Return how many prompts did not always get the same tokens."""
    digests: dict[str, set[str]] = {}
    for window in windows:
        for prompt, found in window.digests.items():
            digests.setdefault(prompt, set()).update(found)
    return sum(len(found) > 1 for found in digests.values())


def _windows(rounds: list[Round], choice: float) -> str:
    heads = ["", "tokens/s", "CPU us", "mean batch", "run us", "first ms", "next p50", "p99 ms", "slot %", "loop %", "load %"]
    lines = [
        (
            f"round {i}, {way}",
            *(w.rate, w.server_us, w.checked.mean_batch, w.checked.compute_us, w.first_ms, w.gap_p50_ms, w.gap_p99_ms),
            *(w.threads_share * 100, w.loop_share * 100, w.load_share * 100),
        )
        for i, r in enumerate(rounds, 1)
        for way, w in r.choices[choice].served.items()
    ]
    return table(heads, lines)


def _shares(rounds: list[Round], choice: float) -> list[dict[str, float]]:
    """Return for each round the rates, and those of the many by each that they are compared with."""
    found = []
    for r in rounds:
        measured = r.choices[choice]
        one, together, steady = (measured.served[way].rate for way in WAYS)
        loop, batch = measured.alone(choice, 1), measured.alone(choice, CONCURRENT)
        rates = {"loop of one row": loop, f"of {CONCURRENT}": batch, "served: one": one, "together": together, "steady": steady}
        shares = {
            "together / one": ratio(together, one),
            "/ loop of 32": ratio(together, batch),
            "/ loop of one": ratio(together, loop),
            "steady / loop of 32": ratio(steady, batch),
        }
        found.append(rates | shares)
    return found


def _report(rounds: list[Round], choice: float) -> list[Verdict]:
    name, shares = CHOICES[choice], _shares(rounds, choice)
    print(f"\n### Tokens: {name}\n\n{_windows(rounds, choice)}")
    lines = [(f"round {i}", *each.values(), disturbance(r)) for i, (r, each) in enumerate(zip(rounds, shares, strict=True), 1)]
    print("\n" + table(["tokens/s", *shares[0], "steal/other"], lines))
    windows = [window for r in rounds for window in r.choices[choice].served.values()]
    answers, wrong = sum(w.checked.answers for w in windows), differing(windows)
    print(f"\n{answers:,} tokens, each there and in order; prompts that got other tokens in another window: {wrong}")
    verdicts = [
        Verdict(f"{name}: {CONCURRENT} together / one at a time", median([s["together / one"] for s in shares]), 5.0, True),
        Verdict(f"{name}: {CONCURRENT} together / loop by hand", median([s["/ loop of 32"] for s in shares]), 0.8, True),
        Verdict(f"{name}: prompts with other tokens in another window", wrong, 0, False),
    ]
    if not choice:
        differ = 1 - min(w.checked.exact_share for w in windows)
        verdicts.append(Verdict("generations that are not the lone loop's, %", differ * 100, 0, False))
    return verdicts


def run(bench: Bench) -> list[Verdict]:
    """Measure and print everything."""
    folder = chars(bench.space, bench.options.home)
    with places.slot_apart(folder, bench.cores) as server:
        where = f"compute slot on core {bench.cores[0]}, loop and load on core {bench.cores[1]}"
        print(f"\n## {MODEL}, {CONCURRENT} generations on {CONNECTIONS} connections, {where}\n")
        stage = Stage(bench, server)
        rounds = repeat(MODEL, bench.plan, stage.once)
    return [verdict for choice in CHOICES for verdict in _report(rounds, choice)]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.parser(__doc__)
    parser.add_argument("--home", type=Path, default=HOME, help="folder of another model that is like the bundled one")
    return parser.parse_args()


if __name__ == "__main__":
    command.run(arguments(), run, full=FULL, quick=QUICK)
