"""Which rows run together next, and how a batch that failed is taken apart. Pure functions over a queue.

Only the batch sizes that the proof covered at load are used. Where these are all the numbers up to the largest, a
request is split only if it is larger than a batch; where they have gaps, requests are split so that a batch has exactly
one of the proved sizes. Nothing is ever padded.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from .queue import rows_of
from .request import Piece, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import Client

_HEAVIER = 16


class Sizes:
    """The batch sizes that may be used."""

    __slots__ = ("_sizes", "gapless")

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sorted(sizes))
        if not self._sizes or self._sizes[0] != 1:
            raise ValueError(f"a batch of one row must be possible, sizes are {self._sizes}")
        self.gapless = self._sizes[-1] == len(self._sizes)

    def floor(self, rows: int) -> int:
        """Return the largest usable size that is at most ``rows`` (which is at least 1)."""
        return self._sizes[bisect_right(self._sizes, rows) - 1]


def light_rows(waiting: Sequence[tuple[Client, int]], now: float) -> int:
    """Return how many rows light clients have waiting: those beside whom another has sixteen times as many bytes.

    What runs counts as well as what waits, so that a flood is one even when little of it waits at the moment. Hundreds of
    streams of one client are none: they have a step each, in real time, for which short batches might not be enough. Of a light
    client the most counts that it had lately: one of equals often has one request where another happens to have sixteen.
    """
    heavy = max([client.nbytes / (client.streams or 1) for client, _ in waiting]) / _HEAVIER
    return sum([rows for client, rows in waiting if client.lately_nbytes(now) <= heavy])


def trim(pieces: list[Piece], sizes: Sizes) -> list[Piece]:
    """Cut what is beyond a usable size off the end of a batch; return what was cut off, to be put back."""
    beyond = rows_of(pieces) - sizes.floor(rows_of(pieces)) if pieces else 0
    cut_off: list[Piece] = []
    while beyond:
        request, start, stop = pieces.pop()
        middle = max(start, stop - beyond)
        beyond -= stop - middle
        cut_off.append((request, middle, stop))
        if middle > start:
            pieces.append((request, start, middle))
    return cut_off


def still_wanted(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces whose request still waits for an answer."""
    return [piece for piece in pieces if piece[0].status != Status.DONE]


def split_failed(pieces: Sequence[Piece], sizes: Sizes) -> list[list[Piece]]:
    """Halve a batch that failed, so that the guilty request is alone after log2(requests) rounds.

    Returns:
        The parts, each of a usable size; empty when one request is all there is, and so is the guilty one.
    """
    if len({id(request) for request, _, _ in pieces}) < 2:
        return []
    half = len(pieces) // 2
    return [part for side in (pieces[:half], pieces[half:]) for part in cut(side, sizes)]


def cut(pieces: Sequence[Piece], sizes: Sizes) -> list[list[Piece]]:
    """Cut pieces into runs of usable sizes, in order."""
    parts: list[list[Piece]] = []
    queue = list(reversed(pieces))
    while queue:
        room = sizes.floor(rows_of(queue))
        part: list[Piece] = []
        while room:
            request, start, stop = queue.pop()
            if stop - start > room:
                queue.append((request, start + room, stop))
                stop = start + room
            part.append((request, start, stop))
            room -= stop - start
        parts.append(part)
    return parts
