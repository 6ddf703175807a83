"""Who is told of streams: who takes what they have to tell, who counts, who comes back. Plain types, no behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model import Model
    from .items import Produced
    from .record import Status
    from .stream import Stream


class Receiver(Protocol):
    """Whoever takes what streams have to tell."""

    def stream_has(self, stream: Stream) -> None:
        """Take note that there is something to take. Called on the event loop, never while a stream is opened."""

    def streams_made(self, made: Sequence[tuple[Stream, Produced]]) -> None:
        """Take what streams of a model have made at one time, one item of each; the step of each goes on, or of each has ended.

        Whoever is told adds the items to the streams' rings, where they are not yet. Called on the event loop.
        """


class Observer(Protocol):
    """Whoever counts. Called on the event loop; must be quick."""

    def stream_opened(self, stream: Stream) -> None:
        """A stream was opened."""

    def stream_closed(self, stream: Stream, reason: str) -> None:
        """A stream has ended."""

    def steps_ended(self, model: Model, code: str, count: int = 1) -> None:
        """Steps of a model have ended: ``ok``, or with the code of an error."""


class Attached(NamedTuple):
    """How a stream stands for somebody who comes back to it."""

    next_step: int
    replay_from: int
    seq: int
    status: Status
