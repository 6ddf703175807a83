"""Claims about full collections: none while somebody asks, one when nobody does and there may be something to collect."""

from __future__ import annotations

from tidegate.gateway.garbage import Garbage


def test_it_collects_when_nobody_asks() -> None:
    """It collects once after the load, not during it, and not again while nothing has been made."""
    asked, pending, collected = 0, 0, 0

    def collect() -> int:
        nonlocal pending, collected
        pending, collected = 0, collected + 1
        return 0

    garbage = Garbage(lambda: asked, lambda: pending, collect)
    garbage.look()
    assert collected == 0
    for _ in range(50):
        asked, pending = asked + 7, pending + 1
        garbage.look()
    assert collected == 0
    garbage.look()
    garbage.look()
    assert collected == 1
