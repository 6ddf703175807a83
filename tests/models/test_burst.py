"""How long a batch stays at its slot; each test holds one rule of ``burst`` or what follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import CLIENTS, Answers, model

from tidegate.errors import ModelFailed
from tidegate.models.batch import Batch, Run
from tidegate.models.bounds import Bounds
from tidegate.models.burst import Burst, room_of
from tidegate.models.request import DONE, Kind, Request
from tidegate.models.service import Service
from tidegate.models.worker import Worker

STEP_S = 0.0003


def taken(burst: Burst) -> int:
    """Take steps as long as that is allowed; return how many there were."""
    steps = 1
    while burst.goes_on():
        steps += 1
    return steps


@pytest.mark.parametrize(("room", "step_s", "steps"), [(100, 0.0001, 8), (100, 0.001, 4), (3, 0.0001, 3), (100, 0.0039, 2)])
def test_a_batch_is_only_so_far_ahead_of_the_loop(room: int, step_s: float, steps: int) -> None:
    """It takes no more steps than there is room for, eight at most, and no more than four milliseconds of them."""
    burst = Burst()
    burst.allow(room, step_s)
    assert taken(burst) == steps


def test_a_long_step_ends_its_batch() -> None:
    """What takes longer than four milliseconds comes back after each step."""
    burst = Burst()
    burst.allow(100, 0.005)
    assert taken(burst) == 1


def test_more_than_are_told_at_once_do_not_stay() -> None:
    """The loop is not held up by the answers to thousands of requests."""
    scene = Scene()
    pieces = [(scene.ask(), 0, 1)] * 257
    assert room_of(pieces) == 1
    assert room_of(pieces[:256]) == 100


def test_what_is_told_may_be_followed() -> None:
    """With each step that the loop knows of, one more may be taken."""
    burst = Burst()
    burst.allow(100, STEP_S)
    for told in range(1, 50):
        assert burst.goes_on()
        burst.told = told
        burst.allow(100, STEP_S)


def test_what_is_called_back_takes_no_further_step() -> None:
    """Whoever comes waits for the step under way."""
    burst = Burst()
    burst.allow(100, STEP_S)
    assert burst.goes_on()
    burst.called_back = True
    assert not burst.goes_on()


class Counting:
    """Requests that go on for ever: each counts its steps."""

    def __init__(self) -> None:
        self.gathered = 0

    def gather(self, pieces: Any) -> tuple[list[Any], int]:
        self.gathered += 1
        return [np.zeros((len(pieces), 2), np.float32)], 0

    def finish(self, gathered: int, outputs: Any) -> int:
        return gathered + 1

    def again(self, gathered: int, extra: int) -> tuple[list[Any], int] | None:
        return [np.zeros((1, 2), np.float32)], extra


class Scene:
    """A service with a model whose requests go on by themselves, and one whose do not."""

    def __init__(self, slots: int = 1) -> None:
        self.going = Worker(model("going", cost_s=dict.fromkeys((1, 2, 4, 8), STEP_S)))
        self.other = Worker(model("other", cost_s={1: 0.001}))
        self.service = Service([self.going, self.other], slots, Bounds())
        self.together = Counting()

    def ask(self, *, steps: int = 100, other: bool = False, limit_s: float = float("inf")) -> Request:
        """Let a request arrive at time 0."""
        sink = Answers()
        together: Any = None if other else self.together
        kind = Kind(self.other if other else self.going, "k", together=together)
        request = Request(kind, None, [], sink, CLIENTS["c"], 0.0, limit_s, steps)
        self.service.arrive(request)
        return request

    def next(self, now: float = 0.0) -> Batch | None:
        """Let the shell hand out a batch."""
        return self.service.next(now)

    def begin(self) -> Batch:
        """Hand out a batch that must be there."""
        batch = self.next()
        assert batch is not None
        assert self.next() is None
        return batch

    def step(self, batch: Batch, room: int = 100, seconds: float = STEP_S) -> None:
        """Let a batch take a step and stay."""
        assert batch.burst.goes_on()
        self.service.stepped(batch, Run(batch.worker.model, batch.rows, (), 0.0, seconds), 0.0)
        for request, _, _ in batch.pieces:
            request.steps = room
        self.service.go_on(batch)


def test_a_batch_stays_while_nobody_else_wants_its_slot() -> None:
    """Step after step is allowed as they are told."""
    scene = Scene()
    scene.ask()
    batch = scene.begin()
    for _ in range(100):
        scene.step(batch)
    assert not batch.burst.called_back


def test_a_newcomer_of_the_same_model_calls_it_back() -> None:
    """It waits for one step at most, and then they run together."""
    scene = Scene()
    scene.ask()
    batch = scene.begin()
    scene.ask()
    assert scene.next() is None
    assert batch.burst.called_back


def test_another_model_calls_it_back() -> None:
    """Turns between models are those of batches of one step."""
    scene = Scene()
    scene.ask()
    batch = scene.begin()
    scene.ask(other=True)
    assert scene.begin().worker is scene.other  # ahead of its turn at the slot
    assert batch.burst.called_back


def test_who_could_go_along_takes_no_other_slot() -> None:
    """It waits for the step under way, and then all of them are one batch; another slot would only split them."""
    scene = Scene(slots=2)
    scene.ask()
    batch = scene.begin()
    scene.ask()
    assert scene.next() is None
    assert batch.burst.called_back


def test_who_finds_the_batch_full_takes_another_slot() -> None:
    """There is no waiting for a batch that has no place."""
    scene = Scene(slots=2)
    for _ in range(8):
        scene.ask()
    batch = scene.begin()
    assert batch.rows == 8
    scene.ask()
    assert scene.begin().rows == 1
    assert not batch.burst.called_back


def test_who_finds_a_free_slot_calls_nobody_back() -> None:
    """What does not wait is in nobody's way."""
    scene = Scene(slots=2)
    scene.ask()
    batch = scene.begin()
    scene.ask(other=True)
    assert scene.begin().worker is scene.other
    assert not batch.burst.called_back


def test_who_is_given_up_calls_back() -> None:
    """The others of the batch go on without the row that nobody wants."""
    scene = Scene()
    gone, _ = scene.ask(), scene.ask()
    batch = scene.begin()
    assert scene.service.cancel(gone) == "dropped"
    assert batch.burst.called_back


def test_a_time_limit_calls_back() -> None:
    """A generation whose time is over is not computed any further."""
    scene = Scene()
    scene.ask(limit_s=5.0)
    scene.ask()
    batch = scene.begin()
    scene.service.expire(6.0, 10)
    assert [error.code for _, error in scene.service.failed] == ["deadline_exceeded"]
    assert batch.burst.called_back


def test_the_end_calls_back() -> None:
    """A gateway that closes does not wait for the end of generations."""
    scene = Scene()
    scene.ask()
    batch = scene.begin()
    scene.service.close()
    assert batch.burst.called_back


def test_who_has_no_room_holds_back_the_batch() -> None:
    """The stream with the least room says how many steps may be taken."""
    scene = Scene()
    scene.ask(steps=100)
    scene.ask(steps=3)
    batch = scene.begin()
    assert taken(batch.burst) == 3


def test_who_needs_no_more_steps_leaves_at_once() -> None:
    """Its place is free, and the batch comes back without it."""
    scene = Scene()
    done, other = scene.ask(), scene.ask()
    batch = scene.begin()
    scene.service.stepped(batch, Run(batch.worker.model, 2, (), 0.0, STEP_S), 0.0)
    other.steps = 5
    scene.service.go_on(batch)
    assert done.status is DONE
    assert other.status is not DONE
    assert batch.burst.called_back


def test_each_step_is_learned_from_and_charged() -> None:
    """Costs, and a model's share of the slots, are counted by the step."""
    scene = Scene()
    scene.ask()
    batch = scene.begin()
    before = scene.going.used_s
    for _ in range(40):
        scene.step(batch, seconds=0.001)
    assert scene.going.used_s - before == pytest.approx(0.04)
    assert scene.going.costs.estimate_s(1, "k") == pytest.approx(0.001, rel=0.1)


def test_every_step_is_told_as_it_is_made() -> None:
    """A slot tells each step but the last one, which comes back with the batch; inputs are gathered once."""
    scene = Scene()
    scene.ask(steps=5)
    batch, told = scene.begin(), list[Any]()
    batch.tell = lambda _, run: told.append(run.extra) is None
    batch.execute()
    assert told == [1, 2, 3, 4]
    assert batch.run is not None
    assert (batch.run.extra, batch.run.stays, scene.together.gathered) == (5, False, 1)


def test_a_slot_that_nobody_listens_to_goes_on_no_further() -> None:
    """When the loop is gone, a batch ends."""
    scene = Scene()
    scene.ask()
    batch = scene.begin()
    batch.tell = lambda *_: False
    batch.execute()
    assert batch.run is not None
    assert batch.run.extra == 1


def test_a_failure_in_the_middle_leaves_what_was_told() -> None:
    """The batch fails with its second step; the first was told, and both requests are tried again, alone."""
    scene = Scene()
    requests = [scene.ask(), scene.ask()]
    batch, told = scene.begin(), list[Any]()

    def tell(_: Batch, run: Run) -> bool:
        told.append(run.extra)
        batch.control.stop()
        scene.service.stepped(batch, run, 0.0)
        for request in requests:
            request.steps = 50
        scene.service.go_on(batch)
        scene.together.finish = fail  # type: ignore[method-assign]
        return True

    def fail(*_: Any) -> int:
        raise ModelFailed("bad")

    batch.tell = tell
    batch.execute()
    assert told == [1]
    assert batch.run is None
    scene.service.came_back(batch, 0.0)
    assert scene.service.failed == []
    again = scene.next()
    assert again is not None
    assert len(again.pieces) == 1
