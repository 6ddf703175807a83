"""The session alone: windows, time limits, cuts, cancels and goaway, with a clock of the test's own."""

from __future__ import annotations

import numpy as np
import pytest
from story import Story, X

from tidegate import errors
from tidegate.client.exchange import Phase, Question, Request
from tidegate.client.ledger import CANCEL_WAIT_S, GRACE_S, MAX_SENDS
from tidegate.client.session import DRAIN_GRACE_S
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Cancel, Error, Infer, Models, Ping, Pong, Result
from tidegate.codecs.parts import Timing
from tidegate.results import Result as Answer


def open_story(**hello: int) -> Story:
    story = Story()
    story.hello(**hello)
    return story


def test_a_request_gets_its_answer() -> None:
    """A result becomes the mapping that the program sees, with its timing."""
    story = open_story()
    request = story.submit()
    story.answer(request)
    answer = story.outcome(request)
    assert isinstance(answer, Answer)
    np.testing.assert_array_equal(answer["y"], X * 2)
    assert (answer.model, answer.version, answer.timing.batch_size) == ("pure", "7", 3)
    assert request.phase is Phase.FINISHED


def test_requests_wait_for_the_greeting() -> None:
    """Nothing is sent before hello; then everything that waited is, in order."""
    story = Story()
    requests = [story.submit() for _ in range(3)]
    assert not story.sent
    story.hello()
    assert [each.message.id for each in story.sent] == [request.id for request in requests]


def test_the_window_is_never_exceeded() -> None:
    """No more than in_flight requests are at the server; an answer lets the next one go, first come first served."""
    story = open_story(in_flight=2)
    first, second, third = (story.submit() for _ in range(3))
    assert [each.message.id for each in story.sent] == [first.id, second.id]
    assert [message.id for message in story.answer(second)] == [third.id]


def test_an_abandoned_request_keeps_its_place() -> None:
    """The server counts an abandoned request until it has answered, so this client does as well."""
    story = open_story(in_flight=1)
    first, second = story.submit(), story.submit()
    story.session.abandon(first)
    assert [type(message) for message in story.act()] == [Cancel]
    assert [message.id for message in story.refuse(first, "cancelled", outcome="dropped")] == [second.id]
    assert first not in story.outcomes


def test_the_time_that_is_left_travels() -> None:
    """timeout_ms is what is left of the time limit when the request is really sent."""
    story = Story()
    story.submit(timeout=10.0)
    story.now += 4.0
    story.hello()
    assert story.sent[0].message.timeout_ms == 6000


def test_a_request_that_was_not_sent_in_time_fails_at_once() -> None:
    """While it waits, a time limit needs no grace: the server never heard of it."""
    story = Story()
    request = story.submit(timeout=1.0)
    story.wait(1.0)
    error = story.outcome(request)
    assert isinstance(error, errors.DeadlineExceeded)
    assert str(error) == "no answer within 1 s: it was not sent; the connection is connecting"


def test_the_server_has_a_little_longer_to_say_that_time_is_up() -> None:
    """A sent request is given up only after the grace, is then cancelled at the server, and keeps its place there."""
    story = open_story()
    request = story.submit(timeout=1.0)
    story.wait(1.0 + GRACE_S / 2)
    assert request not in story.outcomes
    story.wait(GRACE_S)
    assert isinstance(story.outcome(request), errors.DeadlineExceeded)
    assert isinstance(story.sent[-1].message, Cancel)
    assert request.phase is Phase.ABANDONED
    story.answer(request)
    assert len(story.outcomes[request]) == 1


def test_a_message_that_the_server_would_refuse_is_not_sent() -> None:
    """A request beyond the announced message size fails here, with both sizes in the message."""
    story = open_story(message_bytes=1000)
    by_tensors = story.submit(x=np.zeros(2000, "u1"))
    by_header = story.submit(x=np.zeros(980, "u1"))
    assert isinstance(story.outcome(by_tensors), errors.TooLarge)
    assert isinstance(story.outcome(by_header), errors.TooLarge)
    assert "1000" in str(story.outcome(by_tensors))
    assert not story.sent
    assert story.session.ledger.held_bytes == 0


def test_what_the_codec_refuses_fails_alone() -> None:
    """An array that has no datatype fails its request and no other."""
    story = open_story()
    bad, good = story.submit(x=np.zeros(1, "c8")), story.submit()
    assert isinstance(story.outcome(bad), errors.InvalidInput)
    story.answer(good)
    assert isinstance(story.outcome(good), Answer)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_input", errors.InvalidInput),
        ("overloaded", errors.Overloaded),
        ("deadline_exceeded", errors.DeadlineExceeded),
        ("shutting_down", errors.ShuttingDown),
        ("unheard_of", errors.UnrecognisedError),
    ],
)
def test_errors_have_types(code: str, kind: type[errors.TidegateError]) -> None:
    """Each code of the wire becomes its class; one that this version does not know keeps its code."""
    story = open_story()
    request = story.submit()
    story.refuse(request, code, param="inputs[0].shape", expected="[1]", retry_after_ms=5)
    error = story.outcome(request)
    assert type(error) is kind
    assert (error.code, error.param, error.expected, error.retry_after_ms) == (code, "inputs[0].shape", "[1]", 5)


def test_answers_to_nobody_are_ignored() -> None:
    """A result or an error for an unknown id, or for the text of a known one, changes nothing."""
    story = open_story()
    request = story.submit()
    timing = Timing(queue_us=0, compute_us=0, batch_size=1)
    for unknown in (999, str(request.id)):
        story.say(Result(id=unknown, model_name="m", model_version="1", final=True, timing=timing))
        story.say(Error(id=unknown, code="internal", message="", retryable=False))
    story.say(Error(code="duplicate_id", message="", retryable=False, duplicate_of=request.id))
    story.say(Pong())
    assert not story.outcomes


class TestCancel:
    def test_before_it_was_sent(self) -> None:
        """A waiting request is removed without a word to the server."""
        story = open_story(in_flight=1)
        story.submit()
        waiting = story.submit()
        story.session.cancel(waiting, story.now)
        assert story.act() == []
        assert story.outcome(waiting).outcome == "removed"

    @pytest.mark.parametrize("outcome", ["removed", "dropped"])
    def test_the_server_says_what_became_of_it(self, outcome: str) -> None:
        """The outcome of a cancel is the server's."""
        story = open_story()
        request = story.submit()
        story.session.cancel(request, story.now)
        story.session.cancel(request, story.now)
        assert [type(message) for message in story.act()] == [Cancel]
        story.refuse(request, "cancelled", outcome=outcome)
        assert story.outcome(request).outcome == outcome

    def test_too_late(self) -> None:
        """If the result crosses the cancel, the result stands."""
        story = open_story()
        request = story.submit()
        story.session.cancel(request, story.now)
        story.answer(request)
        assert isinstance(story.outcome(request), Answer)

    def test_a_server_that_does_not_answer_the_cancel(self) -> None:
        """Waiting for the truth has a limit of its own; then the result counts as thrown away."""
        story = open_story()
        request = story.submit(timeout=3600.0)
        story.session.cancel(request, story.now)
        story.wait(CANCEL_WAIT_S)
        assert story.outcome(request).outcome == "dropped"

    def test_a_cut_ends_it(self) -> None:
        """A cut connection cancels what runs on it, so a cancelled request is not sent again."""
        story = open_story()
        request = story.submit()
        story.session.cancel(request, story.now)
        story.cut()
        assert story.outcome(request).outcome == "dropped"


class TestCut:
    def test_pure_requests_are_sent_again_in_order(self) -> None:
        """After a cut, unanswered pure requests go first, in their old order, with the time that is left."""
        story = open_story(in_flight=2)
        first, second, third = (story.submit(timeout=10.0) for _ in range(3))
        story.cut()
        story.now += 3.0
        again = story.reconnect(in_flight=3)
        assert [message.id for message in again] == [first.id, second.id, third.id]
        assert [message.timeout_ms for message in again if isinstance(message, Infer)] == [7000, 7000, 7000]
        np.testing.assert_array_equal(story.sent[-2].tensors["x"], X)
        story.answer(first)
        assert isinstance(story.outcome(first), Answer)

    def test_impure_requests_are_not(self) -> None:
        """An impure request that was sent may have run; one that was not sent certainly has not, and still goes."""
        story = open_story(in_flight=1)
        sent, waiting = story.submit("impure"), story.submit("impure")
        story.cut()
        error = story.outcome(sent)
        assert isinstance(error, errors.ConnectionLost)
        assert error.maybe_executed
        assert [message.id for message in story.reconnect()] == [waiting.id]

    def test_a_request_that_kills_its_server_does_not_do_so_for_ever(self) -> None:
        """A request is sent at most MAX_SENDS times."""
        story = open_story()
        request = story.submit()
        for _ in range(MAX_SENDS - 1):
            story.cut()
            assert [message.id for message in story.reconnect()] == [request.id]
        story.cut()
        assert story.outcome(request).maybe_executed

    def test_sent_again_only_within_its_time_limit(self) -> None:
        """A request whose time passes while there is no connection fails then, and says why."""
        story = open_story()
        request = story.submit(timeout=2.0)
        story.cut()
        story.wait(2.0)
        assert isinstance(story.outcome(request), errors.DeadlineExceeded)
        assert "reconnecting (cut)" in str(story.outcome(request))
        assert story.reconnect() == []

    def test_the_text_form_is_sent_again_as_well(self) -> None:
        """What is kept for sending again can be read back in every form."""
        for form in ("msgpack", "json", "text"):
            story = Story(form=form)
            story.hello()
            request = story.submit(x=X, s=np.array([b"a", b"\xff"], object))
            story.cut()
            story.reconnect()
            assert story.sent[1].message.id == request.id
            assert story.sent[1].tensors["s"].tolist() == [b"a", b"\xff"]

    def test_final_cuts_end_everything(self) -> None:
        """After a terminal close code nothing is sent again; what was sent may have run, what was not has not."""
        story = open_story(in_flight=1)
        sent, waiting = story.submit(), story.submit()
        story.cut(final=True)
        assert story.outcome(sent).maybe_executed
        assert not story.outcome(waiting).maybe_executed
        with pytest.raises(errors.ConnectionLost, match="closed"):
            story.submit()

    def test_without_reconnect_a_cut_is_final(self) -> None:
        """The option reconnect=False makes every cut the end."""
        story = Story(reconnect=False)
        story.hello()
        request = story.submit()
        story.cut()
        assert isinstance(story.outcome(request), errors.ConnectionLost)
        assert str(story.session.state) == "closed (cut)"


class TestGoaway:
    def test_nothing_new_is_sent_and_what_runs_may_finish(self) -> None:
        """After goaway new requests wait, running ones are answered, and then this end may hang up."""
        story = open_story()
        running = story.submit("impure")
        story.goaway()
        waiting = story.submit("impure")
        assert len(story.sent) == 1
        assert not story.session.may_hang_up
        story.answer(running)
        assert isinstance(story.outcome(running), Answer)
        assert story.session.may_hang_up
        story.cut()
        assert [message.id for message in story.reconnect()] == [waiting.id]

    def test_what_crossed_the_goaway_goes_to_the_next_server(self) -> None:
        """A request that is refused with shutting_down after goaway was not executed: it is sent again, pure or not."""
        story = open_story()
        request = story.submit("impure")
        story.goaway()
        assert story.refuse(request, "shutting_down") == []
        assert request not in story.outcomes
        story.cut()
        assert [message.id for message in story.reconnect()] == [request.id]

    def test_a_server_that_does_not_go_is_cut(self) -> None:
        """The connection is cut some time after the end that the server announced."""
        story = open_story()
        story.submit("pure", timeout=1000.0)
        story.goaway(time_left_ms=2000)
        assert story.wait(2.0 + DRAIN_GRACE_S - 0.1) is None
        assert "did not go" in str(story.wait(0.2))


class TestReconnect:
    def test_first_attempt_fails_fast(self) -> None:
        """Without connect_timeout a failed first attempt is the end."""
        story = Story()
        story.session.failed("refused", story.now)
        assert str(story.session.state) == "closed (refused)"

    def test_first_attempt_may_wait(self) -> None:
        """With connect_timeout there are more attempts until that time is over."""
        story = Story(connect_timeout=3.0)
        attempts = 0
        while not str(story.session.state).startswith("closed"):
            story.session.failed("refused", story.now)
            attempts += 1
            story.now += 1.0
            story.session.dial()
        assert 2 <= attempts <= 4

    def test_a_hopeless_first_attempt_does_not_wait(self) -> None:
        """An attempt that fails for good ends it whatever the time."""
        story = Story(connect_timeout=1000.0)
        story.session.failed("HTTP 403", story.now, final=True)
        assert str(story.session.state) == "closed (HTTP 403)"

    def test_later_attempts_go_on(self) -> None:
        """Once there was a connection, attempts go on for ever, and what waits keeps its own time limit."""
        story = open_story()
        story.cut()
        for _ in range(50):
            story.session.failed("refused", story.now)
            story.session.dial()
        assert str(story.session.state) == "connecting"

    def test_an_attempt_that_is_given_up_as_it_succeeds(self) -> None:
        """If the time for an attempt ends just when it succeeds, what was sent by then is treated as after any cut."""
        story = open_story()
        pure, impure = story.submit("pure"), story.submit("impure")
        story.session.failed("timed out", story.now)
        story.act()
        assert story.outcome(impure).maybe_executed
        assert [message.id for message in story.reconnect()] == [pure.id]

    def test_another_protocol_is_an_error(self) -> None:
        """A server that greets with another protocol is refused."""
        story = Story()
        with pytest.raises(errors.ConnectionLost, match=r"tidegate\.v9"):
            story.say(_hello("tidegate.v9"))


class TestBounds:
    def test_the_queue_is_bounded(self) -> None:
        """Beyond max_pending waiting requests, submit refuses; room appears when one is sent."""
        story = Story(max_pending=2)
        story.submit()
        story.submit()
        with pytest.raises(errors.Overloaded, match="max_pending"):
            story.submit()
        story.hello()
        story.submit()

    def test_kept_bytes_are_bounded(self) -> None:
        """Requests go out only while what is kept of them fits the buffer, give or take a header; a larger one goes alone."""
        story = Story(max_buffer_bytes=1000)
        story.hello(in_flight=10)
        small = [story.submit(x=np.zeros(400, "u1")) for _ in range(3)]
        large = story.submit(x=np.zeros(5000, "u1"))
        assert [request.phase for request in small] == [Phase.SENT, Phase.SENT, Phase.WAITING]
        assert story.session.ledger.held_bytes <= 1000 + 200
        for request in small:
            story.answer(request)
        assert large.phase is Phase.SENT
        story.answer(large)
        assert story.session.ledger.held_bytes == 0

    def test_what_is_kept_beyond_the_bound_is_sent_again(self) -> None:
        """Headers may exceed the bound a little; after a cut, requests that are kept already need no more room."""
        story = Story(max_buffer_bytes=910)
        story.hello()
        requests = [story.submit(x=np.zeros(400, "u1")) for _ in range(2)]
        assert story.session.ledger.held_bytes > 910
        story.cut()
        assert [message.id for message in story.reconnect()] == [request.id for request in requests]

    def test_a_copy_counts(self) -> None:
        """A waiting request whose arrays are copied counts as kept; beyond the buffer it is refused and forgotten."""
        story = Story(max_buffer_bytes=1000)
        ledger = story.session.ledger
        first = story.submit(x=np.zeros(600, "u1"))
        ledger.hold(first)
        second = story.submit(x=np.zeros(600, "u1"))
        with pytest.raises(errors.Overloaded, match="max_buffer_bytes"):
            ledger.hold(second)
        assert (ledger.held_bytes, len(ledger.waiting), second.phase) == (600, 1, Phase.FINISHED)

    def test_room_on_the_link_is_respected(self) -> None:
        """Dispatch stops when the room that it was given is used up."""
        story = Story()
        for _ in range(3):
            story.submit()
        story.hello(in_flight=0)
        story.cut()
        story.session.dial()
        story.session.receive(_received_hello(), story.now)
        assert len(story.session.dispatch(story.now, room_bytes=1)) == 1
        assert story.session.dispatch(story.now, room_bytes=0) == []

    def test_the_callers_arrays_may_change_after_a_copy(self) -> None:
        """What is sent is what was in the arrays when they were copied."""
        story = Story()
        mine = X.copy()
        request = story.submit(x=mine)
        story.session.ledger.hold(request)
        mine[:] = -1
        story.hello()
        np.testing.assert_array_equal(story.sent[0].tensors["x"], X)

    def test_strings_count_with_their_bytes(self) -> None:
        """The size of a BYTES tensor is that of its elements, not of the pointers to them."""
        request = Request(1, "m", {"s": np.array([b"x" * 1000, b"y"], object)}, now=0.0, timeout=1.0)
        assert request.nbytes == 1001 + 2 * 4


class TestQuestions:
    def ask(self, story: Story, *, repeatable: bool) -> Question:
        question = Question(Models(id=story.session.next_id()), now=story.now, timeout=5.0, repeatable=repeatable)
        story.session.ask(question)
        return question

    def test_questions_pass_the_queue(self) -> None:
        """A question is sent although the window is full, and as text when its answer may be long."""
        story = open_story(in_flight=1)
        story.submit()
        story.submit()
        self.ask(story, repeatable=False)
        (message,) = story.act()
        assert isinstance(message, Models)
        assert story.sent[-1].form is Form.TEXT

    def test_a_repeatable_question_is_asked_again(self) -> None:
        """After a cut a repeatable question is asked again; another one fails."""
        story = open_story()
        again, once = self.ask(story, repeatable=True), self.ask(story, repeatable=False)
        story.session.dispatch(story.now)
        story.session.lost("cut", story.now)
        assert [(exchange, type(outcome)) for exchange, outcome in story.session.take_settled()] == [
            (once, errors.ConnectionLost)
        ]
        assert [message.id for message in story.reconnect()] == [again.id]

    def test_a_question_has_a_time_limit(self) -> None:
        """A question without an answer ends."""
        story = open_story()
        question = self.ask(story, repeatable=True)
        story.session.tick(story.now + 5.0)
        ((exchange, outcome),) = story.session.take_settled()
        assert exchange is question
        assert isinstance(outcome, errors.DeadlineExceeded)

    def test_pings_are_answered_in_their_form(self) -> None:
        """The server's ping gets a pong with its id, in its form."""
        story = open_story()
        assert story.say(Ping(id="p"), Form.TEXT) == [Pong(id="p")]
        assert story.sent[-1].form is Form.TEXT
        assert story.say(Ping(), Form.MSGPACK) == [Pong()]


class TestHeartbeat:
    def test_silence_is_asked_about_and_then_ends_the_connection(self) -> None:
        """After one keepalive of silence a ping goes out, after two the connection is dead."""
        story = open_story(keepalive_ms=1000)
        assert story.wait(1.0) is None
        assert [type(each.message) for each in story.sent] == [Ping]
        assert "no sign of life" in str(story.wait(1.0))

    def test_any_message_is_a_sign_of_life(self) -> None:
        """Whatever comes starts the watch anew."""
        story = open_story(keepalive_ms=1000)
        for _ in range(10):
            assert story.wait(1.5) is None
            story.session.heard(story.now)


def test_close_ends_everything() -> None:
    """Close gives every unfinished request its outcome, and none is taken afterwards."""
    story = open_story(in_flight=1)
    requests = [story.submit() for _ in range(3)]
    story.session.close()
    story.act()
    assert [story.outcome(request).maybe_executed for request in requests] == [True, False, False]
    assert story.session.next_wakeup() == float("inf")


def _hello(protocol: str):  # type: ignore[no-untyped-def]
    from tidegate.codecs.messages import Hello
    from tidegate.codecs.parts import AnnouncedLimits

    limits = AnnouncedLimits(message_bytes=1000, text_bytes=1000, in_flight=3)
    return Hello(protocol=protocol, server="s", session="s", keepalive_ms=0, limits=limits)


def _received_hello():  # type: ignore[no-untyped-def]
    from tidegate.codecs.reader import Received

    return Received(_hello("tidegate.v1"), {}, Form.TEXT)
