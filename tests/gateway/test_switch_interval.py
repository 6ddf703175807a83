"""The interpreter's switch interval follows the event loop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tidegate.gateway.switch_interval import SwitchInterval

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the interpreter as it was."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_a_busy_loop_lets_compute_threads_in_sooner() -> None:
    """The interval is short from the first busy turn until a second after the last, then the usual one again."""
    sys.setswitchinterval(0.005)
    interval = SwitchInterval()
    interval.check(1.0)
    assert sys.getswitchinterval() == pytest.approx(0.005)
    interval.busy(10.0)
    interval.busy(10.5)
    interval.check(11.4)
    assert sys.getswitchinterval() == pytest.approx(0.0005)
    interval.check(11.5)
    assert sys.getswitchinterval() == pytest.approx(0.005)
