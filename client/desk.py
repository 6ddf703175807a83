"""What the streams of one client share: what is to be sent and told, and how much they keep. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tidegate.codecs.messages import ClientMessage

    from .memory import Memory


class Missed(NamedTuple):
    """The outcome of a step that was done, and whose last result was dropped by the overflow policy of its stream."""

    step: int


class Desk:
    """What the streams of one client share.

    Attributes:
        out: small messages to be sent, in order.
        told: outcomes to be handed out, in order: a waiter, and what it is given.
        memory: what steps that are unfinished take of it.
        waiting: how many steps wait to be sent.
        in_flight: how many steps are at the server.
    """

    __slots__ = ("in_flight", "memory", "out", "told", "waiting")

    def __init__(self, memory: Memory) -> None:
        self.out: list[ClientMessage] = []
        self.told: list[tuple[Any, Any]] = []
        self.memory = memory
        self.waiting = 0
        self.in_flight = 0

    def tell(self, waiter: Any, outcome: Any) -> None:
        """Let a waiter be given an outcome."""
        self.told.append((waiter, outcome))
