"""When a connection is read from, and what it holds meanwhile. Knows neither frames nor what messages say.

Reading is paused while the peer does not read its answers, while the connection stands in line for a turn, while a message
is being decoded (what comes after it has to wait, so that the order stays), and while there is no room for its bytes.

Bounds: the bytes that are held, all connections together (see ``inbound``); the time that a message may take without
progress; one message of each connection that is being decoded; what is of no use (see ``flood``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode
from websockets.protocol import OPEN

from .flood import FloodGate
from .inbound import SMALL_BYTES
from .message_parts import MessageParts
from .progress import Progress

if TYPE_CHECKING:
    from tidegate.codecs.steps import Steps

    from .decode_thread import Job
    from .intake import Intake

# Why nothing is read from the peer at the moment; several reasons may hold.
CHOKED, IN_LINE, DECODING, NO_ROOM = 1, 2, 4, 8


class ListeningConnection(ServerConnection):
    """A server connection that is read from when it may be.

    Attributes:
        last_received: when the peer was last heard, in seconds of the monotonic clock.
    """

    def __init__(self, intake: Intake, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.last_received = time.monotonic()
        self._intake = intake
        self._turns = intake.turns
        self._rest = bytearray()
        self._message = MessageParts()
        self._messages = 0
        self._job: Job | None = None
        self._decoding_bytes = 0
        self._arrived = 0.0
        self._held = 0
        self._deaf = 0
        self._in_line = False
        self._dropping = False
        self._flood = FloodGate()
        self._progress = Progress()

    # What it is for; overridden.

    def take_decoded(self, outcome: Any, now: float) -> None:
        """Take what became of the steps: their result, or what they raised; ``now`` is when the message was complete."""
        raise AssertionError("to be overridden")

    def refuse_flood(self) -> None:
        """End the connection: the peer floods it with what is of no use."""
        raise AssertionError("to be overridden")

    def refuse_bytes(self) -> None:
        """End the connection: there is no room for what it sends."""
        raise AssertionError("to be overridden")

    def read_on(self, now: float, until: float) -> None:
        """Have a turn (see ``ReadingTurns``)."""
        raise AssertionError("to be overridden")

    # Decoding.

    @property
    def decoding(self) -> bool:
        """Whether a message is here that is not decoded yet; what came after it waits."""
        return self._job is not None

    def _decode(self, steps: Steps[Any], nbytes: int) -> None:
        self._decoding_bytes = nbytes
        self._arrived = self.last_received
        self._stop_reading(DECODING)
        self._intake.busy(self.last_received)
        self._job = self._intake.decoder.submit(steps, self._decoded)

    def _decoded(self, outcome: Any) -> None:
        self._job = None
        self._decoding_bytes = 0
        if self.protocol.state is OPEN:
            if isinstance(outcome, UnicodeDecodeError):
                self._fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
            else:
                self.take_decoded(outcome, self._arrived)
        if self._rest:
            self._wait(new=True)
        else:
            self._count()
        self._go_on_reading(DECODING)

    def _fail(self, code: CloseCode, text: str) -> None:
        self.protocol.fail(code, text)
        self.send_data()

    # Whether the peer is read from.

    @property
    def choked(self) -> bool:
        """Whether reading is stopped until ``choke(False)``."""
        return bool(self._deaf & CHOKED)

    @property
    def deaf(self) -> bool:
        """Whether nothing is read from the peer, for whatever reason; so it cannot be heard."""
        return bool(self._deaf)

    def choke(self, choked: bool) -> None:
        """Stop reading from the peer, or read on."""
        if choked:
            self._stop_reading(CHOKED)
        else:
            self._go_on_reading(CHOKED)

    def listen_again(self) -> None:
        """Read on: there is room for its bytes (see ``Intake``)."""
        self._go_on_reading(NO_ROOM)

    def cut_off_for_memory(self) -> None:
        """Forget all bytes and end: there is no room for them (see ``Intake``)."""
        self.refuse_bytes()
        self.drop()

    def drop(self) -> None:
        """Forget what came, and whatever comes."""
        self._dropping = True
        self._rest.clear()
        self._message.take()
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._decoding_bytes = 0

    def too_slow(self, now: float, window_s: float) -> bool:
        """Tell whether the peer has begun a message and does not get on with it."""
        if self._deaf:
            self._progress.pardon(now)
            return False
        nbytes = len(self._rest) + self._message.nbytes + (self._message.fragments > 0)
        return self._progress.stalled_for(self._messages, nbytes, now) >= window_s

    def of_no_use(self, count: int, now: float) -> None:
        """Count what came and was of no use to anybody; a flood of it ends the connection."""
        if self._flood.take(count, now) and self.protocol.state is OPEN:
            self.refuse_flood()

    def _wait(self, *, new: bool) -> None:
        """Stand in line for another turn; ``new`` if there was none in this one."""
        if not self._in_line:
            self._in_line = True
            self._turns.wait(self, new=new)
        self._keep_in_line()

    def _keep_in_line(self) -> None:
        """Keep what came until its turn, and stop reading if that is much."""
        if len(self._rest) > SMALL_BYTES:
            self._stop_reading(IN_LINE)
        self._count()

    def _count(self) -> None:
        """Tell how many bytes are held here, and stop reading if they are too many."""
        held = len(self._rest) + self._message.nbytes + self._decoding_bytes
        if held != self._held:
            self._held = held
            if self._intake.hold(self, held):
                self._go_on_reading(NO_ROOM)
            else:
                self._stop_reading(NO_ROOM)

    def _stop_reading(self, why: int) -> None:
        if not self._deaf:
            self.transport.pause_reading()
        self._deaf |= why

    def _go_on_reading(self, why: int) -> None:
        if self._deaf & why:
            self._deaf &= ~why
            if not self._deaf and not self.transport.is_closing():
                self.last_received = time.monotonic()
                self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was not read, and what is being decoded."""
        super().connection_lost(exc)
        self.drop()
        self._held = 0
        self._intake.forget(self)
