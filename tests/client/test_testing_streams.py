"""The fake gateway's streams where the SDK never gets to: what a client of another make could do wrong."""

from __future__ import annotations

import numpy as np
import pytest
from stream_story import Summing

from tidegate.client.testing_streams import FakeSession, FakeStreams
from tidegate.codecs.messages import Closed, Error, Open, Opened, Result, Step


@pytest.fixture
def session() -> FakeSession:
    """Give a session with an open stream."""
    made = FakeStreams({"sum": Summing}).new_session()
    made.receive(Open(id=1, stream="s", model_name="sum"), {})
    assert isinstance(made.out.pop()[0], Opened)
    return made


def said(session: FakeSession, message: object, x: int = 1) -> object:
    """Send a message; return the answer."""
    session.receive(message, {"x": np.array(x)})
    session.advance()
    return session.out.pop()[0] if session.out else None


def test_steps_that_are_repeated_or_out_of_order(session: FakeSession) -> None:
    """A repetition is ignored, other content under the same number and a number too high are refused."""
    assert isinstance(said(session, Step(stream="s", step=1)), Result)
    assert said(session, Step(stream="s", step=1)) is None
    conflict, early = said(session, Step(stream="s", step=1), x=2), said(session, Step(stream="s", step=3))
    assert isinstance(conflict, Error)
    assert isinstance(early, Error)
    assert (conflict.code, conflict.stream, conflict.step, conflict.seq) == ("step_conflict", "s", 1, None)
    assert (early.code, early.expected_step) == ("unexpected_step", 2)


def test_names_and_models_that_are_not_there(session: FakeSession) -> None:
    """Each has its error, with the id or the stream that it is about."""
    twice = said(session, Open(id=2, stream="s", model_name="sum"))
    unknown = said(session, Open(id=3, stream="t", model_name="nothing"))
    nowhere = said(session, Step(stream="t", step=1))
    assert [each.code for each in (twice, unknown, nowhere) if isinstance(each, Error)] == [
        "duplicate_stream",
        "unknown_model",
        "unknown_stream",
    ]


def test_the_end_of_a_stream(session: FakeSession) -> None:
    """A test may end a stream as a gateway does."""
    session.end("s", "idle")
    assert session.out == [(Closed(stream="s", reason="idle"), {})]
