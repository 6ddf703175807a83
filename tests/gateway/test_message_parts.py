"""Messages in parts: whatever the parts, the message is the same, and what it keeps in memory is bounded."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st
from websockets.speedups import apply_mask

from tidegate.gateway.frame_cutter import Head
from tidegate.gateway.message_parts import LargeFrame, MessageParts


@given(st.binary(min_size=1, max_size=300), st.binary(min_size=4, max_size=4), st.lists(st.integers(1, 40), max_size=40))
def test_a_payload_is_unmasked_wherever_it_is_cut(payload: bytes, mask: bytes, sizes: list[int]) -> None:
    """The mask goes on where the last part ended, at any offset, and nothing beyond the payload is taken."""
    large = LargeFrame(Head(0x82, len(payload), mask, 0))
    wire = apply_mask(payload, mask) + b"what follows"
    got, at = b"", 0
    for size in [*sizes, len(wire)]:
        if large.left:
            part = large.unmask(wire[: at + size], at)
            got += part
            at += len(part)
    assert got == payload
    assert at == len(payload)


@given(st.lists(st.integers(0, 40_000), max_size=30))
def test_parts_are_put_together(sizes: list[int]) -> None:
    """All parts come out in order, and counting starts anew."""
    parts = MessageParts()
    expected = b""
    for number, size in enumerate(sizes):
        part = bytes([number]) * size
        parts.add(part)
        expected += part
        assert parts.nbytes == len(expected)
    assert b"".join(parts.take()) == expected
    assert parts.nbytes == parts.fragments == 0
    assert parts.take() == []


def test_single_bytes_take_no_more_than_large_parts() -> None:
    """A message that comes byte by byte keeps little more memory than its bytes."""
    parts = MessageParts()
    for number in range(300_000):
        parts.add(bytes([number % 256, 0]))
    assert sum(sys.getsizeof(part) for part in parts.take()) < 610_000
