"""Which streams there are, how many and how large: counted, bounded, and found when they are idle. Pure; takes ``now``.

Bounds: streams in the process and of each model, and the bytes of all of them (states, waiting steps, items that are kept). At
a bound an opening or a step is refused as ``overloaded``.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..worker import Worker
    from .stream import Stream

MIB = 1024 * 1024
_PLACED_WITHIN = 1 / 16  # of the idle time-out: by so much may one that is idle be found too late


@dataclass(frozen=True, slots=True)
class StreamBounds:
    """The bounds of one engine's streams.

    Attributes:
        streams: streams in the process.
        nbytes: bytes of all of them.
        steps: steps of one stream that wait.
        step_bytes: bytes of those.
        results: items of one stream that are kept.
        result_bytes: bytes of those.
    """

    streams: int = 100_000
    nbytes: int = 1024 * MIB
    steps: int = 64
    step_bytes: int = 16 * MIB
    results: int = 256
    result_bytes: int = 4 * MIB


class Population:
    """The streams of one engine.

    Attributes:
        nbytes: bytes of all of them.
    """

    __slots__ = ("_bounds", "_by_idle", "_by_worker", "_count", "nbytes")

    def __init__(self, bounds: StreamBounds) -> None:
        self.nbytes = 0
        self._bounds = bounds
        self._count = 0
        self._by_worker: Counter[Worker] = Counter()
        # By idle time-out, each in the order in which something happened to them: the last thing, or one not long before it.
        self._by_idle: dict[float, OrderedDict[Stream, None]] = {}

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Stream]:
        for streams in self._by_idle.values():
            yield from streams

    def __contains__(self, stream: Stream) -> bool:
        return stream in self._by_idle.get(_idle_s(stream), ())

    def count(self, worker: Worker) -> int:
        """Return how many streams a model has."""
        return self._by_worker[worker]

    def check_room(self, worker: Worker) -> None:
        """Refuse one more stream of a model if a bound is reached.

        Raises:
            Overloaded: it is.
        """
        most = worker.model.stream.max_streams
        if self.count(worker) >= most:
            raise Overloaded(f"{most} streams of {worker.model.name!r} are open, and no more may be", bound="max_streams")
        if self._count >= self._bounds.streams:
            raise Overloaded(f"{self._count} streams are open, and no more may be", bound="streams")
        self.check_bytes()

    def check_bytes(self) -> None:
        """Refuse what takes more memory if streams take too much.

        Raises:
            Overloaded: they do.
        """
        if self.nbytes >= self._bounds.nbytes:
            raise Overloaded(f"streams take {self.nbytes} bytes, and no more may be taken", bound="stream_bytes")

    def add(self, stream: Stream) -> None:
        """Take note of a stream that was opened."""
        self._place(stream)
        self._by_idle.setdefault(_idle_s(stream), OrderedDict())[stream] = None
        self._count += 1
        self._by_worker[stream.worker] += 1
        stream.client.streams += 1
        self.weigh(stream)

    def remove(self, stream: Stream) -> bool:
        """Take note of a stream that has ended; tell whether it was here."""
        streams: OrderedDict[Stream, None] = self._by_idle.get(_idle_s(stream), OrderedDict())
        if stream not in streams:
            return False
        del streams[stream]
        self.nbytes -= stream.weight
        self._count -= 1
        self._by_worker[stream.worker] -= 1
        stream.client.streams -= 1
        return True

    def weigh(self, stream: Stream) -> None:
        """Take note of a stream to which something has happened, and of the bytes that it takes now."""
        nbytes = stream.nbytes
        self.nbytes += nbytes - stream.weight
        stream.weight = nbytes
        if stream.touched > stream.placed_until:
            self._place(stream)
            self._by_idle[_idle_s(stream)].move_to_end(stream)

    def _place(self, stream: Stream) -> None:
        stream.placed_until = stream.touched + _PLACED_WITHIN * _idle_s(stream)

    def idle(self, now: float) -> Iterator[Stream]:
        """Yield the streams to which nothing happened for too long; whoever takes one removes it."""
        for idle_s, streams in self._by_idle.items():
            while streams and now - (stream := next(iter(streams))).touched >= idle_s:
                yield stream


def _idle_s(stream: Stream) -> float:
    return stream.worker.model.stream.idle_timeout_s
