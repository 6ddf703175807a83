"""What all connections share for reading from them: turns, memory, the thread that decodes. Knows no messages.

See each part for its bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .decode_thread import DecodeThread
from .inbound import Inbound
from .reading_turns import ReadingTurns

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable


class Holder(Protocol):
    """A connection, as far as its memory goes."""

    def listen_again(self) -> None:
        """Read on: there is room for its bytes."""

    def cut_off_for_memory(self) -> None:
        """Forget all bytes and end: there is no room for them."""


class Intake:
    """What connections share for reading.

    Attributes:
        message_bytes: size of the largest message.
        turns: whose bytes are read in which turn of the loop.
        inbound: who holds how many bytes of messages that are not done with.
        decoder: where large messages are decoded.
        busy: to be told, with the time, when the loop has more to do than it has time.
    """

    __slots__ = ("busy", "decoder", "inbound", "message_bytes", "turns")

    def __init__(
        self, loop: AbstractEventLoop, *, message_bytes: int, inbound_bytes: int, busy: Callable[[float], None]
    ) -> None:
        self.message_bytes = message_bytes
        self.turns = ReadingTurns(loop.call_soon)
        self.inbound: Inbound[Holder] = Inbound(inbound_bytes, message_bytes)
        self.decoder = DecodeThread(loop)
        self.busy = busy

    def hold(self, holder: Holder, nbytes: int) -> bool:
        """Take note that a connection holds so many bytes; tell whether it may be read from."""
        inbound = self.inbound
        inbound.hold(holder, nbytes)
        surplus = inbound.surplus()
        if surplus is not None:
            inbound.forget(surplus)
            surplus.cut_off_for_memory()
        may_be_read = not inbound.must_pause(holder)
        if inbound.anybody_paused:
            for other in inbound.released():
                other.listen_again()
        return may_be_read

    def forget(self, holder: Holder) -> None:
        """Take note that a connection is gone."""
        self.inbound.forget(holder)
        for other in self.inbound.released():
            other.listen_again()
