"""Calls that are spread over turns of a loop, under a clock that the calls move."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.gateway import turns as turns_module
from tidegate.gateway.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable


class Scene:
    """A loop that turns when it is told to, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.due: list[Callable[[], None]] = []
        self.now = 0.0
        self.made: list[Any] = []
        self.turns = Turns(SimpleNamespace(call_soon=self.due.append))  # type: ignore[arg-type]
        monkeypatch.setattr(turns_module, "time", SimpleNamespace(monotonic=lambda: self.now))

    def call(self, name: Any, takes_s: float) -> Callable[[], None]:
        def made() -> None:
            self.made.append(name)
            self.now += takes_s

        return made

    def turn(self) -> list[Any]:
        """Let the loop turn once; tell what was done."""
        self.made, due = [], list(self.due)
        self.due.clear()
        for call in due:
            call()
        return self.made


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Make a loop without anything to do."""
    return Scene(monkeypatch)


def test_a_turn_is_short(scene: Scene) -> None:
    """Calls are made in order, as many in a turn as fit into a millisecond, one at least; then the loop is left alone."""
    scene.turns.add(scene.call(number, 0.0003) for number in range(6))
    scene.turns.add([scene.call("long", 1.0), scene.call("last", 0.0)])
    assert [scene.turn(), scene.turn(), scene.turn()] == [[0, 1, 2, 3], [4, 5, "long"], ["last"]]
    assert scene.due == []


def test_calls_that_add_calls(scene: Scene) -> None:
    """What is added while calls are made comes behind them, and asks for no second turn."""
    scene.turns.add([lambda: scene.turns.add([scene.call("b", 0.002), scene.call("c", 0.0)])])
    assert scene.turn() == ["b"]
    assert len(scene.due) == 1
    assert scene.turn() == ["c"]
    assert (scene.due, len(scene.turns)) == ([], 0)


def test_one_that_fails_is_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """A call that raises does not keep the others from being made."""
    scene.turns.add([lambda: 1 / 0, scene.call("next", 0.0)])  # type: ignore[list-item,return-value]
    assert scene.turn() == ["next"]
    assert "ZeroDivisionError" in caplog.text
