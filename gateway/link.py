"""Where a session's messages go: what it asks of its connection. Knows neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Link(Protocol):
    """Where a session's messages go.

    Attributes:
        backlog: bytes that the client has not read yet.
    """

    backlog: int

    def post(self, payload: bytes, *, text: bool) -> None:
        """Send one message, soon."""

    def post_all(self, payloads: Sequence[bytes]) -> None:
        """Send binary messages, as soon as ``post`` and together."""

    def post_pieces(self, pieces: Sequence[bytes | memoryview], surplus: int, *, text: bool) -> None:
        """Send one message that comes in pieces, soon; ``surplus`` is the memory that they keep beyond their own bytes."""

    def owe(self, nbytes: int) -> None:
        """Count bytes of an answer as unread though they are not written yet, or, if negative, no longer."""

    def post_soon(self, payloads: Sequence[bytes]) -> None:
        """Send binary messages within a millisecond or two, in one write with what comes until then."""

    def send_now(self, payloads: Sequence[bytes]) -> None:
        """Send binary messages, at once and together."""

    def of_no_use(self, count: int, now: float) -> None:
        """Count messages that could not be read; a flood of them ends the connection."""

    def superseded(self) -> None:
        """End the connection: another one goes on with its streams."""
