"""One line of the summary: a number, what it should be, and whether it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """A measured ratio and its target; ``at_least`` tells on which side of the target it should lie."""

    name: str
    value: float
    target: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def cells(self) -> tuple[object, ...]:
        """The cells of its line."""
        sign = "≥" if self.at_least else "≤"
        return self.name, self.value, f"{sign} {self.target:g}", "yes" if self.met else "NO"
