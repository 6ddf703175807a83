"""The rules at the top of ``stream``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.errors import ModelFailed, Overloaded, StepConflict, UnexpectedStep, UnknownStream
from tidegate.models.streams.items import Ended, Failed, Produced

from .stream_fakes import Adding, Hand, make_stream

if TYPE_CHECKING:
    from tidegate.models.streams.stream import Stream


def accept(stream: Stream, value: float, runs: int = 1, deadline: float = float("inf")) -> int:
    number = stream.next_step
    assert stream.expects(number, value)
    stream.accept(Adding(value, runs), value, 0.0, deadline)
    return number


def seen(stream: Stream) -> list[Any]:
    return [item.outputs["sum"].item() if isinstance(item, Produced) and item.outputs else item for item in stream.take(64)]


def test_steps_run_one_at_a_time_in_order() -> None:
    """The second step begins when the first has ended, from the state that it left (rule 1)."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1)
    accept(stream, 2)
    assert len(hand.requests) == 1
    hand.finish()
    hand.finish()
    assert seen(stream) == [1.0, 3.0]


def test_what_a_step_of_one_run_has_made_waits_for_the_ring() -> None:
    """It ends the step at once; the next one begins when it is asked to, when the item has its place."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1)
    accept(stream, 2)
    request = hand.requests.pop()
    item = stream.finished(request, hand.run_of(request), 0, 1, 3.0)
    assert item is not None
    assert (item.step, item.final, item.outputs["sum"].item()) == (1, True, 1.0)
    assert (stream.step_done, stream.touched, len(stream.ring), hand.requests) == (1, 3.0, 0, [])
    stream.ring.add(item)
    stream.go_on(3.0)
    hand.finish()
    assert seen(stream) == [1.0, 3.0]


@pytest.mark.parametrize("why", ["of several runs", "closing", "given up", "raises"])
def test_what_is_no_plain_end_is_left_to_ran(why: str) -> None:
    """Nothing has changed then."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1, runs=2 if why == "of several runs" else 1)
    request = hand.requests[0]
    if why == "closing":
        stream.close(0.0)
    elif why == "given up":
        stream.drop()
    run = hand.run_of(request)
    if why == "raises":
        run.outputs = []
    assert stream.finished(request, run, 0, 1, 1.0) is None
    assert (stream.step_done, stream.touched, stream.ring.seq) == (0, 0.0, 0)
    assert stream.busy == (why != "given up")


def test_repetitions_are_ignored_conflicts_and_leaps_refused() -> None:
    """A number decides: known and equal, known and different, not yet expected (rule 1)."""
    stream = make_stream(Hand())
    accept(stream, 1)
    assert not stream.expects(1, 1)
    with pytest.raises(StepConflict):
        stream.expects(1, 2)
    with pytest.raises(UnexpectedStep) as caught:
        stream.expects(5, 5)
    assert caught.value.expected_step == 2


def test_a_failed_step_leaves_the_state_and_takes_those_behind_it_along() -> None:
    """After a failure the number is expected again, and nothing behind it has run (rule 2)."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1)
    hand.finish()
    accept(stream, 10)
    accept(stream, 100)
    hand.fail(ModelFailed("no"))
    first, failed, behind = stream.take(8)
    assert isinstance(first, Produced)
    assert isinstance(failed, Failed)
    assert isinstance(behind, Failed)
    assert (failed.step, failed.error.code, failed.expected_step) == (2, "model_failed", 2)
    assert (behind.step, behind.error.code, behind.expected_step) == (3, "unexpected_step", 2)
    assert accept(stream, 5) == 2
    hand.finish()
    assert seen(stream) == [6.0]


def test_a_step_that_fails_half_way_gives_back_the_state_before_it() -> None:
    """A step of several runs is undone as a whole (rule 2)."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1, runs=3)
    hand.finish()
    hand.fail(ModelFailed("no"))
    accept(stream, 5)
    hand.finish()
    assert seen(stream)[-1] == 5.0


def test_a_step_that_waits_too_long_is_not_run() -> None:
    """A time limit counts while a step waits behind others."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1)
    accept(stream, 2, deadline=1.0)
    hand.finish(now=2.0)
    assert stream.take(8)[1].error.code == "deadline_exceeded"  # type: ignore[union-attr]


def test_a_cancelled_step_that_waits_is_not_run() -> None:
    """Cancelling a step that waits fails it in its place (rule 3)."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1)
    stream.cancel(accept(stream, 2), 0.0)
    hand.finish()
    _, failed = stream.take(8)
    assert isinstance(failed, Failed)
    assert (failed.error.code, hand.requests) == ("cancelled", [])


def test_cancelling_a_generation_ends_it_after_the_run_under_way() -> None:
    """What runs is told, then the step is over and the stream lives on."""
    hand = Hand()
    stream = make_stream(hand)
    number = accept(stream, 1, runs=5)
    hand.finish()
    stream.cancel(number, 0.0)
    hand.finish()
    first, last = stream.take(8)
    assert isinstance(first, Produced)
    assert isinstance(last, Produced)
    assert (first.final, last.final) == (False, True)
    assert accept(stream, 1) == 2


def test_nothing_runs_without_room() -> None:
    """Under block a step waits until its result has a place (rule 4)."""
    hand = Hand()
    stream = make_stream(hand, most=1, until=0)
    accept(stream, 1)
    hand.finish()
    accept(stream, 2)
    assert hand.requests == []
    stream.ring.grant(1)
    stream.take(1)
    assert len(hand.requests) == 1


def test_a_generation_that_waits_for_room_can_be_cancelled() -> None:
    """A step that has begun and cannot go on ends when it is given up."""
    hand = Hand()
    stream = make_stream(hand, most=1, until=0)
    number = accept(stream, 1, runs=5)
    hand.finish()
    assert hand.requests == []
    stream.cancel(number, 0.0)
    stream.ring.grant(9)
    assert stream.take(8)[-1].reason == "cancelled"  # type: ignore[union-attr]


def test_closing_finishes_what_was_accepted() -> None:
    """The end comes behind the last result, once, and nothing is accepted meanwhile (rule 3)."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1)
    stream.close(0.0)
    with pytest.raises(UnknownStream):
        stream.expects(2, 0)
    hand.finish()
    assert seen(stream) == [1.0, Ended("closed")]
    assert seen(stream) == []


def test_what_runs_for_a_dropped_stream_comes_back_to_nobody() -> None:
    """Dropping gives up the request, and its result changes nothing (rule 5)."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1)
    stream.drop()
    assert hand.given_up == hand.requests
    hand.finish()
    assert (stream.take(8), stream.status, stream.nbytes) == ([], "closed", 0)


def test_a_refused_run_fails_the_step() -> None:
    """A step that the engine does not take in fails, with its reason."""
    hand = Hand()
    hand.refuse = Overloaded("full")
    stream = make_stream(hand)
    accept(stream, 1)
    (failed,) = stream.take(8)
    assert isinstance(failed, Failed)
    assert (failed.error.code, stream.next_step) == ("overloaded", 1)


def test_no_more_steps_wait_than_may() -> None:
    """At the bound a step is refused and nothing changes."""
    stream = make_stream(Hand(), steps=2)
    for _ in range(3):
        accept(stream, 1)
    with pytest.raises(Overloaded):
        stream.expects(4, 0)


def test_ends_that_nobody_takes_are_bounded() -> None:
    """Steps that fail without having had room take the places of steps that may wait, until their ends are taken."""
    hand = Hand()
    stream = make_stream(hand, most=2, steps=4, until=0)
    for _ in range(2):
        accept(stream, 1)
        hand.finish()
    for value in range(4):
        accept(stream, value)
    stream.cancel(3, 0.0)
    assert (len(stream.ring), stream.next_step) == (2 + 4, 3)
    accept(stream, 1)
    with pytest.raises(Overloaded):
        accept(stream, 1)
    stream.ring.grant(6)
    assert len(seen(stream)) == 6
    accept(stream, 1)


def test_a_fork_goes_its_own_way() -> None:
    """Two streams with one past share nothing that either changes."""
    hand = Hand()
    stream = make_stream(hand)
    accept(stream, 1)
    hand.finish()
    other = stream.forked()
    accept(stream, 10)
    accept(other, 100)
    hand.finish()
    hand.finish()
    assert seen(stream) == [1.0, 11.0]
    assert seen(other) == [101.0]


def test_a_note_comes_behind_the_steps_that_were_accepted() -> None:
    """A snapshot sees the state behind what was sent before it."""
    hand = Hand()
    stream = make_stream(hand)
    sums: list[float] = []
    accept(stream, 1)
    stream.when_done(lambda: sums.append(stream.state["state:sum"].item()), 0.0)
    accept(stream, 2)
    hand.finish()
    hand.finish()
    assert sums == [1.0]
