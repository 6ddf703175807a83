"""Sends what the streams of one connection have to tell: in order for each, taking turns, no faster than the client reads.

A stream's results stay with it until the client has read most of what it was sent before, so that a slow client slows its
streams down (or lets them drop results, if they were opened so) and no one else. Knows no socket and no engine.

Bounds: what is written in one turn of the loop; bytes that are sent ahead (``AHEAD_BYTES``). A large result is written on
another thread, one of each stream at a time, and nothing is taken from the stream meanwhile.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from tidegate.codecs.errors import Form
from tidegate.models.streams.items import Ended, Gap

from .large_result import LargeResult
from .replies import why_not_written
from .stream_results import instead, read_back

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.codecs.parts import Id
    from tidegate.models.streams.items import Item, Produced
    from tidegate.models.streams.stream import Stream

    from .hub import Hub
    from .link import Link
    from .replies import Replies, Written

AHEAD_BYTES = 262_144
"""What a client may leave unread before its streams wait: more than a socket takes at once, so that no time is lost, and no
more, so that results are fresh and a client on a poor line is not taken for one that does not read."""
TEXT = Form.TEXT  # looking a member up in its class takes longer than comparing it
_TURN = 64  # cost of what is written in one turn: that of so many small results, a fraction of a millisecond
_BYTES = 4096  # that take as long to write as a small result
_LETTERS = 512  # the same, as text
_SHARE = 32  # cost after which another stream has its turn
_AT_ONCE = 16  # items that are taken from a stream


class Channel:
    """How one stream is told to its client.

    Attributes:
        name: the client's for the stream.
        form: how its results are written.
        held: items that were taken and wait behind one that is being written.
        waits: whether there is such a one.
    """

    __slots__ = ("form", "held", "name", "waits")

    def __init__(self, name: Id, form: Form) -> None:
        self.name = name
        self.form = form
        self.held: Sequence[Item | Ended] = ()
        self.waits = False


class StreamSender:
    """The streams of one connection that have something to tell; their ``tag`` is a ``Channel``.

    Args:
        ended: told of a stream whose end has to be sent now, with the reason and the time.
    """

    __slots__ = ("_ahead", "_ended", "_hub", "_link", "_ready", "_replies", "_scheduled", "_short", "_write")

    def __init__(self, hub: Hub, link: Link, replies: Replies, ended: Callable[[Stream, str, float], None]) -> None:
        self._hub = hub
        self._link = link
        self._replies = replies
        self._ended = ended
        self._write = hub.stream_results.write
        self._short = hub.stream_results.short
        self._ready: dict[Stream, None] = {}
        self._scheduled = False
        self._ahead = min(AHEAD_BYTES, hub.settings.outbound_bytes // 2)

    def stream_has(self, stream: Stream) -> None:
        """Take note that there is something to take (see ``Receiver``)."""
        self._ready[stream] = None
        self.has_room()

    def streams_made(self, made: Sequence[tuple[Stream, Produced]]) -> None:
        """Send what streams have made, as far as the client has read enough and nothing waits before it (see ``Receiver``).

        What ends a step goes out in this turn of the loop; where more is to come at once, some of it may go together.
        """
        room = 0 if self._replies.closed else self._ahead - self._link.backlog
        payloads: list[bytes] = []
        for stream, item in made:
            channel: Channel = stream.tag
            if room <= 0 or channel.waits or channel.held:
                stream.ring.add(item)
                self.stream_has(stream)
            elif not stream.ring.pass_on(item):
                self.stream_has(stream)
            elif (payload := self._short(channel.name, channel.form, item)) is not None:
                stream.ring.keep_written(item, payload, read_back)
                payloads.append(payload)
                room -= len(payload)
            else:
                stream.ring.keep(item)
                room -= _BYTES * self._send(stream, channel, item)
        if payloads:
            (self._link.post_all if made[0][1].final else self._link.post_soon)(payloads)
            self._hub.metrics.model(made[0][0].model.name).streams.results += len(payloads)

    def has_room(self) -> None:
        """Go on, if the client has read enough."""
        if self._ready and not self._scheduled and self._link.backlog < self._ahead:
            self._scheduled = True
            self._hub.send_streams(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        left = _TURN
        while left > 0 and self._ready and not self._replies.closed:
            stream = next(iter(self._ready))
            del self._ready[stream]
            left -= self._serve(stream)
        self._link.send_now(())
        if not self._replies.closed:
            self.has_room()

    def _serve(self, stream: Stream) -> int:
        """Send some of what a stream has; return what that cost."""
        channel: Channel = stream.tag
        if channel.waits:
            return 1
        items, spent = channel.held or stream.take(_AT_ONCE), 1
        for at, item in enumerate(items, 1):
            if isinstance(item, Ended):
                self._ended(stream, item.reason, time.monotonic())
                return spent
            spent += self._send(stream, channel, item)
            if channel.waits or spent > _SHARE:
                channel.held = items[at:]
                break
        else:
            channel.held = ()
        if not channel.waits and (channel.held or stream.ready):
            self._ready[stream] = None
        return spent

    def _send(self, stream: Stream, channel: Channel, item: Item) -> int:
        """Send an item, or have it written; return what that cost."""
        try:
            payload = self._write(channel.name, channel.form, item)
            if isinstance(payload, LargeResult):
                self._send_large(stream, channel, item, payload)
                return 1 + payload.nbytes // _BYTES
        except Exception as error:
            self._send_instead(stream, channel, item, error)
            return 1
        self._post(stream, channel, item, payload)
        return 1 + len(payload) // (_LETTERS if channel.form is TEXT else _BYTES)

    def _send_large(self, stream: Stream, channel: Channel, item: Item, result: LargeResult) -> None:
        if result.slow:
            self._replies.write_elsewhere(result, partial(self._written, stream, channel, item))
            channel.waits = True
        else:
            self._replies.post_pieces(channel.form, *result.pieces())
            self._count(stream, item)

    def _written(self, stream: Stream, channel: Channel, item: Item, made: Written | Exception) -> None:
        channel.waits = False
        try:
            if isinstance(made, Exception):
                raise made
            self._replies.post_pieces(channel.form, *made)
            self._count(stream, item)
        except Exception as error:
            self._send_instead(stream, channel, item, error)
        if channel.held or stream.ready:
            self.stream_has(stream)

    def _send_instead(self, stream: Stream, channel: Channel, item: Item, error: Exception) -> None:
        told = why_not_written(error, stream.model.name)
        other = instead(item, told, stream.next_step)
        payload = self._write(channel.name, channel.form, other)
        assert isinstance(payload, bytes)
        self._post(stream, channel, other, payload)

    def _post(self, stream: Stream, channel: Channel, item: Item, payload: bytes) -> None:
        self._link.post(payload, text=channel.form is TEXT)
        self._count(stream, item)

    def _count(self, stream: Stream, item: Item) -> None:
        numbers = self._hub.metrics.model(stream.model.name).streams
        if isinstance(item, Gap):
            numbers.gaps += item.last - item.first + 1
        else:
            numbers.results += 1
