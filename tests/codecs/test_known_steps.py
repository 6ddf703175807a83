"""What recognising the header of a step promises: never an answer that decoding would not have given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.codecs.errors import Form
from tidegate.codecs.frames import join
from tidegate.codecs.known_headers import KnownHeaders
from tidegate.codecs.known_steps import KnownSteps
from tidegate.codecs.messages import Infer, Step
from tidegate.codecs.reader import client_messages
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from tidegate.codecs.datatypes import Array

READER = client_messages()
CHUNK = {"input": np.arange(4, dtype="<f4").reshape(1, 4), "more": np.arange(3, dtype="u1")}
NUMBERS = [1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1]


def _step(stream: int | str, step: int, arrays: dict[str, Array] | None = None) -> bytes:
    return encode(Step(stream=stream, step=step, parameters={"seed": 7}), Form.MSGPACK, CHUNK if arrays is None else arrays)


def _learned(*messages: bytes) -> KnownSteps:
    headers = KnownSteps()
    for message in messages * 2:
        received = READER.binary(message)
        headers.learn(message, received.message, list(received.tensors.values()))
    return headers


LEARNED = _learned(_step(1, 1))


@pytest.mark.parametrize("stream", [0, *NUMBERS])
@pytest.mark.parametrize("step", NUMBERS)
def test_a_header_met_twice_is_known_for_every_stream_and_step(stream: int, step: int) -> None:
    """Another step of the same kind is recognised, with its own stream, number and tensors, however long the numbers are."""
    arrays = {name: array + 1 for name, array in CHUNK.items()}
    message = _step(stream, step, arrays)
    found = LEARNED.find(message)
    assert found is not None
    known, found_stream, found_step, end = found
    tensors = known.tensors(message, end)
    assert tensors is not None
    assert (found_stream, found_step, known.names, known.message.parameters) == (stream, step, ("input", "more"), {"seed": 7})
    assert [array.tolist() for array in tensors] == [array.tolist() for array in arrays.values()]


@pytest.mark.parametrize(
    "message",
    [
        _step("text", 1),
        _step(2**32, 1),
        _step(1, 2**32),
        _step(1, 1, {"s": np.array([b"s"], object)}),
        _step(1, 1, {"e": np.empty((0, 2))}),
        join(msgpack.packb({"op": "step", "step": 1, "stream": 1, "inputs": []})),
        join(b"\x85\xa2op\xa4step\xa6stream\x01\xa4step\x01\xa6inputs\x90\xa4step\x01"),
        join(b"\x85\xa2op\xa4step\xa6stream\x01\xa4step\x01\xa6inputs\x90\xa6stream\x01"),
        encode(Infer(id=1, model_name="m"), Form.MSGPACK, CHUNK),
    ],
)
def test_what_is_out_of_the_ordinary_goes_the_long_way(message: bytes) -> None:
    """Other names and numbers, strings, empty tensors, another order, a key twice and other ops are never recognised."""
    assert _learned(message).find(message) is None


def test_a_step_is_no_request() -> None:
    """The headers of steps and of requests are not taken for each other."""
    assert KnownHeaders().find(_step(1, 1)) is None
    assert LEARNED.find(_step(1, 1)[:4]) is None
    assert LEARNED.find(b"") is None


@settings(max_examples=500)
@given(
    st.sampled_from(NUMBERS),
    st.sampled_from(NUMBERS),
    st.lists(st.tuples(st.integers(0, 150), st.integers(-1, 255)), max_size=2),
    st.sampled_from([b"", b"\0", bytes(8), b"\x01" * 8]),
)
def test_what_is_recognised_would_have_been_read_alike(
    stream: int, step: int, edits: list[tuple[int, int]], tail: bytes
) -> None:
    """However a message is changed: if it is recognised, decoding it gives the same step."""
    message = bytearray(_step(stream, step))
    for at, byte in edits:
        if byte < 0:
            del message[at : at + 1]
        elif at < len(message):
            message[at] = byte
    data = bytes(message) + tail
    found = LEARNED.find(data)
    tensors = found[0].tensors(data, found[3]) if found else None
    if found is None or tensors is None:
        return
    received = READER.binary(data)
    assert (received.message.stream, received.message.step) == found[1:3]
    assert received.message.parameters == found[0].message.parameters
    assert [array.tobytes() for array in tensors] == [array.tobytes() for array in received.tensors.values()]
