"""The requests of one priority, in the order of service. Pure; knows nothing of other priorities, batches or clocks.

Between clients this is self-clocked fair queueing (Golestani, INFOCOM 1994): each client has a virtual time, the compute
seconds that it was given; whoever was given the least comes next, and one that had nothing waiting starts where the
client stands that was served last. So it neither saves up nor falls behind, and however many clients come and go, nobody
who waits is overtaken for ever. Inside a client, the earliest time limit comes first.

Bounds: as many lines as clients with something waiting times their keys. What a client was given is remembered while it
waits for nothing, for so many clients; beyond, and when the lane is empty, all of them are forgotten.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import TYPE_CHECKING

from .line import Line

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from .client import Client
    from .request import Piece, Request

_LATELY_ROWS = 256  # that the sharing of compute time is measured over, at least
_REMEMBERED = 1024  # clients that wait for nothing, beyond as many as wait


class Turn:
    """One client's place in a lane.

    Attributes:
        client: whose it is.
        used_s: its virtual time, in compute seconds.
        rows: how many rows it has waiting.
        lines: what it has waiting, by batch key; no line is empty.
    """

    __slots__ = ("client", "lines", "rows", "used_s")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.used_s = 0.0
        self.rows = 0
        self.lines: dict[Hashable, Line] = {}


class _Ring:
    """Turns, the one that has used the least first, and among equals the one that waits longest.

    A heap whose entries may be out of date: they are put right, or dropped, when they come up.

    Attributes:
        size: how many of the turns still have something to be served here.
    """

    __slots__ = ("_heap", "_listed", "_numbers", "size")

    def __init__(self) -> None:
        self.size = 0
        self._heap: list[tuple[float, int, Turn]] = []
        self._listed: dict[Turn, None] = {}
        self._numbers = count()

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._listed)

    def add(self, turn: Turn) -> None:
        self.size += 1
        if turn not in self._listed:
            self._listed[turn] = None
            heappush(self._heap, (turn.used_s, next(self._numbers), turn))

    def first(self, key: Hashable = None, *, of_any_key: bool = False) -> Turn | None:
        """Return whose turn it is among those that have a line with this key, or any line at all."""
        heap = self._heap
        while heap:
            used_s, _, turn = heap[0]
            if not (turn.lines if of_any_key else key in turn.lines):
                heappop(heap)
                del self._listed[turn]
            elif used_s != turn.used_s:
                heapreplace(heap, (turn.used_s, next(self._numbers), turn))
            else:
                return turn
        return None


class Lane:
    """Clients' lines, served in turn.

    Attributes:
        clients: how many clients have something waiting.
        rows: how many rows wait.
    """

    __slots__ = ("_given_s", "_moved_s", "_now_s", "_order", "_rings", "_turns", "clients", "rows")

    def __init__(self) -> None:
        self.clients = 0
        self.rows = 0
        self._clear()

    def _clear(self) -> None:
        self._turns: dict[Client, Turn] = {}
        self._rings: dict[Hashable, _Ring] = {}
        self._order = _Ring()
        self._now_s = 0.0
        self._given_s = self._moved_s = 0.0

    def __bool__(self) -> bool:
        return self.clients > 0

    def __iter__(self) -> Iterator[Request]:
        for turn in self._turns.values():
            for line in turn.lines.values():
                yield from line

    def push(self, request: Request) -> None:
        """Put a request in its place among its client's."""
        client, key = request.client, request.kind.key
        turn = self._turns.get(client)
        line = turn.lines.get(key) if turn is not None else None
        if turn is None or line is None:
            turn, line = self._line_up(client, key)
        rows = request.rows - request.taken
        line.push(request)
        turn.rows += rows
        self.rows += rows

    def _line_up(self, client: Client, key: Hashable) -> tuple[Turn, Line]:
        """Open a line for a client."""
        turn = self._turns.get(client)
        if turn is None:
            self._turns[client] = turn = Turn(client)
        if not turn.lines:
            turn.used_s = max(turn.used_s, self._now_s)
            self.clients += 1
            self._order.add(turn)
        turn.lines[key] = line = Line()
        ring = self._rings.get(key)
        if ring is None:
            self._rings[key] = ring = _Ring()
        ring.add(turn)
        return turn, line

    def next_key(self) -> Hashable:
        """Return the key of the most urgent request of the client whose turn it is; the lane must not be empty."""
        turn = self._order.first(of_any_key=True)
        assert turn is not None
        lines = turn.lines
        return next(iter(lines)) if len(lines) == 1 else min(lines, key=lambda key: _urgency(lines[key]))

    def waiting(self, key: Hashable) -> list[tuple[Client, int]]:
        """Return the clients that wait under a key, each with its rows."""
        return [(turn.client, turn.lines[key].rows) for turn in self._with(key)]

    def first_of_each(self, key: Hashable) -> list[Request]:
        """Return each client's most urgent request under a key."""
        return [turn.lines[key].first() for turn in self._with(key)]

    def rows_before(self, client: Client, rows: int) -> int:
        """Return how many rows are expected to be served before the last of so many more of a client.

        Its own; of each other client that waits now no more than it has itself; and those of others that come later but
        have less before them, by how it went lately.
        """
        turn = self._turns.get(client)
        own = turn.rows if turn is not None else 0
        others = self.clients - (own > 0)
        return own + max(min(self.rows - own, (own + rows) * others), int(own * (self._sharing() - 1.0)))

    def _sharing(self) -> float:
        """Return how many seconds all clients together were given lately while one that always waits was given one."""
        return self._given_s / self._moved_s if self._moved_s else 1.0

    def _charge(self, turn: Turn, cost_s: float) -> None:
        """Let a client's virtual time, and with it the lane's, go on."""
        turn.used_s += cost_s
        self._given_s += cost_s
        if turn.used_s > self._now_s:
            self._moved_s += turn.used_s - self._now_s
            self._now_s = turn.used_s

    def _fade(self, row_s: float) -> None:
        """Let what was long ago count less in the sharing."""
        if self._given_s > _LATELY_ROWS * row_s:
            self._given_s /= 2
            self._moved_s /= 2

    def take(self, key: Hashable, room: int, pieces: list[Piece], *, row_s: float, may_split: bool) -> int:
        """Move up to ``room`` rows under a key to ``pieces``; see ``RequestQueue.take``.

        Returns:
            The room that is left; 0 as well when a request that does not fit ended the taking.
        """
        self._fade(row_s)
        ring = self._rings.get(key)
        while ring is not None and room > 0 and (turn := ring.first(key)) is not None:
            line = turn.lines[key]
            request = line.first()
            rows = request.rows - request.taken
            if rows > room:
                if pieces and not may_split:
                    return 0
                rows = room
            room -= rows
            start, stop = line.take(rows)
            pieces.append((request, start, stop))
            turn.rows -= rows
            self.rows -= rows
            self._charge(turn, rows * row_s)
            if not line:
                self._forget(turn, key)
        return room

    def take_all(self, key: Hashable, pieces: list[Piece], *, row_s: float) -> None:
        """Move all rows under a key to ``pieces``: nobody is left out, so that it does not matter whose turn it is."""
        for turn in self._with(key):
            line = turn.lines[key]
            turn.rows -= line.rows
            self.rows -= line.rows
            self._charge(turn, line.rows * row_s)
            pieces += line.take_all()
            self._forget(turn, key)

    def put_back(self, piece: Piece, row_s: float) -> None:
        """Undo the taking of a piece, the last one of its request: its rows wait again, and are not charged."""
        request, start, stop = piece
        is_in_line = stop < request.rows
        request.taken = start
        if is_in_line:
            turn = self._turns[request.client]
            turn.lines[request.kind.key].rows += stop - start
            turn.rows += stop - start
            self.rows += stop - start
        else:
            self.push(request)
            turn = self._turns[request.client]
        turn.used_s = max(0.0, turn.used_s - (stop - start) * row_s)

    def remove(self, request: Request) -> None:
        """Take a request out, and everything that holds nothing after it."""
        turn = self._turns[request.client]
        line = turn.lines[request.kind.key]
        line.remove(request)
        turn.rows -= request.rows - request.taken
        self.rows -= request.rows - request.taken
        if not line:
            self._forget(turn, request.kind.key)

    def _with(self, key: Hashable) -> list[Turn]:
        ring = self._rings.get(key)
        return [turn for turn in ring if key in turn.lines] if ring is not None else []

    def _forget(self, turn: Turn, key: Hashable) -> None:
        """Drop a line that holds nothing, and with the last one of the lane everything."""
        del turn.lines[key]
        ring = self._rings[key]
        ring.size -= 1
        if not ring.size:
            del self._rings[key]
        if turn.lines:
            return
        self.clients -= 1
        if not self.clients:
            self._clear()
        elif len(self._turns) > 2 * self.clients + _REMEMBERED:
            self._turns = {client: turn for client, turn in self._turns.items() if turn.lines}


def _urgency(line: Line) -> tuple[float, float]:
    first = line.first()
    return first.deadline, first.arrival
