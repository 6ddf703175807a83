"""What outlives a connection: a client's streams, by the names that it gave them. Pure; knows neither sockets nor messages.

Bound: streams, by whoever adds them (see ``stream_ops``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tidegate.codecs.parts import Id
    from tidegate.models.client import Client
    from tidegate.models.streams.stream import Stream


class Owner(Protocol):
    """The conversation that streams belong to."""

    def superseded(self) -> None:
        """Give the streams up, and end: another connection goes on with them."""


class Residence:
    """The streams of one client.

    Attributes:
        token: by which its client claims it; nobody can guess it.
        client: whose turn the streams use; it stays the same when the connection changes.
        owner: who has it now; None while it is parked.
        streams: those that are open, by name.
        ended: those whose end was told to a client that may not have heard it, by name.
        promised: names of streams that are about to be there.
        parked_at: since when it has no owner, in seconds of the monotonic clock.
    """

    __slots__ = ("client", "ended", "owner", "parked_at", "promised", "streams", "token")

    def __init__(self, token: str, owner: Owner, client: Client) -> None:
        self.token = token
        self.client = client
        self.owner: Owner | None = owner
        self.streams: dict[Id, Stream] = {}
        self.ended: dict[Id, Stream] = {}
        self.promised: set[Id] = set()
        self.parked_at = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that somebody could come back for."""
        return not self.streams and not self.ended

    def is_taken(self, name: Id) -> bool:
        """Tell whether a stream of this name is open, or about to be."""
        return name in self.streams or name in self.promised

    @property
    def count(self) -> int:
        """How many streams are open, or about to be."""
        return len(self.streams) + len(self.promised)

    def __repr__(self) -> str:
        where = "parked" if self.owner is None else "owned"
        return f"<Residence {where}, streams={[*self.streams]} ended={[*self.ended]}>"
