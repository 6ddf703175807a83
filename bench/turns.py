"""How long and how often is measured, and which turns count: those in which nobody else used the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from .stats import ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .proc import Noise
    from .window import Window

NOISY = 0.05
FEWEST_CALM = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often is measured; times in seconds."""

    rounds: int = 5
    most_rounds: int = 8
    warm_up_s: float = 0.5
    window_s: float = 2.0
    raw_s: float = 0.4
    peers: bool = True


QUICK = Plan(rounds=3, most_rounds=4, warm_up_s=0.2, window_s=0.6, raw_s=0.15, peers=False)


class Noisy(Protocol):
    """Anything that was measured, with what disturbed it."""

    @property
    def noise(self) -> Noise:
        """Shares of the machine's time that were not the measurement's."""


class Round(Protocol):
    """One turn of everything that a row compares."""

    @property
    def parts(self) -> Sequence[Noisy]:
        """All that was measured in it."""


@dataclass(slots=True)
class Beside:
    """Somebody alone, then beside others that ask for much."""

    alone: Window
    beside: Window
    others: Window

    @property
    def parts(self) -> list[Window]:
        """The first one's windows; the others' process stands in the second as part of the measurement."""
        return [self.alone, self.beside]

    @property
    def ratio(self) -> float:
        """How much longer the slowest of a hundred waits."""
        return ratio(self.beside.p99_us, self.alone.p99_us)


RoundT = TypeVar("RoundT", bound=Round)


def disturbance(part: Round) -> str:
    """Return the worst shares of a round that were stolen and used by other programs; "!" marks a disturbed round."""
    steal, other = (max(getattr(p.noise, name) for p in part.parts) for name in ("steal", "other"))
    return f"{steal:.0%}/{other:.0%}{'' if _calm(part) else ' !'}"


def _calm(part: Round) -> bool:
    return all(p.noise.steal + p.noise.other <= NOISY for p in part.parts)


def repeat(name: str, plan: Plan, once: Callable[[], RoundT]) -> list[RoundT]:
    """Run rounds until enough were calm; give only those, or all when hardly any was.

    Whoever shares the machine disturbs the one side of a ratio and not the other: such a round says nothing.
    """
    rounds: list[RoundT] = []
    while sum(map(_calm, rounds)) < plan.rounds and len(rounds) < plan.most_rounds:
        rounds.append(once())
    calm = [part for part in rounds if _calm(part)]
    kept = calm if len(calm) >= FEWEST_CALM else rounds
    print(f"{name}: {len(rounds)} rounds, {len(calm)} of them calm; {len(kept)} are shown and count.", flush=True)
    return kept
