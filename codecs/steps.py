"""Decoding in steps: a generator does a little at a time, so that whoever runs it can let others have a turn in between.

No step makes one call that lasts long, since nobody else runs in this interpreter during a call. This module knows
neither threads nor clocks, nor what is decoded.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work in steps; what it returns in the end is its result."""


def finish(steps: Steps[T]) -> T:
    """Take all steps at once."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
