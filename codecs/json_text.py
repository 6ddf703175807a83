"""The elements of a tensor → the JSON text of one flat list, in pieces none of which takes longer than about a millisecond.

So nobody has to wait for the interpreter lock while a long text is written on another thread. This module does not know how
one element is written, nor messages.
"""

from __future__ import annotations

import base64
from itertools import chain, repeat
from typing import TYPE_CHECKING

import msgspec

from . import json_elements
from .tensors import strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .datatypes import Array

_ELEMENTS = 8192
_BYTES = 49_152  # a multiple of 3, so that base64 can be written in pieces; of UTF-8, so many bytes are at least 12,288 letters


def data_pieces(array: Array, name: str) -> Iterator[bytes]:
    """Write the elements of an array of the datatype ``name``."""
    flat = array.ravel()
    yield b"["
    for comma, start in zip(_commas(), range(0, flat.size, _ELEMENTS), strict=False):
        part = flat[start : start + _ELEMENTS]
        yield comma
        yield from _strings(part) if name == "BYTES" else (_bare(part, name),)
    yield b"]"


def _commas() -> Iterator[bytes]:
    return chain((b"",), repeat(b","))


def _bare(part: Array, name: str) -> bytes:
    return msgspec.json.encode(json_elements.encode(part, name))[1:-1]


def _strings(part: Array) -> Iterator[bytes]:
    for comma, (start, stop) in zip(_commas(), _groups(part), strict=False):
        yield comma
        yield from _string(part[start]) if stop == start + 1 else (_bare(part[start:stop], "BYTES"),)


def _groups(part: Array) -> Iterator[tuple[int, int]]:
    """Give from where to where strings may be written together: not many bytes, or one string."""
    start = nbytes = 0
    for index, element in enumerate(strings(part)):
        if nbytes and nbytes + len(element) > _BYTES:
            yield start, index
            start, nbytes = index, 0
        nbytes += len(element) + 1
    yield start, part.size


def _string(element: bytes) -> Iterator[bytes]:
    try:
        text = element.decode()
    except UnicodeDecodeError:
        yield b'{"b64":"'
        for start in range(0, len(element), _BYTES):
            yield base64.b64encode(element[start : start + _BYTES])
        yield b'"}'
        return
    yield b'"'
    for start in range(0, len(text), _BYTES):
        yield msgspec.json.encode(text[start : start + _BYTES])[1:-1]
    yield b'"'
