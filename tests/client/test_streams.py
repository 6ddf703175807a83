"""Streams in the session alone: steps, failures, credit, cuts and what becomes of them, with a clock of the test's own."""

from __future__ import annotations

import numpy as np
import pytest
from stream_story import StreamStory

from tidegate import errors
from tidegate.client.desk import Missed
from tidegate.client.ledger import GRACE_S
from tidegate.client.streams import MAX_STREAMS, MAX_UNREADABLE
from tidegate.codecs.errors import CodecError
from tidegate.codecs.messages import (
    Cancel,
    Close,
    Closed,
    Credit,
    Error,
    Fork,
    Gap,
    Open,
    Resume,
    Snapshot,
    SnapshotTaken,
    Step,
)


def started(**options: int) -> StreamStory:
    story = StreamStory(**options)
    story.connect()
    return story


def messages(story: StreamStory, kind: type) -> list[object]:
    return [received.message for received in story.sent if type(received.message) is kind]


class TestSteps:
    def test_open_step_close(self) -> None:
        """A stream is opened, its steps have their results in order, and it is closed."""
        story = started()
        log = story.opened(start=5)
        first, second = story.step(log, 1), story.step(log, 2)
        story.settle()
        assert (first.sums, second.sums) == ([6], [8])
        result = second.told[0]
        assert (result.seq, result.step, result.final, result.model, result.version) == (2, 2, True, "sum", "1")
        told = story.close(log)
        story.settle()
        assert isinstance(told[0], errors.UnknownStream)
        assert not len(story.session.streams)
        with pytest.raises(errors.UnknownStream, match="closed by this program"):
            story.step(log, 1)

    def test_steps_are_numbered_and_sent_in_order(self) -> None:
        """Numbers count from what opened says, and no more steps are at the server than it lets wait."""
        story = started(steps=2)
        log = story.opened()
        steps = [story.step(log, 1) for _ in range(5)]
        assert [message.step for message in messages(story, Step)] == [1, 2]  # type: ignore[attr-defined]
        story.settle()
        assert [step.sums for step in steps] == [[1], [2], [3], [4], [5]]
        assert story.stream.ran == [1, 2, 3, 4, 5]

    def test_a_step_with_many_results(self) -> None:
        """All results of a step are told in order, and the last one is final."""
        story = started()
        log = story.opened()
        step = story.step(log, 1, results=4)
        story.settle()
        assert step.sums == [1, 2, 3, 4]
        assert [result.final for result in step.told] == [False, False, False, True]

    def test_steps_wait_until_the_stream_is_open(self) -> None:
        """A step that is added while the opening is under way is sent when it is answered."""
        story = started()
        log, told = story.open()
        step = story.step(log, 3)
        assert not messages(story, Step)
        story.settle()
        assert told == [None]
        assert step.sums == [3]

    def test_streams_take_turns(self) -> None:
        """One stream with much to send does not hold up another."""
        story = started()
        one, two = story.opened(), story.opened()
        story.cut()
        for log in (one, one, one, two, two, two):
            story.step(log, 1)
        story.connect()
        story.settle()
        names = [message.stream for message in messages(story, Step)]  # type: ignore[attr-defined]
        assert names == [one.name, two.name] * 3

    def test_an_opening_that_is_refused(self) -> None:
        """The error is told, and the steps that waited for it have it, too."""
        story = started()
        story.server.models.clear()
        _log, told = story.open()
        story.settle()
        assert isinstance(told[0], errors.UnknownModel)

    def test_too_many_streams(self) -> None:
        """No more are opened than one message could name when they are resumed."""
        story = StreamStory()
        for _ in range(MAX_STREAMS):
            story.open()
        with pytest.raises(errors.Overloaded, match="could not resume more"):
            story.open()

    def test_nothing_is_asked_of_a_stream_that_is_being_closed(self) -> None:
        """What was asked before is finished."""
        story = started()
        log = story.opened()
        step = story.step(log, 1)
        story.close(log)
        with pytest.raises(errors.UnknownStream, match="closed by this program"):
            story.step(log, 1)
        story.settle()
        assert step.sums == [1]

    def test_an_opening_that_is_too_large(self) -> None:
        """It is not sent, and the next one is."""
        story = started()
        _log, told = story.open(constants={"snapshot": np.zeros(20_000, "u1")}, from_snapshot=True)
        assert isinstance(told[0], errors.TooLarge)
        assert story.opened().ended is None

    def test_a_snapshot_with_nothing_in_it(self) -> None:
        """A server that answers so is told apart from one that does not answer."""
        story = started()
        log = story.opened()
        told = story.snapshot(log)
        (message,) = messages(story, Snapshot)
        for _ in range(2):
            story.say(SnapshotTaken(id=message.id, stream=log.name, step=0))  # type: ignore[attr-defined]
        assert [type(outcome) for outcome in told] == [errors.InvalidMessage]

    def test_too_many_steps_wait(self) -> None:
        """Beyond max_pending a step is refused here."""
        story = StreamStory(max_pending=2)
        log, _ = story.open()
        story.step(log, 1)
        story.step(log, 1)
        with pytest.raises(errors.Overloaded, match="max_pending"):
            story.step(log, 1)

    def test_memory_is_bounded(self) -> None:
        """Steps wait while those at the server take the memory that there is, and go on as they end."""
        story = started(max_buffer_bytes=130)
        log = story.opened()
        steps = [story.step(log, 1) for _ in range(4)]
        assert len(messages(story, Step)) == 2
        assert story.session.ledger.held_bytes <= 130 + 100  # the header of one message more
        story.settle()
        assert [step.sums for step in steps] == [[1], [2], [3], [4]]
        assert story.session.ledger.held_bytes == 0

    def test_a_step_that_is_too_large_fails_here(self) -> None:
        """It is not sent, those behind it fail as well, and the stream goes on."""
        story = started()
        log = story.opened()
        big = type(story.step(log, 1))(log, {"x": np.zeros(20_000, "u1")}, now=story.now, timeout=9.0, waiter=[])
        story.session.streams.submit(big)
        story.act()
        assert isinstance(big.error, errors.TooLarge)
        after = story.step(log, 2)
        story.settle()
        assert after.sums == [3]


class TestFailures:
    def test_a_failed_step_leaves_the_stream(self) -> None:
        """A step that fails ends with its error; the next one has its number and goes on from the state before."""
        story = started()
        log = story.opened()
        good, bad = story.step(log, 2), story.step(log, -1)
        story.settle()
        assert isinstance(bad.error, errors.ModelFailed)
        after = story.step(log, 3)
        story.settle()
        assert (good.sums, after.sums) == ([2], [5])
        assert messages(story, Step)[-1].step == 2  # type: ignore[attr-defined]

    def test_steps_behind_a_failed_one_fail(self) -> None:
        """Whether they were at the server or waited here, steps that were meant to follow never run on another state."""
        story = started(steps=3)
        log = story.opened()
        steps = [story.step(log, x) for x in (1, -1, 1, 1, 1)]
        story.settle()
        assert steps[0].sums == [1]
        assert isinstance(steps[1].error, errors.ModelFailed)
        for step in steps[2:]:
            assert isinstance(step.error, errors.UnexpectedStep)
            assert step.error.expected_step == 2
        after = story.step(log, 10)
        story.settle()
        assert after.sums == [11]

    def test_no_step_is_sent_while_some_behind_a_failed_one_have_no_answer(self) -> None:
        """So an answer to a number is never taken for that of another step."""
        story = started()
        log = story.opened()
        steps = [story.step(log, x) for x in (-1, 1)]
        story.up()
        story.run()
        story.down(1)
        assert isinstance(steps[0].error, errors.ModelFailed)
        after = story.step(log, 5)
        assert len(messages(story, Step)) == 2
        story.settle()
        assert isinstance(steps[1].error, errors.UnexpectedStep)
        assert after.sums == [5]

    def test_a_refusal_is_told_in_its_place(self) -> None:
        """A step that was not accepted has no number among the results; it is told after those before it."""
        story = started()
        log = story.opened()
        first, second, third = (story.step(log, 1) for _ in range(3))
        refused = Error(stream=log.name, step=2, code="invalid_input", message="no", retryable=False, expected_step=2)
        story.say(refused)
        behind = Error(stream=log.name, step=3, code="unexpected_step", message="no", retryable=False, expected_step=2)
        story.say(behind)
        assert (first.told, second.told, third.told) == ([], [], [])
        story.up(2)  # the opening has travelled already; now the first step
        story.run()
        story.down(1)
        assert first.sums == [1]
        assert isinstance(second.error, errors.InvalidInput)
        assert isinstance(third.error, errors.UnexpectedStep)

    def test_the_stream_ends(self) -> None:
        """When the gateway ends a stream, all of its steps end, and later ones say why."""
        story = started()
        for reason, kind in [
            ("idle", errors.UnknownStream),
            ("expired", errors.UnknownStream),
            ("shutting_down", errors.ShuttingDown),
            ("model_unavailable", errors.ModelUnavailable),
        ]:
            log = story.opened()
            step = story.step(log, 1)
            story.say(Closed(stream=log.name, reason=reason))
            assert type(step.error) is kind
            with pytest.raises(kind, match=reason):
                story.step(log, 1)

    def test_a_hole_is_a_defect_of_the_server(self) -> None:
        """A number that is skipped without a gap ends the stream: what is missing would never be noticed."""
        story = started()
        log = story.opened()
        step = story.step(log, 1, results=3)
        story.up()
        story.run()
        assert story.there is not None
        del story.there.out[1]
        story.down()
        assert step.sums == [1]
        assert isinstance(step.error, errors.ConnectionLost)
        assert "result 3 came after result 1" in str(step.error)
        assert isinstance(story.sent[-1].message, Close)


class TestGivingUp:
    def test_cancel_keeps_the_stream(self) -> None:
        """A step with many results ends after the one that it is at, says so, and the next one goes on from there."""
        story = started()
        log = story.opened()
        step = story.step(log, 1, results=100)
        story.up()
        story.run(3)
        told: list[object] = []
        story.session.streams.cancel(log, told, story.now)
        story.settle()
        assert step.sums == [1, 2, 3, 4]
        assert step.told[-1].reason == "cancelled"
        assert told == [None]
        after = story.step(log, 10)
        story.settle()
        assert after.sums == [14]

    def test_cancel_of_steps_that_wait(self) -> None:
        """Steps that were not begun are cancelled, here or at the server, and never run."""
        story = started(steps=2)
        log = story.opened()
        steps = [story.step(log, 1) for _ in range(4)]
        story.session.streams.cancel(log, [], story.now)
        story.act()
        assert [type(step.error) for step in steps[2:]] == [errors.Cancelled] * 2
        story.up()
        story.settle()
        assert [type(step.error) for step in steps] == [errors.Cancelled] * 4
        assert story.stream.ran == []

    def test_a_step_that_was_given_up(self) -> None:
        """Its results are not told; the next step is sent when it is known what became of it."""
        story = started()
        log = story.opened()
        step = story.step(log, 1)
        story.session.streams.give_up(step)
        after = story.step(log, 2)
        assert [type(each.message) for each in story.sent[-2:]] == [Step, Cancel]
        story.settle()
        assert step.told == []
        assert after.sums == [2]
        assert story.stream.ran == [1]

    def test_a_step_that_was_given_up_too_late(self) -> None:
        """If it was done, the next step goes on from there."""
        story = started()
        log = story.opened()
        step = story.step(log, 1)
        story.up()
        story.run()
        story.session.streams.give_up(step)
        after = story.step(log, 2)
        story.settle()
        assert (step.told, after.sums) == ([], [3])

    def test_a_step_that_nobody_waits_for_any_more_takes_those_behind_it_along(self) -> None:
        """Steps that were added before it was given up were meant to follow it; those that came later were not."""
        story = started(steps=1)
        log = story.opened()
        given_up, behind = story.step(log, 1), story.step(log, 2)
        story.session.streams.give_up(given_up)
        after = story.step(log, 4)
        story.settle()
        assert isinstance(behind.error, errors.UnexpectedStep)
        assert after.sums == [4]

    def test_time_limits(self) -> None:
        """A step that is at the server is given up after its time limit and a little grace, and cancelled there."""
        story = started()
        log = story.opened()
        step = story.step(log, 1, timeout=2.0)
        story.wait(2.0)
        assert step.told == []
        story.wait(GRACE_S)
        assert isinstance(step.error, errors.DeadlineExceeded)
        assert isinstance(story.sent[-1].message, Cancel)
        after = story.step(log, 1)
        story.settle()
        assert after.sums == [1]

    def test_a_step_that_could_not_be_sent_in_time(self) -> None:
        """It fails at its time limit, with the state of the connection in the message."""
        story = started()
        log = story.opened()
        story.cut()
        step, behind = story.step(log, 1, timeout=2.0), story.step(log, 1, timeout=9.0)
        story.wait(2.0)
        assert "it was not sent; the connection is reconnecting" in str(step.error)
        assert isinstance(behind.error, errors.UnexpectedStep)

    def test_an_opening_in_time(self) -> None:
        """An opening that is not answered in time fails; if it is answered later, the stream is closed."""
        story = started()
        log, told = story.open(timeout=3.0)
        story.wait(3.0)
        assert isinstance(told[0], errors.DeadlineExceeded)
        story.settle()
        assert messages(story, Close) == [Close(stream=log.name)]
        assert story.there is not None
        assert not story.there.streams

    def test_an_opening_that_was_not_sent_in_time(self) -> None:
        """It is not sent any more."""
        story = StreamStory()
        _log, told = story.open(timeout=3.0)
        story.wait(3.0)
        assert isinstance(told[0], errors.DeadlineExceeded)
        story.connect()
        assert not messages(story, Open)


class TestCredit:
    def test_credit_follows_what_the_program_takes(self) -> None:
        """The server may send the window beyond what was read; it is told anew when half of that is used."""
        story = started()
        log = story.opened(window=4)
        assert messages(story, Open)[0].until == 4  # type: ignore[attr-defined]
        step = story.step(log, 1, results=10)
        story.settle()
        assert step.sums == [1, 2, 3, 4]
        assert [(m.until, m.seen) for m in messages(story, Credit)] == [(4, 2), (4, 4)]  # type: ignore[attr-defined]
        log.read(1)
        story.settle()
        assert len(step.sums) == 4
        log.read(1)
        story.settle()
        assert len(step.sums) == 6

    def test_results_of_a_step_that_was_given_up_count_as_taken(self) -> None:
        """Nobody will read them, so they do not use up the window."""
        story = started()
        log = story.opened(window=2)
        step = story.step(log, 1, results=100)
        story.up()
        story.run(1)
        story.session.streams.give_up(step)
        after = story.step(log, 1)
        story.settle()
        assert len(after.sums) == 1

    def test_large_results_are_acknowledged_early(self) -> None:
        """The server keeps what was not acknowledged, by bytes as well: so large results are told one by one."""
        story = started()
        story.server.models["sum"] = lambda _constants: lambda _tensors, _parameters: {"big": np.zeros(70_000, "u1")}
        log = story.opened()
        story.step(log, 1)
        story.settle()
        (credit,) = messages(story, Credit)
        assert credit.seen == 1  # type: ignore[attr-defined]

    def test_dropped_results_are_counted(self) -> None:
        """Under latest the program sees what came last, and how many did not come."""
        story = started()
        log = story.opened(overflow="latest", window=2)
        steps = [story.step(log, 1) for _ in range(6)]
        story.settle()
        log.read(2)
        story.settle()
        assert [step.sums for step in steps] == [[1], [2], [], [], [], [6]]
        assert [step.told for step in steps[2:5]] == [[Missed(number)] for number in (3, 4, 5)]
        assert log.sequence.dropped == 3

    def test_a_gap_that_came_before_changes_nothing(self) -> None:
        """A gap is counted once."""
        story = started()
        log = story.opened()
        for _ in range(2):
            story.say(Gap(stream=log.name, first=1, last=3))
        assert log.sequence.dropped == 3


class TestErrands:
    def test_a_snapshot_is_of_its_place(self) -> None:
        """It is taken after the steps that were added before it, wherever these are."""
        story = started(steps=1)
        log = story.opened()
        for x in (1, 2):
            story.step(log, x)
        told = story.snapshot(log)
        story.step(log, 4)
        story.settle()
        copy = story.opened(constants={"snapshot": np.frombuffer(told[0], "u1")}, from_snapshot=True)
        step = story.step(copy, 0)
        story.settle()
        assert step.sums == [3]

    def test_a_fork_goes_its_own_way(self) -> None:
        """Both have the state of the place where it was asked for, and nothing in common afterwards."""
        story = started()
        log = story.opened(window=4)
        story.step(log, 1)
        made, told = story.fork(log)
        early = story.step(made, 10)
        story.settle()
        assert told == [None]
        late = story.step(log, 100)
        story.settle()
        assert (early.sums, late.sums) == ([11], [101])
        assert messages(story, Credit)[0] == Credit(stream=made.name, until=4, seen=0)

    def test_an_errand_that_is_refused(self) -> None:
        """Its error is told, and the stream goes on."""
        story = started()
        log = story.opened()
        told = story.snapshot(log)
        (message,) = messages(story, Snapshot)
        story.say(Error(id=message.id, code="too_large", message="no", retryable=False))  # type: ignore[attr-defined]
        assert isinstance(told[0], errors.TooLarge)
        step = story.step(log, 1)
        story.settle()
        assert step.sums == [1]

    def test_errands_have_time_limits(self) -> None:
        """One that is not answered in time fails; a fork that comes later is closed."""
        story = started()
        log = story.opened()
        told = story.snapshot(log, timeout=2.0)
        made, forked = story.fork(log, timeout=2.0)
        story.wait(2.0)
        assert isinstance(told[0], errors.DeadlineExceeded)
        assert isinstance(forked[0], errors.DeadlineExceeded)
        story.settle()
        assert messages(story, Close) == [Close(stream=made.name)]
        assert (len(told), len(forked)) == (1, 1)


class TestCuts:
    def test_resume_is_the_first_message(self) -> None:
        """With the token of the first hello, and what was seen of each stream; other messages follow."""
        story = started()
        token = story.there.token if story.there else ""
        log = story.opened()
        story.step(log, 1)
        story.settle()
        for _ in range(2):
            story.cut()
            story.submit()
            before = len(story.sent)
            story.connect()
            resume = story.sent[before].message
            assert isinstance(resume, Resume)
            assert resume.token == token
            assert [(each.stream, each.last_seq) for each in resume.streams] == [(log.name, 1)]
            story.settle()

    def test_nothing_to_resume(self) -> None:
        """Without streams no session is resumed, and the next stream belongs to the new one."""
        story = started()
        story.close(story.opened())
        story.settle()
        story.cut()
        story.connect()
        assert not messages(story, Resume)
        token = story.there.token if story.there else ""
        story.opened()
        story.cut()
        story.connect()
        assert messages(story, Resume)[0].token == token  # type: ignore[attr-defined]

    def test_results_that_were_lost_come_again(self) -> None:
        """What was on its way when the connection was cut is replayed once."""
        story = started()
        log = story.opened()
        steps = [story.step(log, 1) for _ in range(5)]
        story.up()
        story.run()
        story.down(2)
        story.cut()
        story.connect()
        story.settle()
        assert [step.sums for step in steps] == [[1], [2], [3], [4], [5]]
        assert story.stream.ran == [1, 2, 3, 4, 5]

    def test_steps_that_were_lost_are_sent_again(self) -> None:
        """Those that the server has accepted are not sent again; the others are, in order, with the time that is left."""
        story = started()
        log = story.opened()
        steps = [story.step(log, 1, timeout=30.0) for _ in range(5)]
        story.up(2)
        story.cut()
        story.now += 10.0
        late = story.step(log, 1)
        before = len(story.sent)
        story.connect()
        story.settle()
        assert [step.sums for step in (*steps, late)] == [[1], [2], [3], [4], [5], [6]]
        again = [each.message for each in story.sent[before:] if type(each.message) is Step]
        assert [message.step for message in again] == [3, 4, 5, 6]
        assert again[0].timeout_ms == 20_000

    def test_nothing_is_sent_again_before_the_replay_is_complete(self) -> None:
        """Until then it is not known whether a step failed and the numbers go back."""
        story = started()
        log = story.opened()
        steps = [story.step(log, x) for x in (-1, 1, 1)]
        story.up(2)
        story.run()
        story.cut()
        story.connect()
        before = len(story.sent)
        story.up()
        story.down(1)
        assert [type(each.message) for each in story.sent[before:]] == [Credit]
        story.settle()
        assert isinstance(steps[0].error, errors.ModelFailed)
        assert [type(step.error) for step in steps[1:]] == [errors.UnexpectedStep] * 2
        after = story.step(log, 5)
        story.settle()
        assert after.sums == [5]

    def test_an_opening_without_an_answer_is_asked_again(self) -> None:
        """Whether the first one came to be or not, the program gets one stream, and the server keeps no other."""
        for travels in (False, True):
            story = started()
            story.opened()
            log, told = story.open(start=7)
            if travels:
                story.up()
            story.cut()
            story.connect()
            story.settle()
            assert told == [None]
            step = story.step(log, 1)
            story.settle()
            assert step.sums == [8]
            assert story.there is not None
            assert len(story.there.streams) == 2

    def test_errands_without_an_answer_are_asked_again(self) -> None:
        """So are snapshots and forks, before what waits behind them."""
        for travels in (False, True):
            story = started()
            log = story.opened()
            story.step(log, 1)
            told = story.snapshot(log)
            made, forked = story.fork(log)
            if travels:
                story.up()
                story.run()
            story.cut()
            story.step(log, 2)
            story.connect()
            story.settle()
            assert (len(told), forked) == (1, [None])
            step = story.step(made, 0)
            story.settle()
            assert step.sums == [1]
            assert story.there is not None
            assert len(story.there.streams) == 2
            assert len(messages(story, Fork)) == 2

    def test_cancels_are_repeated(self) -> None:
        """A step that was given up while there was no connection is cancelled on the next one, if the server has it."""
        story = started()
        log = story.opened()
        step = story.step(log, 1)
        story.up()
        story.cut()
        story.session.streams.give_up(step)
        after = story.step(log, 2)
        story.connect()
        story.up()
        story.down()
        story.settle()
        assert messages(story, Cancel) == [Cancel(stream=log.name, step=1)]
        assert (step.told, after.sums) == ([], [2])

    def test_a_step_that_was_given_up_is_not_sent_again(self) -> None:
        """Nor are those behind it; what came later goes on from the state before."""
        story = started()
        log = story.opened()
        step, behind = story.step(log, 1), story.step(log, 2)
        story.cut()
        story.session.streams.give_up(step)
        after = story.step(log, 4)
        story.connect()
        story.settle()
        assert step.told == []
        assert isinstance(behind.error, errors.UnexpectedStep)
        assert after.sums == [4]
        assert story.stream.ran == [1]

    def test_time_limits_while_there_is_no_connection(self) -> None:
        """A step that waits through a cut ends by its time limit."""
        story = started()
        log = story.opened()
        step = story.step(log, 1, timeout=5.0)
        story.cut()
        story.wait(5.0 + GRACE_S)
        assert isinstance(step.error, errors.DeadlineExceeded)

    def test_a_close_without_an_answer(self) -> None:
        """It is repeated; if the server has closed the stream before, that is its answer."""
        for travels in (False, True):
            story = started()
            log = story.opened()
            story.opened()
            told = story.close(log)
            if travels:
                story.up()
            story.cut()
            story.connect()
            story.settle()
            assert "closed by this program" in str(told[0])
            assert story.there is not None
            assert len(story.there.streams) == 1

    def test_streams_that_are_lost(self) -> None:
        """A stream that the server does not keep any more says what is lost; the others go on."""
        story = started()
        lost, kept = story.opened(), story.opened()
        steps = [story.step(log, 1) for log in (lost, kept)]
        assert story.there is not None
        token = story.there.token
        story.up()
        story.cut()
        del story.server.sessions[token].streams[lost.name]
        story.connect()
        story.settle()
        error = steps[0].error
        assert isinstance(error, errors.ResumeFailed)
        assert error.lost == (lost.name,)
        assert "the state of a stream of 'sum' is lost, after result 0" in str(error)
        assert steps[1].sums == [1]
        with pytest.raises(errors.ResumeFailed):
            story.step(lost, 1)

    def test_a_session_that_is_lost(self) -> None:
        """If nothing can be resumed all streams say so, and new ones can be opened and resumed."""
        story = started()
        log = story.opened()
        step = story.step(log, 1)
        story.cut()
        story.server.sessions.clear()
        story.connect()
        story.settle()
        assert isinstance(step.error, errors.ResumeFailed)
        assert "the token is unknown" in str(step.error)
        other = story.opened()
        step = story.step(other, 1)
        story.cut()
        story.connect()
        story.settle()
        assert step.sums == [1]

    def test_a_gateway_that_resumes_nothing(self) -> None:
        """Without a token the streams end with their connection."""
        story = StreamStory()
        story.session.dial()
        story.there = story.server.new_session()
        story.hello()
        log = story.opened()
        story.cut()
        story.connect()
        with pytest.raises(errors.ResumeFailed, match="does not keep streams"):
            story.step(log, 1)

    def test_the_end_of_everything(self) -> None:
        """When the connection is closed for good all steps, errands and openings fail, with the reason."""
        story = started(steps=1)
        log = story.opened()
        steps = [story.step(log, 1) for _ in range(2)]
        told, forked = story.snapshot(log), story.fork(log)[1]
        opening = story.open()[1]
        story.cut(final=True)
        for outcome in (*[step.error for step in steps], told[0], forked[0], opening[0]):
            assert isinstance(outcome, errors.ConnectionLost)
        assert (len(told), len(forked), len(opening)) == (1, 1, 1)
        assert story.session.ledger.held_bytes == 0

    def test_a_replay_that_cannot_be_read(self) -> None:
        """A message that is replayed for ever and cannot be read does not keep the connection from working for ever."""
        story = started()
        log = story.opened()
        step = story.step(log, 1)
        for _ in range(MAX_UNREADABLE):
            story.session.unreadable(CodecError("invalid_message", "no"))
            story.cut()
            story.connect()
        assert isinstance(step.error, errors.ResumeFailed)
        assert "could not be read" in str(step.error)

    def test_a_server_that_forgot_what_it_had_sent(self) -> None:
        """If it has given out fewer results than came, the stream is another one: it ends."""
        story = started()
        log = story.opened()
        story.step(log, 1)
        story.settle()
        story.cut()
        story.stream.seq = 0
        story.connect()
        story.settle()
        with pytest.raises(errors.ConnectionLost, match="lost count"):
            story.step(log, 1)


class TestGoaway:
    def test_streams_stay_as_long_as_the_gateway_does(self) -> None:
        """After goaway steps go on and the connection is kept; new streams wait for the next one."""
        story = started()
        log = story.opened()
        story.goaway(60_000)
        assert not story.session.may_hang_up
        step = story.step(log, 1)
        _other, told = story.open()
        story.settle()
        assert step.sums == [1]
        assert told == []
        story.say(Closed(stream=log.name, reason="shutting_down"))
        assert story.session.may_hang_up
        story.cut()
        story.connect()
        story.settle()
        assert told == [None]

    def test_an_opening_that_crossed_the_goaway(self) -> None:
        """One that is refused since the gateway stops goes to the next one."""
        story = started()
        _log, told = story.open()
        story.goaway()
        (message,) = messages(story, Open)
        story.say(Error(id=message.id, code="shutting_down", message="no", retryable=True))  # type: ignore[attr-defined]
        assert told == []
        story.cut()
        story.connect()
        story.settle()
        assert told == [None]
