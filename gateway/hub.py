"""Everything that connections share: the engine, the settings, the numbers, and the clock that looks after them.

Knows connections only by what they can be told; knows nothing of frames or messages.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from tidegate.codecs.known_headers import KnownHeaders
from tidegate.codecs.limits import Limits
from tidegate.codecs.reader import client_messages

from .answers import Answers
from .switch_interval import SwitchInterval

if TYPE_CHECKING:
    from tidegate.models.batch import Batch, Run
    from tidegate.models.engine import Engine

    from .connection import GatewayConnection
    from .metrics import Metrics
    from .settings import Settings

_log = logging.getLogger("tidegate.gateway")

_LATE_S = 0.002  # a timer that is this late has waited for a busy loop
_SPOKES = 16  # connections are looked after a sixteenth at a time, so that ten thousand of them do not stop the loop


class Hub:
    """What one gateway's connections share.

    Attributes:
        half_open: connections in their opening handshake, the oldest first; at the bound the oldest is cut off.
        connections: open connections.
        draining: whether the gateway is about to stop.
    """

    def __init__(self, settings: Settings, engine: Engine, metrics: Metrics) -> None:
        self.settings = settings
        self.engine = engine
        self.metrics = metrics
        self.reader = client_messages(Limits(message_bytes=settings.message_bytes, text_bytes=settings.text_bytes))
        self.known_headers = KnownHeaders()
        self.answers = Answers()
        self.half_open: OrderedDict[GatewayConnection, None] = OrderedDict()
        self.connections: dict[GatewayConnection, int] = {}
        self.draining = False
        self.switch_interval = SwitchInterval()
        self._spokes: list[set[GatewayConnection]] = [set() for _ in range(_SPOKES)]
        self._numbers = itertools.count()
        self._writing: set[GatewayConnection] = set()
        self._dirty: list[GatewayConnection] = []
        self._loop = asyncio.get_running_loop()
        self._tick: asyncio.TimerHandle | None = None
        self._due = 0.0

    # Connections come and go.

    def arrived(self, connection: GatewayConnection) -> None:
        """Take note of a connection that begins its handshake."""
        self.half_open[connection] = None
        if len(self.half_open) > self.settings.max_handshakes:
            oldest, _ = self.half_open.popitem(last=False)
            self.metrics.refused.add("handshakes")
            oldest.abort("lost")

    def has_room(self) -> bool:
        """Tell whether one more connection may be opened."""
        return len(self.connections) < self.settings.max_connections

    def opened(self, connection: GatewayConnection) -> None:
        """Take note of a connection that is open."""
        number = next(self._numbers) % _SPOKES
        self.half_open.pop(connection, None)
        self.connections[connection] = number
        self._spokes[number].add(connection)
        self.metrics.connections_opened += 1

    def closed(self, connection: GatewayConnection, reason: str) -> None:
        """Take note of a connection that is gone."""
        self.half_open.pop(connection, None)
        number = self.connections.pop(connection, None)
        self._writing.discard(connection)
        if number is not None:
            self._spokes[number].discard(connection)
            self.metrics.connections_closed.add(reason)

    # Bytes go out.

    def send_soon(self, connection: GatewayConnection) -> None:
        """Flush a connection at the end of this turn of the loop."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(connection)

    def watch(self, connection: GatewayConnection) -> None:
        """Look after a connection whose peer has not read everything yet."""
        self._writing.add(connection)

    def outbound_bytes(self) -> int:
        """Return the bytes that wait to be read by all clients together."""
        return sum(connection.waiting_bytes() for connection in self._writing)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            try:
                connection.flush_soon()
            except Exception:
                _log.exception("a connection could not be written to")
                connection.abort("error")

    # The engine tells.

    def ran(self, batch: Batch, run: Run) -> None:
        """Count one batch (see ``Observer``)."""
        waited = [run.started - request.arrival for request, start, _ in batch.pieces if start == 0]
        self.metrics.model(run.model.name).batch(run.size, run.compute_s, waited)

    # Time goes by.

    def start(self) -> None:
        """Begin to look after connections."""
        self._schedule(0)

    def stop(self) -> None:
        """Stop looking after connections."""
        if self._tick is not None:
            self._tick.cancel()

    def _schedule(self, spoke: int) -> None:
        # Three rounds in the time that a client may be left in silence; stalled ones are looked at in each step.
        delay = min(self.settings.keepalive_s / 3 / _SPOKES, self.settings.stall_timeout_s / 4)
        self._due = time.monotonic() + delay
        self._tick = self._loop.call_later(delay, self._look_after, spoke)

    def _look_after(self, spoke: int) -> None:
        now = time.monotonic()
        if now - self._due > _LATE_S:
            self.switch_interval.busy(now)
        self.switch_interval.check(now)
        self._schedule((spoke + 1) % _SPOKES)
        for connection in tuple(self._spokes[spoke]):
            connection.keep_alive(now)
        for connection in tuple(self._writing):
            if connection.check_reading(now):
                self._writing.discard(connection)
