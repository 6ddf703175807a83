"""The queue of one model: who is served next. Pure; knows nothing of time, of what a batch costs or of models.

Rules, each with a test:

1. A request of a higher priority is served before one of a lower priority.
2. Within a priority, clients with something waiting get equal compute time, however much each of them asks for: the one
   that was given the least is next. A client that waited for nothing neither saves up nor falls behind.
3. Of one client, the request with the earliest time limit is served first; of equal limits, the one that came first.
4. What is taken together has one batch key: that of the most urgent request of the client whose turn it is. Places that
   are left in the batch go to lower priorities with the same key.
5. Any request can be removed at any time, and leaves nothing of it behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lane import Lane
from .request import NEVER

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from .client import Client
    from .request import Piece, Request


class RequestQueue:
    """Requests that wait for one model.

    Attributes:
        requests: how many wait (one that is partly served counts).
        rows: how many rows wait.
        nbytes: how many bytes of tensors wait.
        limited: how many of the requests have a time limit.
    """

    __slots__ = ("_lanes", "_rows_by_key", "limited", "nbytes", "requests", "rows")

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
        self._rows_by_key: dict[Hashable, int] = {}
        self.requests = 0
        self.rows = 0
        self.nbytes = 0
        self.limited = 0

    def __len__(self) -> int:
        return self.requests

    def __iter__(self) -> Iterator[Request]:
        for lane in self._lanes.values():
            yield from lane

    def push(self, request: Request) -> None:
        """Put a request in its place."""
        kind = request.kind
        lane = self._lanes.get(kind.priority)
        if lane is None:
            lane = self._lane(kind.priority)
        lane.push(request)
        rows = request.rows - request.taken
        self._rows_by_key[kind.key] = self._rows_by_key.get(kind.key, 0) + rows
        self.rows += rows
        self.requests += 1
        self.nbytes += kind.nbytes
        if request.deadline != NEVER:
            self.limited += 1

    def remove(self, request: Request) -> None:
        """Take a request out, whatever of it is still here."""
        priority = request.kind.priority
        lane = self._lanes[priority]
        lane.remove(request)
        self._count(request, -1)
        self._count_rows(request.kind.key, request.taken - request.rows)
        if not lane:
            del self._lanes[priority]

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

    def clients(self) -> int:
        """Return how many clients have something waiting; one is counted for each of its priorities."""
        return sum([lane.clients for lane in self._lanes.values()])

    def waiting(self, key: Hashable) -> list[tuple[Client, int]]:
        """Return the clients of the highest priority that wait under a key, each with its rows."""
        return next((rows for lane in self._lanes.values() if (rows := lane.waiting(key))), [])

    def firsts(self, key: Hashable) -> list[Request]:
        """Return each client's most urgent request under a key."""
        return [request for lane in self._lanes.values() for request in lane.first_of_each(key)]

    def rows_before(self, client: Client, rows: int, priority: int) -> int:
        """Return how many rows are expected to be served before the last of so many more of a client (rules 1 and 2)."""
        if not self.rows:
            return 0
        before = 0
        for lane_priority, lane in self._lanes.items():
            if lane_priority > priority:
                before += lane.rows
            elif lane_priority == priority:
                before += lane.rows_before(client, rows)
        return before

    def take(self, key: Hashable, rows: int, *, row_s: float = 1.0, may_split: bool) -> list[Piece]:
        """Take up to ``rows`` rows under a key, by the rules above.

        Args:
            key: the batch key.
            rows: the most rows to take.
            row_s: compute seconds that a row with this key costs; what clients are charged.
            may_split: whether a request that does not fit may give part of its rows. Without, taking stops there,
                unless nothing was taken yet: then the request is larger than a batch and has to be split.
        """
        pieces: list[Piece] = []
        if rows >= self._rows_by_key.get(key, 0):
            for lane in self._lanes.values():
                lane.take_all(key, pieces, row_s=row_s)
        else:
            room = rows
            for lane in self._lanes.values():
                room = lane.take(key, room, pieces, row_s=row_s, may_split=may_split)
                if room <= 0:
                    break
        if not all(self._lanes.values()):
            self._lanes = {priority: lane for priority, lane in self._lanes.items() if lane}
        self._count_rows(key, -rows_of(pieces))
        left = [request for request, _, stop in pieces if stop == request.rows]
        self.requests -= len(left)
        self.nbytes -= sum([request.kind.nbytes for request in left])
        if self.limited:
            self.limited -= sum([request.deadline != NEVER for request in left])
        return pieces

    def put_back(self, piece: Piece, row_s: float = 1.0) -> None:
        """Undo the taking of a piece, the last one of its request."""
        request, start, stop = piece
        self._lane(request.kind.priority).put_back(piece, row_s)
        self._count_rows(request.kind.key, stop - start)
        if stop == request.rows:
            self._count(request, 1)

    def _lane(self, priority: int) -> Lane:
        if priority not in self._lanes:
            self._lanes[priority] = Lane()
            self._lanes = dict(sorted(self._lanes.items(), reverse=True))
        return self._lanes[priority]

    def _count(self, request: Request, requests: int) -> None:
        self.requests += requests
        self.nbytes += requests * request.kind.nbytes
        if request.deadline != NEVER:
            self.limited += requests

    def _count_rows(self, key: Hashable, rows: int) -> None:
        self.rows += rows
        left = self._rows_by_key.get(key, 0) + rows
        if left:
            self._rows_by_key[key] = left
        else:
            self._rows_by_key.pop(key, None)


def rows_of(pieces: Iterable[Piece]) -> int:
    """Return the number of rows in these pieces."""
    return sum([stop - start for _, start, stop in pieces])
