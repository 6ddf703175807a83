"""Everything that connections share: the engine, the settings, the numbers, and the clock that looks after them.

Knows connections only by what they can be told; knows nothing of frames or messages.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from tidegate.codecs.known_headers import KnownHeaders
from tidegate.codecs.known_steps import KnownSteps
from tidegate.codecs.limits import Limits
from tidegate.codecs.reader import client_messages
from tidegate.models.streams.population import StreamBounds

from .answers import Answers
from .backlogs import Backlogs
from .broadcast import Broadcast
from .encoder import Encoder
from .give_back import GiveBack
from .intake import Intake
from .metrics import Gauges
from .permissions import Permissions
from .publishing import Publications
from .residences import Residences
from .server_topics import ServerTopics
from .stream_metrics import StreamCounter
from .stream_results import StreamResults
from .switch_interval import SwitchInterval
from .topics import Topics
from .trickle import WITHIN_S, Trickle
from .turns import Turns
from .watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tidegate.models.batch import Batch, Run
    from tidegate.models.engine import Engine

    from .connection import GatewayConnection
    from .metrics import Metrics
    from .residence import Residence
    from .settings import Settings

_LATE_S = 0.002  # a timer that is this late has waited for a busy loop
_EXPIRED_AT_ONCE = 4  # streams; each may keep hundreds of results, and letting go of them takes a quarter of a millisecond
_REST = 9  # times as long as letting some go took, so that it has a tenth of the loop
_SPOKES = 16  # connections are looked after a sixteenth at a time, so that ten thousand of them do not stop the loop


class Hub:
    """What one gateway's connections share.

    Attributes:
        half_open: connections in their opening handshake, the oldest first; at the bound the oldest is cut off.
        connections: open connections.
        draining: whether the gateway is about to stop.
        backlogs: what clients have not read.
        encoder: writes results that take long to write.
        intake: what connections share for reading.
        stream_bounds: what streams may keep.
        residences: whose streams they are.
        permissions: what sessions may subscribe to and publish on.
        broadcast: sends events to those who watch.
        publications: what clients publish.
        server_topics: what the gateway publishes.
    """

    def __init__(self, settings: Settings, engine: Engine, metrics: Metrics) -> None:
        self.settings = settings
        self.engine = engine
        self.metrics = metrics
        self.reader = client_messages(Limits(message_bytes=settings.message_bytes, text_bytes=settings.text_bytes))
        self.known_headers = KnownHeaders()
        self.known_steps = KnownSteps()
        self.answers = Answers()
        self.stream_results = StreamResults()
        self.half_open: OrderedDict[GatewayConnection, None] = OrderedDict()
        self.connections: dict[GatewayConnection, int] = {}
        self.draining = False
        self.switch_interval = SwitchInterval()
        self._spokes: list[set[GatewayConnection]] = [set() for _ in range(_SPOKES)]
        self._numbers = itertools.count()
        self.backlogs: Backlogs[GatewayConnection] = Backlogs(settings.outbound_total_bytes)
        self._loop = asyncio.get_running_loop()
        self.intake = Intake(
            self._loop,
            message_bytes=settings.message_bytes,
            inbound_bytes=settings.inbound_bytes,
            busy=self.switch_interval.busy,
        )
        self.encoder = Encoder(self._loop)
        self.stream_bounds = stream_bounds(settings)
        self.residences = Residences(settings.resume_window_s)
        self.permissions = Permissions()
        topics = Topics(settings.max_topics, settings.topic_bytes)
        self._broadcasts = Turns(self._loop)
        self.broadcast = Broadcast(
            topics,
            Watchers(topics, settings.max_subscriptions, settings.subscriptions_per_connection),
            metrics,
            soon=self._broadcasts.add,
            encode=self.encode,
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        self.publications = Publications(self.broadcast, self.permissions, StreamCounter(metrics))
        self.server_topics = ServerTopics(self.broadcast, metrics, self.load, engine.models)
        self._give_back = GiveBack()
        self._flushes = Turns(self._loop)
        self._trickle: Trickle[GatewayConnection] = Trickle()
        self._late_writes: asyncio.TimerHandle | None = None
        self._sendings = Turns(self._loop)
        self._chores = Turns(self._loop)
        self._tick: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._late = False

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
        self._give_back.freed(connection.waiting_bytes())
        self.backlogs.note(connection, 0)
        self._trickle.forget(connection)
        if number is not None:
            self._spokes[number].discard(connection)
            self.metrics.connections_closed.add(reason)

    # Bytes go out.

    def send_soon(self, connection: GatewayConnection) -> None:
        """Flush a connection at the end of this turn of the loop, or in one of the next when there are many."""
        self._flushes.add((connection.flush_soon,))

    def send_later(self, connection: GatewayConnection) -> None:
        """Flush a connection within two milliseconds, with what comes for it until then (see ``Trickle``)."""
        due = self._trickle.add(connection, time.monotonic())
        if due is not None:
            due.flush_soon()
        if self._late_writes is None and self._trickle:
            self._late_writes = self._loop.call_later(WITHIN_S, self._flush_late)

    def _flush_late(self) -> None:
        self._late_writes = None
        for connection in self._trickle.late(time.monotonic()):
            connection.flush_soon()
        if self._trickle:
            self._late_writes = self._loop.call_later(WITHIN_S, self._flush_late)

    def send_streams(self, turn: Callable[[], None]) -> None:
        """Let a connection have a turn of sending what its streams have, soon."""
        self._sendings.add((turn,))

    def encode(self, owner: Hashable, write: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Write something on another thread (see ``Encoder``), which then wants the interpreter lock as well."""
        self.switch_interval.busy(time.monotonic())
        self.encoder.submit(owner, write, done)

    def holds(self, connection: GatewayConnection, nbytes: int) -> None:
        """Take note of the bytes that a client has not read; look after it until there are none."""
        self.backlogs.note(connection, nbytes)
        if self.backlogs.full:
            self._make_room()

    def _make_room(self) -> None:
        for connection in self.backlogs:
            self.backlogs.note(connection, connection.waiting_bytes())
        if self.backlogs.full:
            for connection in self.backlogs.surplus():
                connection.abort("crowded")
                self.backlogs.note(connection, 0)

    def outbound_bytes(self) -> int:
        """Return the bytes of memory that answers keep which clients have not read, all of them together."""
        return sum(connection.waiting_bytes() for connection in self.backlogs)

    # Topics.

    def watched(self) -> None:
        """Take note that somebody has subscribed, or does so no more."""
        self.server_topics.watched()

    def load(self) -> Gauges:
        """Look up what changes all the time: queues, compute slots, subscriptions and topics."""
        catalogue, broadcast = self.engine.catalogue, self.broadcast
        waiting = Counter[str]()
        for worker in catalogue:
            waiting[worker.model.name] += worker.queue.requests
        return Gauges(
            queue_requests=waiting,
            queue_bytes=sum(worker.queue.nbytes for worker in catalogue),
            compute_slots=self.engine.compute_slots,
            slot_busy_s=self.engine.busy_s(),
            subscriptions=broadcast.watchers.count,
            topics=len(broadcast.topics),
            topic_bytes=broadcast.topics.nbytes,
        )

    # Streams stay and go.

    def park(self, residence: Residence, now: float) -> None:
        """Keep streams whose connection is gone, for as long as they may wait."""
        self.residences.leave(residence, now)
        if self.residences.anybody_leaves:
            self._chores.add((self._expire_streams,))

    def drain(self) -> None:
        """Take nothing new any more, and drop the streams of clients that are not here: they cannot come back."""
        self.draining = True
        self.server_topics.tell("drain", "the gateway is about to stop")
        self.residences.stop_waiting()
        self._chores.add((self._expire_streams,))

    def _expire_streams(self) -> None:
        if self._resting is None:
            self._expire_some()

    def _expire_some(self) -> None:
        """Let some streams go. What is left waits nine times as long as that took, unless the gateway stops."""
        self._resting = None
        now, host = time.monotonic(), self.engine.streams
        streams, more = self.residences.expire(now, _EXPIRED_AT_ONCE)
        for stream in streams:
            host.drop(stream, "shutting_down" if self.draining else "expired")
        if host.expire(now, _EXPIRED_AT_ONCE) or more:
            rest_s = 0.0 if self.draining else _REST * (time.monotonic() - now)
            self._resting = self._loop.call_later(rest_s, self._expire_some)

    # The engine tells.

    def ran(self, batch: Batch, run: Run) -> None:
        """Count one batch (see ``Observer``)."""
        waited = [run.started - request.arrival for request, start, _ in batch.pieces if start == 0]
        numbers = self.metrics.model(run.model.name)
        numbers.batch(run.size, run.compute_s, waited)
        if self.metrics.times_answers:
            end = run.started + run.compute_s
            done = [end - request.arrival for request, _, stop in batch.pieces if stop == request.rows]
            numbers.latency_s.observe_many(done)

    # Time goes by.

    def start(self) -> None:
        """Begin to look after connections."""
        self.encoder.start()
        self.server_topics.started()
        self._schedule(0)

    def stop(self) -> None:
        """Stop looking after connections."""
        self.encoder.stop()
        self.server_topics.stop()
        self.intake.decoder.stop()
        for timer in (self._tick, self._resting, self._late_writes):
            if timer is not None:
                timer.cancel()

    def _schedule(self, spoke: int) -> None:
        # Three rounds in the time that a client may be left in silence; stalled ones are looked at in each step.
        settings = self.settings
        delay = min(settings.keepalive_s / 3 / _SPOKES, settings.stall_timeout_s / 4, settings.outbound_age_s / 4)
        self._due = time.monotonic() + delay
        self._tick = self._loop.call_later(delay, self._look_after, spoke)

    def _look_after(self, spoke: int) -> None:
        now = time.monotonic()
        late, self._late = self._late, now - self._due > _LATE_S
        if (late and self._late) or self.encoder.busy:  # once may be the machine's doing
            self.switch_interval.busy(now)
        self.switch_interval.check(now)
        self._give_back.check(now)
        self.server_topics.look(sum(process.restarts for process in self.engine.processes()))
        if self._chores:
            self._schedule(spoke)
            return
        self._schedule((spoke + 1) % _SPOKES)
        self._chores.add(partial(connection.keep_alive, now) for connection in self._spokes[spoke])
        self._chores.add((self._expire_streams,))
        self._chores.add(partial(connection.check_reading, now) for connection in self.backlogs)


def stream_bounds(settings: Settings) -> StreamBounds:
    """Return what an engine's streams may keep."""
    return StreamBounds(streams=settings.max_streams, nbytes=settings.stream_bytes)
