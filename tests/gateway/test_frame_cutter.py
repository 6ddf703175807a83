"""Cutting client bytes into frames, against the library's own writer of frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tidegate.gateway.frame_cutter import Head, cut_binary, cut_pings, next_frame

payloads = st.one_of(st.binary(max_size=20), st.binary(min_size=120, max_size=130), st.just(b"x" * 70_000))
frames = st.builds(
    Frame,
    st.sampled_from([Opcode.BINARY, Opcode.BINARY, Opcode.TEXT, Opcode.PING, Opcode.CONT]),
    payloads,
    st.booleans(),
).filter(lambda frame: frame.opcode is not Opcode.PING or (frame.fin and len(frame.data) < 126))


def cut_all(stream: bytes, steps: list[int], most: int) -> list[tuple[bool, bytes]]:
    """Feed a stream in pieces of the given sizes, as sockets do."""
    found: list[tuple[bool, bytes]] = []
    rest = bytearray()
    for at, end in zip([0, *steps], [*steps, len(stream)], strict=True):
        rest += stream[at:end]
        while True:
            payloads, used = cut_binary(rest, 0, most, 1 << 20)
            found += [(True, payload) for payload in payloads]
            other = next_frame(rest, used, 1 << 20, 1 << 20)
            assert other != b""
            assert not isinstance(other, Head)
            if other is not None and (other[0] != 0x82 or len(payloads) < most):
                found.append((False, other))
                used += len(other)
            del rest[:used]
            if not used:
                break
    assert not rest
    return found


@given(st.lists(frames, max_size=6), st.data())
def test_frames_survive_any_fragmentation(sent: list[Frame], data: st.DataObject) -> None:
    """However the bytes arrive, whole binary frames come out unmasked and every other frame as it was sent."""
    wire = [frame.serialize(mask=True) for frame in sent]
    stream = b"".join(wire)
    steps = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    expected = [
        (True, bytes(frame.data)) if frame.opcode is Opcode.BINARY and frame.fin else (False, raw)
        for frame, raw in zip(sent, wire, strict=True)
    ]
    assert cut_all(stream, steps, data.draw(st.integers(1, 4))) == expected


def test_an_unmasked_frame_is_refused() -> None:
    """A frame without a mask is left to the library, with everything behind it."""
    good = Frame(Opcode.BINARY, b"ok").serialize(mask=True)
    bad = Frame(Opcode.BINARY, b"not ok").serialize(mask=False)
    assert cut_binary(good + bad + good, 0, 10, 100) == ([b"ok"], len(good))
    assert next_frame(good + bad + good, len(good), 100, 100) == b""
    assert next_frame(bad[:2], 0, 100, 100) == b""


def test_reserved_bits_are_refused() -> None:
    """A frame that claims an extension is left to the library."""
    wire = bytearray(Frame(Opcode.BINARY, b"no").serialize(mask=True))
    wire[0] |= 0x40
    assert cut_binary(wire, 0, 10, 100) == ([], 0)
    refused = next_frame(wire, 0, 100, 100)
    assert isinstance(refused, bytes)
    assert refused[0] == wire[0]


@given(st.integers(101, 2**63))
def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come(length: int) -> None:
    """A lying or too large length is refused when it is read, not when the memory is full."""
    size = bytes([0x80 | length]) if length < 126 else b""
    if length >= 126:
        size = b"\xfe" + length.to_bytes(2, "big") if length < 65536 else b"\xff" + length.to_bytes(8, "big")
    wire = b"\x82" + size + b"\0\0\0\0"
    assert cut_binary(wire, 0, 10, 100) == ([], 0)
    assert next_frame(wire, 0, 100, 100) == b""


@given(st.binary(max_size=200))
def test_any_bytes_are_cut_or_refused(data: bytes) -> None:
    """No bytes make it raise, and what it says it used it has used."""
    payloads, end = cut_binary(data, 0, 5, 50)
    assert 0 <= end <= len(data)
    assert len(payloads) <= 5
    frame = next_frame(data, end, 50, 50)
    assert not frame or isinstance(frame, Head) or data[end:].startswith(frame) or frame[0] == data[end]


def test_a_turn_has_a_bound() -> None:
    """Of a flood of tiny frames no more than allowed are cut in one go."""
    flood = Frame(Opcode.BINARY, b"").serialize(mask=True) * 1000
    payloads, end = cut_binary(flood, 0, 128, 1000)
    assert (len(payloads), end) == (128, 128 * 6)


@given(st.integers(51, 2**40), st.sampled_from([Opcode.BINARY, Opcode.TEXT, Opcode.CONT]), st.booleans())
def test_the_head_of_a_large_frame_is_enough(length: int, opcode: Opcode, fin: bool) -> None:
    """Of a large data frame that is acceptable the head is returned as soon as it is there, and not before."""
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big") if length < 65536 else b""
    first = bytes([(0x80 if fin else 0) | opcode])
    wire = b"???" + first + (size or b"\xff" + length.to_bytes(8, "big")) + b"mask"
    assert next_frame(wire, 3, 2**40, 50) == Head(first[0], length, b"mask", len(wire))
    assert next_frame(wire[:-1], 3, 2**40, 50) is None


@given(st.lists(st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)), max_size=8), st.data())
def test_of_a_run_of_pings_the_latest_counts(sent: list[tuple[Opcode, bytes]], data: st.DataObject) -> None:
    """Whole pings and pongs are cut up to a number, and the payload of the latest ping among them is given."""
    wire = [Frame(opcode, payload).serialize(mask=True) for opcode, payload in sent]
    most = data.draw(st.integers(1, 8))
    stream = b"".join(wire)
    payload, count, end = cut_pings(stream + Frame(Opcode.BINARY, b"x").serialize(mask=True), 0, most)
    pings = [payload for opcode, payload in sent[:most] if opcode is Opcode.PING]
    assert (payload, count, end) == (pings[-1] if pings else None, min(most, len(sent)), len(b"".join(wire[:most])))
    if sent:
        assert cut_pings(stream[:-1], 0, 100)[1] == len(sent) - 1


@pytest.mark.parametrize(
    "wire", [b"\x89\x00", b"\x09\x80\0\0\0\0", b"\xc9\x80\0\0\0\0", b"\x89\xfe\0\x7e\0\0\0\0", b"\x88\x80\0\0\0\0"]
)
def test_what_is_no_good_ping_is_left_alone(wire: bytes) -> None:
    """A ping without a mask, in fragments, with an extension or too long is for the library to judge, and so is a close."""
    assert cut_pings(wire + bytes(200), 0, 10) == (None, 0, 0)
