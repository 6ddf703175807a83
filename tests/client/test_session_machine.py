"""The session under any order of events: every request gets exactly one outcome, and no bound is ever exceeded."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule
from story import Story

from tidegate import errors
from tidegate.client.exchange import Phase, Request
from tidegate.client.ledger import MAX_SENDS
from tidegate.client.states import Closed, Connecting, Open, Reconnecting
from tidegate.codecs.messages import Infer

IN_FLIGHT = 3
MAX_PENDING = 5
BUFFER_BYTES = 2000
HEADER_BYTES = 200


class SessionMachine(RuleBasedStateMachine):
    """One session, a server that does what it likes, and a network that breaks."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.story = Story(max_pending=MAX_PENDING, max_buffer_bytes=BUFFER_BYTES)
        self.accepted: list[Request] = []
        self.abandoned: set[Request] = set()
        self.at_server: dict[int, Request] = {}
        self.seen = 0
        self.story.hello(in_flight=IN_FLIGHT)

    def look(self) -> None:
        """Play the server: keep account of what it was sent on this connection."""
        for received in self.story.sent[self.seen :]:
            if isinstance(received.message, Infer):
                (request,) = [request for request in self.accepted if request.id == received.message.id]
                assert received.message.id not in self.at_server
                assert request.sends <= MAX_SENDS
                self.at_server[request.id] = request
        self.seen = len(self.story.sent)

    @rule(
        target=requests,
        model=st.sampled_from(["pure", "impure"]),
        timeout=st.floats(0.5, 20.0),
        nbytes=st.sampled_from([0, 300, 900, 5000]),
        copy=st.booleans(),
    )
    def submit(self, model: str, timeout: float, nbytes: int, *, copy: bool):  # type: ignore[no-untyped-def]
        story = self.story
        request = story.request(model, timeout, x=np.zeros(nbytes, "u1"))
        self.accepted.append(request)
        try:
            story.session.submit(request)
            story.act()
            if copy and request.phase is Phase.WAITING:
                story.session.ledger.hold(request)
        except (errors.Overloaded, errors.ConnectionLost):
            self.accepted.remove(request)
            return multiple()
        finally:
            self.look()
        return request

    @rule(request=requests)
    def cancel(self, request: Request) -> None:
        self.story.session.cancel(request, self.story.now)
        self.story.act()
        self.look()

    @rule(request=consumes(requests))
    def abandon(self, request: Request) -> None:
        if request not in self.story.outcomes:
            self.abandoned.add(request)
        self.story.session.abandon(request)
        self.story.act()
        self.look()

    @precondition(lambda self: self.at_server)
    @rule(data=st.data(), how=st.sampled_from(["result", "cancelled", "overloaded", "shutting_down"]))
    def answer(self, data: st.DataObject, how: str) -> None:
        request = self.at_server.pop(data.draw(st.sampled_from(sorted(self.at_server))))
        if how == "result":
            self.story.answer(request)
        else:
            self.story.refuse(request, how)
        self.look()

    @rule(seconds=st.floats(0.0, 8.0))
    def wait(self, seconds: float) -> None:
        if self.story.wait(seconds) is not None:
            self.cut(final=False)
        self.look()

    @rule(final=st.sampled_from([False] * 9 + [True]))
    def cut(self, *, final: bool) -> None:
        if not isinstance(self.story.session.state, Connecting | Reconnecting):
            self.at_server.clear()
            self.story.cut(final=final)

    @precondition(lambda self: isinstance(self.story.session.state, Reconnecting))
    @rule(works=st.booleans())
    def reconnect(self, *, works: bool) -> None:
        if works:
            self.story.reconnect(in_flight=IN_FLIGHT)
            self.look()
        else:
            self.story.session.dial()
            self.story.session.failed("refused", self.story.now)

    @precondition(lambda self: isinstance(self.story.session.state, Open))
    @rule()
    def goaway(self) -> None:
        self.story.goaway()

    @invariant()
    def bounds_hold(self) -> None:
        ledger = self.story.session.ledger
        assert len(ledger.sent) <= IN_FLIGHT
        assert len(ledger.waiting) <= MAX_PENDING + IN_FLIGHT  # those that are sent again were admitted before
        held = [*ledger.sent.values(), *ledger.waiting.values()]
        assert ledger.held_bytes == sum(request.held_bytes for request in held)
        assert ledger.held_bytes <= BUFFER_BYTES + HEADER_BYTES or sum(r.held_bytes > 0 for r in held) == 1
        if not isinstance(self.story.session.state, Closed):
            assert ledger.sent.keys() == self.at_server.keys()

    @invariant()
    def outcomes_are_unique(self) -> None:
        for request, outcomes in self.story.outcomes.items():
            assert len(outcomes) == 1
            assert request not in self.abandoned
            assert request.phase in (Phase.FINISHED, Phase.ABANDONED)

    def teardown(self) -> None:
        """In the end everybody has heard."""
        self.story.session.close()
        self.story.act()
        ledger = self.story.session.ledger
        assert (ledger.held_bytes, len(ledger.sent), len(ledger.waiting)) == (0, 0, 0)
        for request in self.accepted:
            assert (request in self.story.outcomes) != (request in self.abandoned)
            assert request.phase is Phase.FINISHED


SessionMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.__doc__ = "Whatever happens in whatever order, each request has one outcome in the end."
