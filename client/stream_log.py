"""One stream as this client knows it, over any number of connections: what was asked of it and what came. Pure.

Results are told once and in order, whatever is sent twice; what is promised for steps is said in ``stream_line``. A step is
sent again only when everything has come that the server had given out before the cut: until then it may turn out that one
failed, and that other numbers are expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.messages import Cancel, Credit
from tidegate.errors import ConnectionLost, DeadlineExceeded, UnknownStream

from .answers import another, as_error, as_stream_result
from .exchange import Phase
from .ledger import CANCEL_WAIT_S
from .sequence import Hole, Sequence
from .stream_line import StreamLine
from .stream_requests import Errand

if TYPE_CHECKING:
    from tidegate.codecs.messages import Error, Gap, Opened, Result
    from tidegate.codecs.parts import ResumedStream
    from tidegate.errors import TidegateError
    from tidegate.results import Array

    from .desk import Desk
    from .stream_requests import StepRequest


class StreamLog:
    """One stream.

    Attributes:
        name: its name on the wire.
        model: name of its model.
        version: the model's version, once the stream is open.
        sequence: the numbers of its results.
        line: its steps.
        ended: why nothing can be asked of it any more.
        closing: whether the program has asked for its end.
        asked: errands that are at the server.
    """

    __slots__ = (
        "_accepted_below",
        "_attached",
        "_desk",
        "_replay_to",
        "asked",
        "closing",
        "ended",
        "line",
        "model",
        "name",
        "sequence",
        "version",
    )

    def __init__(self, name: int, model: str, window: int, desk: Desk) -> None:
        self.name = name
        self.model = model
        self.version = ""
        self.sequence = Sequence(window)
        self.line = StreamLine(desk)
        self.ended: TidegateError | None = None
        self.closing = False
        self.asked: list[Errand] = []
        self._desk = desk
        self._attached = False  # the connection knows the stream
        self._replay_to: int | None = None  # what has to come before steps are sent again
        self._accepted_below = 1

    # What the program wants.

    def add(self, entry: StepRequest | Errand) -> None:
        """Let a step or an errand wait for its turn.

        Raises:
            TidegateError: the stream has ended; or UnknownStream: the program has closed it.
        """
        if self.ended is not None:
            raise another(self.ended)
        if self.closing:
            raise UnknownStream("the stream was closed by this program")
        self.line.add(entry)

    def cancel(self, now: float) -> list[StepRequest]:
        """Ask for the end of all steps; their outcomes will say what became of them. Return those that now end sooner."""
        stopped = self.line.cancel()
        for step in stopped:
            step.expires = min(step.expires, now + CANCEL_WAIT_S)
            self._cancel(step)
        return stopped

    def give_up(self, step: StepRequest, error: TidegateError | None = None) -> None:
        """Give a step up; its waiter, if there still is one, is told why."""
        if self.line.give_up(step, error):
            self._cancel(step)

    def expire(self, step: StepRequest, connection: str) -> None:
        """Give up a step whose time has passed; ``connection`` goes into the message."""
        why = "the gateway did not answer" if step.phase is Phase.SENT else f"it was not sent; {connection}"
        self.give_up(step, DeadlineExceeded(f"no answer within {step.timeout:g} s: {why}"))

    def read(self, count: int) -> None:
        """Take note that the program took some results."""
        self.sequence.read(count)
        self._grant()

    # What goes out.

    def next(self) -> StepRequest | Errand | None:
        """Return what may be sent now, if anything."""
        return self.line.next() if self._attached and self._replay_to is None else None

    def mark_sent(self, entry: StepRequest | Errand) -> None:
        """Take note that what ``next`` returned was handed to the network."""
        self.line.mark_sent(entry)
        if isinstance(entry, Errand):
            self.asked.append(entry)

    def grant(self) -> None:
        """Tell the server how much it may send, whatever it was told before."""
        told = self.sequence.tell()
        self._desk.out.append(Credit(stream=self.name, until=told.until, seen=told.seen))

    # What comes in.

    def opened(self, message: Opened) -> None:
        """Take note that the stream is there."""
        self.version = message.model_version
        self.sequence.keeps(message.results)
        self.line.begin(message.next_step, message.steps)
        self._attached = True

    def result(self, message: Result, tensors: dict[str, Array]) -> None:
        """Take a result of a step."""
        assert message.seq is not None
        assert message.step is not None
        if not self._is_new(message.seq, message.seq):
            return
        step = self.line.reach(message.step)
        wanted = step is not None and step.phase is not Phase.ABANDONED
        self.sequence.weigh(sum([array.nbytes for array in tensors.values()]), unread=wanted)
        if step is not None and wanted:
            self._desk.tell(step.waiter, as_stream_result(message, tensors, self.model, self.version))
        if step is not None and message.final:
            self.line.finish_first()
        self._go_on()

    def error(self, message: Error) -> None:
        """Take the error of a step, or of the stream itself."""
        error = as_error(message)
        if message.seq is not None:
            if self._is_new(message.seq, message.seq) and self.line.reach(message.step or 0) is not None:
                self.line.fail_first(error, message.expected_step)
        elif isinstance(error, UnknownStream):
            self.end(error)
        else:
            self.line.refuse(message.step, error)
        self._go_on()

    def gap(self, message: Gap) -> None:
        """Take note of results that were dropped; which steps ended with them is told by what comes next."""
        if self._is_new(message.first, message.last, dropped=True):
            self._go_on()

    def end(self, error: TidegateError) -> None:
        """Let everything fail that is unfinished; nothing can be asked any more."""
        if self.ended is not None:
            return
        self.ended = error
        self._attached = False
        self.line.end(error)
        for errand in self.asked:
            if errand.phase is Phase.SENT:
                self._desk.tell(errand.waiter, another(error))
            errand.phase = Phase.FINISHED
        self.asked.clear()

    # Connections come and go.

    def cut(self) -> None:
        """The connection is gone."""
        self._attached = False
        self.line.cut(self.asked)
        self.asked.clear()

    def resumed(self, message: ResumedStream) -> None:
        """Take note of where the stream stands on the new connection."""
        if message.seq < self.sequence.last:
            self._break(f"it has given out {message.seq} results, and {self.sequence.last} came")
            return
        self._attached = True
        self._accepted_below = message.next_step
        self._replay_to = message.seq
        self.grant()
        for step in self.line.sent:
            if step.stopping and step.number < message.next_step:
                self._cancel(step)
        self._go_on()

    # The rest is private.

    def _is_new(self, first: int, last: int, *, dropped: bool = False) -> bool:
        try:
            return (self.sequence.drop if dropped else self.sequence.take)(first, last)
        except Hole as hole:
            self._break(str(hole))
            return False

    def _break(self, why: str) -> None:
        self.end(ConnectionLost(f"the gateway lost count of a stream of {self.model!r}: {why}", maybe_executed=True))

    def _go_on(self) -> None:
        """Do what may have become possible."""
        self.line.tell_refusals()
        if self._replay_to is not None and self.sequence.last >= self._replay_to:
            self._replay_to = None
            self.line.send_again(self._accepted_below)
        self._grant()

    def _cancel(self, step: StepRequest) -> None:
        if self._attached:
            self._desk.out.append(Cancel(stream=self.name, step=step.number))

    def _grant(self) -> None:
        told = self.sequence.due() if self._attached else None
        if told is not None:
            self._desk.out.append(Credit(stream=self.name, until=told.until, seen=told.seen))
