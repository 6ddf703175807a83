"""Properties of the messages of streams over generated ones: nothing is lost, in any form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import (
    TENSOR_FIELDS,
    Cancel,
    ClientMessage,
    Close,
    Closed,
    Credit,
    Error,
    Fork,
    Gap,
    Message,
    Open,
    Opened,
    Result,
    Resume,
    Resumed,
    Snapshot,
    SnapshotTaken,
    Step,
)
from tidegate.codecs.parts import LastSeen, ResumedStream, Timing
from tidegate.codecs.reader import client_messages, server_messages
from tidegate.codecs.steps import finish
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from tidegate.codecs.datatypes import Array

GATEWAY = client_messages()
SDK = server_messages()

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
IDS = st.integers(0, 2**53 - 1) | TEXT
STEPS = st.integers(1, 2**53 - 1)
SEQS = st.integers(0, 2**53 - 1)
SCALARS = st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
PARAMETERS = st.none() | st.dictionaries(TEXT, SCALARS, max_size=4)
TIMINGS = st.builds(Timing, queue_us=SEQS, compute_us=SEQS, batch_size=st.integers(1, 128))
ENTRIES = st.lists(st.builds(LastSeen, stream=IDS, last_seq=SEQS), max_size=4)
STATES = st.builds(
    ResumedStream, stream=IDS, next_step=STEPS, replay_from=STEPS, seq=SEQS, status=st.sampled_from(["open", "closing"])
)
MESSAGES = st.one_of(
    st.builds(
        Open, id=IDS, stream=IDS, model_name=TEXT, model_version=st.none() | TEXT, until=st.none() | SEQS,
        overflow=st.sampled_from(["block", "latest", "drop_oldest"]), priority=st.integers(-8, 0), parameters=PARAMETERS,
    ),
    st.builds(Step, stream=IDS, step=STEPS, timeout_ms=st.none() | st.floats(1, 1000), parameters=PARAMETERS),
    st.builds(Close, stream=IDS),
    st.builds(Credit, stream=IDS, until=SEQS, seen=st.none() | SEQS),
    st.builds(Cancel, id=IDS),
    st.builds(Cancel, stream=IDS, step=STEPS),
    st.builds(Snapshot, id=IDS, stream=IDS),
    st.builds(Fork, id=IDS, stream=IDS, to=IDS),
    st.builds(Resume, token=TEXT, streams=ENTRIES),
    st.builds(
        Opened, id=IDS, stream=IDS, model_name=TEXT, model_version=TEXT, next_step=STEPS, steps=SEQS, results=SEQS
    ),
    st.builds(
        Result, stream=IDS, step=STEPS, seq=STEPS, final=st.booleans(), timing=TIMINGS, text=st.none() | st.text(max_size=3),
        reason=st.none() | TEXT,
    ),
    st.builds(
        Error, stream=IDS, step=st.none() | STEPS, seq=st.none() | STEPS, code=TEXT, message=TEXT, retryable=st.booleans(),
        expected_step=st.none() | STEPS, lost=st.lists(IDS, max_size=3),
    ),
    st.builds(Gap, stream=IDS, first=STEPS, last=STEPS),
    st.builds(Closed, stream=IDS, reason=TEXT),
    st.builds(SnapshotTaken, id=IDS, stream=IDS, step=SEQS),
    st.builds(Resumed, token=TEXT, streams=st.lists(STATES, max_size=4), lost=st.lists(IDS, max_size=4)),
)  # fmt: skip
TENSORS = st.dictionaries(TEXT, st.sampled_from([np.ones(3, "<f4"), np.arange(4).reshape(2, 2), np.empty(0, "u1")]), max_size=3)


def _comparable(message: Any) -> Any:
    return json.loads(encode(message, Form.TEXT))


@settings(max_examples=500)
@given(MESSAGES, TENSORS, st.sampled_from(Form))
def test_a_message_is_read_as_it_was_written(message: Message, tensors: dict[str, Array], form: Form) -> None:
    """Every message of streams comes out with the same fields and tensors, read at once or in steps."""
    tensors = tensors if type(message) in TENSOR_FIELDS else {}
    data = encode(message, form, tensors)
    reader = GATEWAY if isinstance(message, ClientMessage) else SDK
    ways = [reader.text(data)] if form is Form.TEXT else [reader.binary(data), finish(reader.binary_steps(data))]
    if form is Form.TEXT and reader is GATEWAY:
        ways.append(finish(reader.text_steps(data)))
    for received in ways:
        assert type(received.message) is type(message)
        assert _comparable(received.message) == _comparable(message)
        assert list(received.tensors) == list(tensors)
        assert all(received.tensors[name].tobytes() == tensors[name].tobytes() for name in tensors)
