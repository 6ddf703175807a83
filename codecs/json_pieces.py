"""A long JSON list → flat lists of a few elements each, one after the other, whether the long one was flat or nested.

Decoded at once, a list of a megabyte keeps the interpreter from everything else for many milliseconds. Cut at the commas
between its elements, each piece takes a fraction of one. This module does not know what an element means.

Rules:

1. The text must be known to be valid JSON. Then its brackets and commas alone, strings and objects left out, tell how it
   is nested; it is cut only if they are exactly those of a list with the given shape.
2. A piece that is cut is the text between two commas with its brackets blanked. What is a number, a boolean or one of the
   permitted names there, was one before: neither blanks nor cuts within a string can make one of something else.
3. Only elements that may be any string or object are searched for quotes and braces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .datatypes import Array

PIECE_BYTES = 32 * 1024
"""A list of fewer bytes is decoded at once."""

_COMMA, _QUOTE = b',"'
_STRUCTURE = b"[],"
_OTHERS = bytes(byte for byte in range(256) if byte not in _STRUCTURE)
_BLANKED = bytes.maketrans(b"[]", b"  ")
_IS_BRACKET = np.isin(np.arange(256), list(b"[]"))
_IS_STRUCTURE = np.isin(np.arange(256), list(_STRUCTURE))
_BRACE_STEP = np.array([(byte == 0x7B) - (byte == 0x7D) for byte in range(256)], np.int8)


class WrongNesting(ValueError):
    """Raised when a list is not nested as it should be, or has another number of elements."""


def pieces(text: bytes, shape: tuple[int, ...], *, any_text: bool) -> Iterator[bytes]:
    """Cut a list into flat ones.

    Args:
        text: a valid JSON list.
        shape: how it is nested; one number for a flat list. A list of none may also hold one element: that is for the
            caller to check.
        any_text: whether elements may be any string or object.

    Raises:
        WrongNesting: at the latest in the place of the last piece.
    """
    expected = _skeleton(shape, len(text))
    scan = _TextScan() if any_text else None
    waiting: list[bytes] = []
    seen = 0
    for at in range(0, len(text), PIECE_BYTES):
        chunk = text[at : at + PIECE_BYTES]
        structure, flat, cut = _scanned(chunk) if scan is None else scan.scanned(chunk)
        if not expected.startswith(structure, seen):
            raise WrongNesting
        seen += len(structure)
        if cut >= 0:
            yield b"[%s%s]" % (b"".join(waiting), flat[:cut])
            waiting = [flat[cut + 1 :]]
        else:
            waiting.append(flat)
    if seen != len(expected):
        raise WrongNesting
    yield b"[%s]" % b"".join(waiting)


def is_blank(piece: bytes) -> bool:
    """Tell whether a piece holds no element."""
    return not piece.strip(b"[], \t\r\n")


def _skeleton(shape: tuple[int, ...], most: int) -> bytes:
    """Write the brackets and commas of a list that is nested so.

    Raises:
        WrongNesting: they are more than ``most``, which a text of that size cannot have.
    """
    length = 0
    for count in reversed(shape):
        length = max(count * length + count - 1, 0) + 2
        if length > most:
            raise WrongNesting
    inner = b""
    for count in reversed(shape):
        inner = b"[%s%s]" % ((inner + b",") * (count - 1), inner if count else b"")
    return inner


def _scanned(chunk: bytes) -> tuple[bytes, bytes, int]:
    """Give the structure of a chunk without strings, the chunk with its brackets blanked, and its last comma or -1."""
    return chunk.translate(None, _OTHERS), chunk.translate(_BLANKED), chunk.rfind(b",")


class _TextScan:
    """Does what ``_scanned`` does where strings and objects may hide structure; goes from chunk to chunk."""

    def __init__(self) -> None:
        self._escaped = False
        self._inside = False
        self._braces = 0

    def scanned(self, chunk: bytes) -> tuple[bytes, bytes, int]:
        shown = np.frombuffer(chunk, np.uint8)
        structural = _IS_STRUCTURE[shown] & ~self._hidden(np.frombuffer(self._unescaped(chunk), np.uint8))
        commas = np.flatnonzero(structural & (shown == _COMMA))
        flat = shown.copy()
        flat[structural & _IS_BRACKET[shown]] = 0x20
        return shown[structural].tobytes(), flat.tobytes(), int(commas[-1]) if commas.size else -1

    def _unescaped(self, chunk: bytes) -> bytes:
        """Replace what is escaped by something harmless of the same length."""
        if self._escaped:
            chunk = b"_" + chunk[1:]
        if b"\\" in chunk:
            # From left to right, so that the second of two backslashes is not taken for the first of the next two.
            chunk = chunk.replace(b"\\\\", b"__")
            chunk = chunk.replace(b'\\"', b"__")
        self._escaped = chunk.endswith(b"\\")
        return chunk

    def _hidden(self, chars: Array) -> Array:
        """Tell which bytes are within strings or objects."""
        # Sums of 0 and 1 that wrap at 256 stay even or odd.
        odd = np.cumsum(chars == _QUOTE, dtype=np.uint8) + np.uint8(self._inside) & 1
        inside = odd.astype(bool)
        self._inside = bool(inside[-1])
        steps = _BRACE_STEP[chars]
        steps[inside] = 0
        braces = np.cumsum(steps, dtype=np.int32) + self._braces
        self._braces = int(braces[-1])
        hidden: Array = inside | (braces > 0)
        return hidden
