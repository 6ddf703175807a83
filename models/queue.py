"""The queue of one model: who is served next. Pure; knows nothing of time, of what a batch costs or of models.

Rules, each with a test:

1. A request of a higher priority is served before one of a lower priority.
2. Within a priority, clients take turns, one request a turn: a client with a thousand requests waits as long for its
   second as a client with two.
3. Requests of one client with one batch key are served in the order of their arrival; its keys take turns.
4. What is taken together has one batch key: the one whose turn it is for the client whose turn it is. Places that are
   left in the batch go to lower priorities with the same key.
5. Removing a request costs the same however long the queue is, and leaves nothing of it behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lane import Lane

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from .request import Piece, Request


class RequestQueue:
    """Requests that wait for one model.

    Attributes:
        requests: how many wait (one that is partly served counts).
        rows: how many rows wait.
        nbytes: how many bytes of tensors wait.
    """

    __slots__ = ("_lanes", "_rows_by_key", "nbytes", "requests", "rows")

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
        self._rows_by_key: dict[Hashable, int] = {}
        self.requests = 0
        self.rows = 0
        self.nbytes = 0

    def __len__(self) -> int:
        return self.requests

    def __iter__(self) -> Iterator[Request]:
        for lane in self._lanes.values():
            yield from lane

    def push(self, request: Request) -> None:
        """Put a request behind its client's others."""
        kind = request.kind
        lane = self._lanes.get(kind.priority)
        if lane is None:
            self._lanes[kind.priority] = lane = Lane()
            self._lanes = dict(sorted(self._lanes.items(), reverse=True))
        lane.push(request)
        self._rows_by_key[kind.key] = self._rows_by_key.get(kind.key, 0) + request.rows
        self.rows += request.rows
        self.requests += 1
        self.nbytes += kind.nbytes

    def remove(self, request: Request) -> None:
        """Take a request out, whatever of it is still here."""
        kind = request.kind
        lane = self._lanes[kind.priority]
        lane.remove(request)
        self._count_rows(kind.key, request.rows - request.taken)
        self.requests -= 1
        self.nbytes -= kind.nbytes
        if not lane:
            del self._lanes[kind.priority]

    def next_key(self) -> Hashable:
        """Return the batch key whose turn it is (rule 4).

        Raises:
            LookupError: the queue is empty.
        """
        for lane in self._lanes.values():
            return lane.next_key()
        raise LookupError("the queue is empty")

    def rows_with(self, key: Hashable) -> int:
        """Return how many rows wait under a batch key."""
        return self._rows_by_key.get(key, 0)

    def first(self, key: Hashable) -> Request:
        """Return the request that ``take`` would take first under a key."""
        return next(lane.head(key) for lane in self._lanes.values() if lane.has(key))

    def take(self, key: Hashable, rows: int, *, may_split: bool) -> list[Piece]:
        """Take up to ``rows`` rows under a key, by the rules above.

        Args:
            key: the batch key.
            rows: the most rows to take.
            may_split: whether a request that does not fit may give part of its rows. Without, taking stops there,
                unless nothing was taken yet: then the request is larger than a batch and has to be split.
        """
        pieces: list[Piece] = []
        room = rows
        for priority, lane in tuple(self._lanes.items()):
            room = lane.take(key, room, pieces, may_split=may_split)
            if not lane:
                del self._lanes[priority]
            if room <= 0:
                break
        self._count_rows(key, rows_of(pieces))
        for request, _, stop in pieces:
            if stop == request.rows:
                self.requests -= 1
                self.nbytes -= request.kind.nbytes
        return pieces

    def _count_rows(self, key: Hashable, rows: int) -> None:
        self.rows -= rows
        left = self._rows_by_key.get(key, 0) - rows
        if left:
            self._rows_by_key[key] = left
        else:
            self._rows_by_key.pop(key, None)


def rows_of(pieces: Iterable[Piece]) -> int:
    """Return the number of rows in these pieces."""
    return sum([stop - start for _, start, stop in pieces])
