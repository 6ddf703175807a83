"""What a step of a generation may ask for: how many tokens, and how they are chosen. Checks parameters; knows no model."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.errors import InvalidInput

from .sampler import NO_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Scalar = bool | int | float | str

_HOTTEST = 100.0
_SEEDS = 2**63
_DRAWN_BITS = 53  # so that every client can say the seed again


@dataclass(frozen=True, slots=True)
class Wish:
    """What one step asks for.

    Attributes:
        max_steps: most tokens to make.
        temperature: 0 for the most likely token; above, logits are divided by it.
        top_k: how many of the most likely tokens are considered.
        top_p: share of the probability that the considered tokens have together.
        seed: of the random numbers.
        seeded: whether the seed was asked for. If not, a stream that has random numbers already goes on with them.
    """

    max_steps: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    seeded: bool


def read_wish(parameters: Mapping[str, Scalar] | None, max_steps: int) -> Wish:
    """Check the parameters of a step; ``max_steps`` is the most that the model's declaration allows.

    Raises:
        InvalidInput: a parameter is unknown, or not within its range.
    """
    given = dict(parameters or {})
    seed = _integer(given, "seed", 0, _SEEDS - 1)
    top_k = _integer(given, "top_k", 1, NO_LIMIT)
    top_p = _number(given, "top_p", lambda p: 0 < p <= 1, "a number above 0 and up to 1")
    temperature = _number(given, "temperature", lambda t: 0 <= t <= _HOTTEST, f"a number from 0 to {_HOTTEST:g}")
    steps = _integer(given, "max_steps", 1, max_steps)
    if given:
        name = next(iter(given))
        expected = "some of max_steps, temperature, top_k, top_p, seed"
        raise InvalidInput(f"there is no parameter {name[:64]!r}", param=f"parameters.{name[:64]}", expected=expected)
    if temperature is None:  # who asks for anything that has to do with chance does not mean the most likely token
        temperature = 0.0 if seed is None and top_k is None and top_p is None else 1.0
    return Wish(
        max_steps=max_steps if steps is None else steps,
        temperature=temperature,
        top_k=NO_LIMIT if top_k is None else top_k,
        top_p=1.0 if top_p is None else top_p,
        seed=secrets.randbits(_DRAWN_BITS) if seed is None else seed,
        seeded=seed is not None,
    )


def _integer(given: dict[str, Scalar], name: str, least: int, most: int) -> int | None:
    value = given.pop(name, None)
    if value is None or (type(value) is int and least <= value <= most):
        return value
    raise _refused(name, value, f"an integer from {least} to {most}")


def _number(given: dict[str, Scalar], name: str, fits: Callable[[float], bool], expected: str) -> float | None:
    value = given.pop(name, None)
    if value is None:
        return None
    if type(value) in (int, float) and fits(value):  # type: ignore[arg-type]
        return float(value)
    raise _refused(name, value, expected)


def _refused(name: str, value: Scalar, expected: str) -> InvalidInput:
    return InvalidInput(f"{name} is {str(value)[:64]!r}", param=f"parameters.{name}", expected=expected)
