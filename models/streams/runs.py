"""What a stream asks of whoever runs its requests. Plain types, no behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..request import Request
    from .stream import Stream


class Runs(Protocol):
    """Who runs requests."""

    def run(self, request: Request) -> None:
        """Queue a request; raises what ``Scheduler.add`` raises."""

    def give_up(self, request: Request) -> None:
        """Cancel a request."""

    def soon(self, stream: Stream) -> None:
        """Let a stream go on, soon: there may be room for what it makes."""

    def step_ended(self, stream: Stream, code: str) -> None:
        """Take note that a step has ended: ``ok``, or with the code of an error."""
