"""The requests of one priority, in the order of service. Pure; knows nothing of other priorities, batches or time.

Two views of the same lines: by client, for whose turn it is, and by batch key, for who may join that turn's batch.
All of it is ordered dictionaries, so that any request can be removed at the same cost however many wait: a deque would
keep a cancelled request, and its tensors, until its turn.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from .request import Piece, Request

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

Line = OrderedDict[Request, None]


class Lane:
    """Clients' lines, served in turn."""

    __slots__ = ("_clients", "_keys")

    def __init__(self) -> None:
        self._clients: OrderedDict[Hashable, OrderedDict[Hashable, Line]] = OrderedDict()
        self._keys: dict[Hashable, OrderedDict[Hashable, Line]] = {}

    def __bool__(self) -> bool:
        return bool(self._clients)

    def __iter__(self) -> Iterator[Request]:
        for lines in self._clients.values():
            for line in lines.values():
                yield from line

    def push(self, request: Request) -> None:
        """Put a request behind its client's others."""
        client, key = request.client, request.kind.key
        lines = self._clients.get(client)
        if lines is None:
            self._clients[client] = lines = OrderedDict()
        line = lines.get(key)
        if line is None:
            lines[key] = line = OrderedDict()
            ring = self._keys.get(key)
            if ring is None:
                self._keys[key] = ring = OrderedDict()
            ring[client] = line
        line[request] = None

    def next_key(self) -> Hashable:
        """Return the key whose turn it is among the keys of the client whose turn it is; that client joins first."""
        client, lines = next(iter(self._clients.items()))
        key = next(iter(lines))
        self._keys[key].move_to_end(client, last=False)
        return key

    def has(self, key: Hashable) -> bool:
        """Tell whether a request waits under a key."""
        return key in self._keys

    def head(self, key: Hashable) -> Request:
        """Return the next request under a key."""
        line = next(iter(self._keys[key].values()))
        return next(iter(line))

    def take(self, key: Hashable, room: int, pieces: list[Piece], *, may_split: bool) -> int:
        """Move up to ``room`` rows under a key to ``pieces``; see ``RequestQueue.take``.

        Returns:
            The room that is left; 0 as well when a request that does not fit ended the taking.
        """
        ring = self._keys.get(key)
        served: dict[Hashable, None] = {}
        while ring and room > 0:
            client = next(iter(ring))
            line = ring[client]
            request = next(iter(line))
            start = request.taken
            rows = request.rows - start
            if rows > room:
                if pieces and not may_split:
                    room = 0
                    break
                rows = room
            room -= rows
            request.taken = stop = start + rows
            pieces.append((request, start, stop))
            served[client] = None
            if stop == request.rows:
                del line[request]
            if line:
                ring.move_to_end(client)
            else:
                self._forget(client, key)
        for client in served:
            self._passed(client, key)
        return room

    def remove(self, request: Request) -> None:
        """Take a request out, and everything that holds nothing after it."""
        line = self._clients[request.client][request.kind.key]
        del line[request]
        if not line:
            self._forget(request.client, request.kind.key)

    def _forget(self, client: Hashable, key: Hashable) -> None:
        """Drop a line that holds nothing."""
        ring = self._keys[key]
        del ring[client]
        if not ring:
            del self._keys[key]
        lines = self._clients[client]
        del lines[key]
        if not lines:
            del self._clients[client]

    def _passed(self, client: Hashable, key: Hashable) -> None:
        """Put a client that was served, and its key, behind the others."""
        lines = self._clients.get(client)
        if lines is not None:
            self._clients.move_to_end(client)
            if key in lines:
                lines.move_to_end(key)
