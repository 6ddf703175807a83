"""What the layout of a binary message promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidegate.codecs import frames
from tidegate.codecs.errors import Fault


@pytest.mark.parametrize("size", range(1, 18))
def test_header_and_tensors_begin_at_multiples_of_eight(size: int) -> None:
    """Whatever the header's length, the first tensor is aligned and the message ends aligned."""
    message = frames.join(b"h" * size, [b"abc"])
    header, start = frames.split(message)
    assert header == b"h" * size
    assert start % 8 == 0
    assert message[start:] == b"abc" + bytes(5)


def test_join_takes_any_contiguous_bytes() -> None:
    """Bytes, memoryviews and arrays, scalars and empty ones too, are laid out alike."""
    payloads: list[Any] = [
        b"ab",
        memoryview(b"cdef"),
        np.array(7, "<u2"),
        np.empty((0, 3), "<f4"),
        np.arange(9, dtype=np.uint8),
    ]
    message = frames.join(b"head", payloads)
    assert message[8:] == b"ab" + bytes(6) + b"cdef" + bytes(4) + b"\7" + bytes(7) + bytes(range(9)) + bytes(7)


def _refused(data: bytes, header_bytes: int = 64) -> Fault:
    with pytest.raises(Fault) as caught:
        frames.split(data, header_bytes)
    return caught.value


@pytest.mark.parametrize(
    ("data", "code", "got"),
    [
        (b"", "invalid_message", "a message of 0 bytes"),
        (b"\1\0\0", "invalid_message", "a message of 3 bytes"),
        (b"\1\0\0\0h\0\0", "invalid_message", "a message of 7 bytes"),
        (b"\5\0\0\0head", "invalid_message", "8"),
        (b"\1\0\0\1h\0\0\0", "invalid_message", "a header length of 0x01000001"),
        (b"\x41\0\0\0h\0\0\0", "too_large", "65 bytes"),
        (b"\1\0\0\0h\0\0\1", "invalid_message", "something else at byte 5"),
    ],
)
def test_a_frame_that_is_not_as_laid_out_is_refused(data: bytes, code: str, got: str) -> None:
    """Each way of breaking the layout has its code and says what came."""
    fault = _refused(data)
    assert (fault.code, fault.got) == (code, got)


def test_header_of_a_refused_message_is_given_only_when_it_is_all_there() -> None:
    """The header can be looked at for an id unless its length lies."""
    assert frames.header_of(b"\2\0\0\0{}\1\1") == b"{}"
    assert frames.header_of(b"\x09\0\0\0{}") is None
    assert frames.header_of(b"\0\0\0\1" + bytes(100)) is None
    assert frames.header_of(b"") is None
