"""The parameters of a generation: ranges, defaults, and how what is wrong is told."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.errors import InvalidInput
from tidegate.models.streams.wishes import read_wish

MOST = 100


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_steps", 0, "an integer from 1 to 100"),
        ("max_steps", 101, "an integer from 1 to 100"),
        ("max_steps", 3.0, "an integer from 1 to 100"),
        ("max_steps", True, "an integer from 1 to 100"),
        ("temperature", -0.1, "a number from 0 to 100"),
        ("temperature", 101, "a number from 0 to 100"),
        ("temperature", float("nan"), "a number from 0 to 100"),
        ("temperature", "hot", "a number from 0 to 100"),
        ("temperature", True, "a number from 0 to 100"),
        ("top_k", 0, "an integer from 1 to 2147483647"),
        ("top_p", 0, "a number above 0 and up to 1"),
        ("top_p", 1.01, "a number above 0 and up to 1"),
        ("seed", -1, "an integer from 0 to 9223372036854775807"),
        ("seed", 2**63, "an integer from 0 to 9223372036854775807"),
        ("heat", 1, "some of max_steps, temperature, top_k, top_p, seed"),
    ],
)
def test_what_is_out_of_range_is_named(name: str, value: Any, expected: str) -> None:
    """A parameter that is unknown or out of range is told by its place, with what would be right."""
    with pytest.raises(InvalidInput) as told:
        read_wish({"max_steps": 3, name: value}, MOST)
    assert told.value.param == f"parameters.{name}"
    assert told.value.expected == expected


def test_nothing_asked_for_is_the_most_likely_text() -> None:
    """Without parameters, as many tokens as allowed are made, always the most likely one."""
    wish = read_wish(None, MOST)
    assert (wish.max_steps, wish.temperature, wish.seeded) == (MOST, 0.0, False)


@pytest.mark.parametrize("parameters", [{"seed": 7}, {"top_k": 5}, {"top_p": 0.9}])
def test_who_speaks_of_chance_gets_it(parameters: dict[str, Any]) -> None:
    """A seed, top_k or top_p without a temperature means a temperature of 1; one that is given stands."""
    assert read_wish(parameters, MOST).temperature == 1.0
    assert read_wish(parameters | {"temperature": 0}, MOST).temperature == 0.0


def test_a_seed_is_drawn_where_none_is_given() -> None:
    """Two wishes without a seed have different ones; one that is given is kept."""
    assert read_wish({}, MOST).seed != read_wish({}, MOST).seed
    wish = read_wish({"seed": 2**63 - 1}, MOST)
    assert (wish.seed, wish.seeded) == (2**63 - 1, True)
