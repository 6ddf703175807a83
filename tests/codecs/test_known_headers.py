"""What recognising a header promises: never an answer that decoding would not have given."""

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
from tidegate.codecs.messages import Infer
from tidegate.codecs.reader import client_messages
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from tidegate.codecs.datatypes import Array

READER = client_messages()
ARRAYS = {"x": np.arange(3, dtype="<f4"), "y": np.arange(4, dtype="<i8").reshape(2, 2)}
IDS = [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1]


def _message(id: int | str, arrays: dict[str, Array] | None = None) -> bytes:  # noqa: A002
    return encode(Infer(id=id, model_name="m", timeout_ms=5), Form.MSGPACK, ARRAYS if arrays is None else arrays)


def _learned(*messages: bytes) -> KnownHeaders:
    headers = KnownHeaders()
    for message in messages * 2:
        received = READER.binary(message)
        headers.learn(message, received.message, list(received.tensors.values()))
    return headers


LEARNED = _learned(*map(_message, IDS))


@pytest.mark.parametrize("id", IDS)
def test_a_header_met_twice_is_known_with_its_own_id_and_tensors(id: int) -> None:  # noqa: A002
    """Another request of the same kind is recognised, and its id and tensors are those in its bytes."""
    arrays = {name: array + 1 for name, array in ARRAYS.items()}
    message = _message(id, arrays)
    found = LEARNED.find(message)
    assert found is not None
    known, id_, end = found
    tensors = known.tensors(message, end)
    assert tensors is not None
    assert (id_, known.names, known.message.timeout_ms) == (id, ("x", "y"), 5)
    assert [array.tolist() for array in tensors] == [array.tolist() for array in arrays.values()]
    assert not any(array.flags.writeable for array in tensors)


def test_a_header_met_once_is_not_known() -> None:
    """What differs each time is never remembered."""
    headers = KnownHeaders()
    received = READER.binary(_message(1))
    assert headers.learn(_message(1), received.message, list(received.tensors.values())) is None
    assert headers.find(_message(1)) is None


@pytest.mark.parametrize(
    "message",
    [
        _message("text"),
        _message(2**32),
        _message(1, {"b": np.array([True])}),
        _message(1, {"s": np.array([b"s"], object)}),
        _message(1, {"e": np.empty((0, 2))}),
        join(msgpack.packb({"id": 1, "op": "infer", "model_name": "m", "inputs": []})),
        join(b"\x85\xa2op\xa5infer\xa2id\x01\xaamodel_name\xa1m\xa6inputs\x90\xa2id\x01"),
    ],
)
def test_what_is_out_of_the_ordinary_goes_the_long_way(message: bytes) -> None:
    """Other ids, elements that must be looked at, empty tensors, another order and a key twice are never recognised."""
    assert _learned(message).find(message) is None


@settings(deadline=None, max_examples=500)
@given(
    st.sampled_from(IDS),
    st.lists(st.tuples(st.integers(0, 250), st.integers(-1, 255)), max_size=2),
    st.sampled_from([b"", b"\0", bytes(8), b"\x01" * 8]),
)
def test_what_is_recognised_would_have_been_read_alike(id: int, edits: list[tuple[int, int]], tail: bytes) -> None:  # noqa: A002
    """However a message is changed: if it is recognised, decoding it gives the same request."""
    message = bytearray(_message(id))
    for at, byte in edits:
        if byte < 0:
            del message[at : at + 1]
        elif at < len(message):
            message[at] = byte
    data = bytes(message) + tail
    found = LEARNED.find(data)
    tensors = found[0].tensors(data, found[2]) if found else None
    if found is None or tensors is None:
        return
    received = READER.binary(data)
    assert (received.message.id, received.message.model_name) == (found[1], found[0].message.model_name)
    assert [array.tobytes() for array in tensors] == [array.tobytes() for array in received.tensors.values()]


def test_a_header_that_claims_much_is_not_even_looked_at() -> None:
    """A header beyond the bound, or one that claims to be, is never split off, since that would copy all of it."""
    message = bytearray(_message(7))
    message[:4] = (5_000).to_bytes(4, "little")
    assert LEARNED.find(bytes(message) + bytes(10_000)) is None
    long = encode(Infer(id=7, model_name="m" * 1000), Form.MSGPACK, ARRAYS)
    assert _learned(long).find(long) is None
