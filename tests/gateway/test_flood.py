"""What counts as a flood, on a clock of the test's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.flood import FloodGate


def test_a_burst_is_no_flood() -> None:
    """Ten thousand useless things at once pass; one more does not."""
    gate = FloodGate()
    assert not gate.take(10_000, 5.0)
    assert gate.take(1, 5.0)


def test_who_stays_below_the_rate_is_no_flood() -> None:
    """Two thousand a second may go on for ever; three thousand a second are a flood after ten seconds."""
    gate, fast = FloodGate(), FloodGate()
    assert not any(gate.take(20, 100 + number / 100) for number in range(100_000))
    floods = [number / 100 for number in range(2_000) if fast.take(30, 100 + number / 100)]
    assert 9.9 < floods[0] < 10.2


@given(st.lists(st.tuples(st.integers(0, 20_000), st.floats(0, 100)), max_size=20))
def test_nothing_is_saved_up(steps: list[tuple[int, float]]) -> None:
    """However long a client was quiet before, more than ten thousand at once are a flood."""
    gate, now = FloodGate(), 0.0
    for count, pause in steps:
        now += pause
        if count > 10_000:
            assert gate.take(count, now)
        else:
            gate.take(count, now)
