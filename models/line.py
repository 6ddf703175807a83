"""One client's requests with one batch key, the earliest time limit first. Pure; knows nothing of other clients.

A sorted list: nearly every request comes with a later limit than the one before it and is appended, and any of them can
be removed without leaving its tensors behind. Its length is bounded by what one client may have waiting, so that moving
the rest by one place costs next to nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort_right
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .request import Piece, Request

_PLACE = attrgetter("deadline", "arrival")


class Line:
    """Requests in the order of their time limits; of equal limits, in the order of their arrival.

    Attributes:
        rows: how many rows wait in it.
    """

    __slots__ = ("_requests", "rows")

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self.rows = 0

    def __bool__(self) -> bool:
        return bool(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)

    def push(self, request: Request) -> None:
        """Put a request in its place; only the rows that were not taken yet count."""
        requests = self._requests
        if not requests or (request.deadline >= requests[-1].deadline and request.arrival >= requests[-1].arrival):
            requests.append(request)
        else:
            insort_right(requests, request, key=_PLACE)
        self.rows += request.rows - request.taken

    def first(self) -> Request:
        """Return the request with the earliest limit."""
        return self._requests[0]

    def take(self, rows: int) -> tuple[int, int]:
        """Take rows of the first request; it leaves when none of it is left. Return which rows these are."""
        request = self._requests[0]
        start = request.taken
        request.taken = stop = start + rows
        self.rows -= rows
        if stop == request.rows:
            del self._requests[0]
        return start, stop

    def take_all(self) -> list[Piece]:
        """Take all rows of all requests."""
        pieces = [(request, request.taken, request.rows) for request in self._requests]
        for request in self._requests:
            request.taken = request.rows
        self._requests = []
        self.rows = 0
        return pieces

    def remove(self, request: Request) -> None:
        """Take any request out.

        Raises:
            ValueError: it is not here.
        """
        near = bisect_left(self._requests, _PLACE(request), key=_PLACE)
        del self._requests[self._requests.index(request, near)]
        self.rows -= request.rows - request.taken
