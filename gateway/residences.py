"""Who may go on with which streams: residences by token, those that wait for their client, and streams that have ended.

Pure; takes ``now``; returns what is to be dropped instead of dropping it. Rules, each with a test:

1. A token has one owner. Who claims it takes it over, from nobody or from the owner that it had.
2. A residence without an owner waits for ``window_s``, then its streams are to be dropped, a bounded number at a time; from
   the first moment of that on, nobody can claim it.
3. A stream whose end was told is kept for as long, since what was told may not have arrived: so its last results and its end
   can be told once more. At the bounds for these the oldest are forgotten.

Bounds: residences, by the streams that an engine allows; ended streams, by number and bytes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from tidegate.models.streams.items import Ended

from .residence import Residence

if TYPE_CHECKING:
    from tidegate.codecs.parts import Id
    from tidegate.models.client import Client
    from tidegate.models.streams.stream import Stream

    from .residence import Owner

_MIB = 1024 * 1024


class _Told(NamedTuple):
    """The end of a stream that was told: whose it was, its name there, why and when it ended, and the bytes it keeps."""

    residence: Residence
    name: Id
    reason: str
    since: float
    nbytes: int


class Residences:
    """All residences of a gateway.

    Args:
        window_s: seconds for which a residence waits for its client; 0 for not at all.
        most_ended: streams that are kept after their end.
        most_ended_bytes: bytes of those.

    Attributes:
        parked: streams that wait for their client.
    """

    def __init__(self, window_s: float, *, most_ended: int = 10_000, most_ended_bytes: int = 64 * _MIB) -> None:
        self.parked = 0
        self._window_s = window_s
        self._by_token: dict[str, Residence] = {}
        self._parked: OrderedDict[Residence, None] = OrderedDict()  # the oldest first
        self._leaving: deque[Stream] = deque()
        self._ended: OrderedDict[Stream, _Told] = OrderedDict()  # the oldest first
        self._ended_bytes = 0
        self._most_ended = most_ended
        self._most_ended_bytes = most_ended_bytes

    def __len__(self) -> int:
        return len(self._by_token)

    @property
    def anybody_leaves(self) -> bool:
        """Whether there are streams to be dropped that nobody can claim any more."""
        return bool(self._leaving)

    def begin(self, token: str, owner: Owner, client: Client) -> Residence:
        """Make the residence of a client that opens its first stream."""
        residence = self._by_token[token] = Residence(token, owner, client)
        return residence

    def claim(self, token: str, owner: Owner) -> tuple[Residence, Owner | None] | None:
        """Give a residence to somebody who has its token.

        Returns:
            The residence, and the owner that it had and must give up (rule 1); None if nobody has such a token.
        """
        residence = self._by_token.get(token)
        if residence is None:
            return None
        before, residence.owner = residence.owner, owner
        if before is None:
            self._unpark(residence)
        return residence, before

    def leave(self, residence: Residence, now: float) -> None:
        """Take note that a residence has no owner any more."""
        residence.owner = None
        if residence.is_empty or not self._window_s:
            self._evict(residence)
            return
        residence.parked_at = now
        self._parked[residence] = None
        self.parked += len(residence.streams)

    def ended(self, residence: Residence, name: Id, stream: Stream, reason: str, now: float) -> None:
        """Take note that the end of a stream was told (rule 3)."""
        residence.streams.pop(name, None)
        if not self._window_s:
            return
        self.forget(residence, name)
        told = self._ended[stream] = _Told(residence, name, reason, now, stream.ring.nbytes)
        residence.ended[name] = stream
        self._ended_bytes += told.nbytes
        while len(self._ended) > self._most_ended or self._ended_bytes > self._most_ended_bytes:
            self._forget_oldest()

    def revive(self, residence: Residence, name: Id) -> Stream | None:
        """Return the stream of a name, also one whose end was told: it will be told again."""
        stream = residence.ended.pop(name, None)
        if stream is None:
            return residence.streams.get(name)
        told = self._ended.pop(stream)
        self._ended_bytes -= told.nbytes
        stream.ended = Ended(told.reason)
        residence.streams[name] = stream
        return stream

    def forget(self, residence: Residence, name: Id) -> None:
        """Forget the stream that had a name before: its client uses the name again, so it knows of the end."""
        stream = residence.ended.pop(name, None)
        if stream is not None:
            self._ended_bytes -= self._ended.pop(stream).nbytes

    def stop_waiting(self) -> None:
        """Let everything expire that has no owner, now and from now on."""
        self._window_s = 0.0

    def expire(self, now: float, most: int) -> tuple[list[Stream], bool]:
        """Give up what nobody came back for.

        Returns:
            Streams to be dropped, at most so many, and whether there are more of them.
        """
        for _ in range(most):
            if not self._ended or now - next(iter(self._ended.values())).since < self._window_s:
                break
            self._forget_oldest()
        while self._parked and len(self._leaving) < most:
            residence = next(iter(self._parked))
            if now - residence.parked_at < self._window_s:
                break
            self._unpark(residence)
            self._evict(residence)
        streams = [self._leaving.popleft() for _ in range(min(most, len(self._leaving)))]
        return streams, bool(self._leaving)

    def _unpark(self, residence: Residence) -> None:
        del self._parked[residence]
        self.parked -= len(residence.streams)

    def _evict(self, residence: Residence) -> None:
        """Let nobody claim a residence any more, and its streams be dropped."""
        self._by_token.pop(residence.token, None)
        for name in tuple(residence.ended):
            self.forget(residence, name)
        self._leaving.extend(residence.streams.values())
        residence.streams.clear()

    def _forget_oldest(self) -> None:
        told = next(iter(self._ended.values()))
        residence = told.residence
        self.forget(residence, told.name)
        if residence.owner is None and residence.is_empty and residence in self._parked:
            self._unpark(residence)
            self._evict(residence)
