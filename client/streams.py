"""All streams of one client: what is sent for them, who gets what comes, and how they go on after a cut. Pure, without a clock.

It knows connections only by ``greeted`` and ``cut``. A stream whose ``opened`` did not come before a cut is asked for again,
under another name: nobody knows whether it came to be, and a server drops the streams that ``resume`` does not name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.codecs.messages import Cancel, Close, Closed, Error, Gap, Opened, Result, Resume, Resumed, SnapshotTaken
from tidegate.codecs.parts import LastSeen
from tidegate.errors import (
    DeadlineExceeded,
    InvalidMessage,
    Overloaded,
    ResumeFailed,
    ShuttingDown,
    TidegateError,
    UnknownStream,
)

from .answers import another, as_error
from .deadlines import Deadlines
from .desk import Desk
from .exchange import Phase
from .stream_ends import end_of, lost
from .stream_log import StreamLog
from .stream_queue import StreamQueue
from .stream_requests import Errand, StepRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.codecs.errors import Form
    from tidegate.codecs.messages import ClientMessage, Hello
    from tidegate.results import Array

    from .memory import Memory

MAX_UNREADABLE = 3
"""So many messages in a row that cannot be read, over any number of connections, end the streams: a replay may repeat them."""
MAX_STREAMS = 1024
"""A ``resume`` that names more of them may be larger than a message without tensors can be."""


class Streams:
    """The streams of one client.

    Attributes:
        deadlines: when to look at each step and errand.
    """

    def __init__(self, memory: Memory, *, form: Form, max_pending: int, next_id: Callable[[], int]) -> None:
        self.deadlines: Deadlines[StepRequest | Errand] = Deadlines()
        self._desk = Desk(memory)
        self._queue = StreamQueue(self._desk, form, self._fail_unsent)
        self._max_pending = max_pending
        self._next_id = next_id
        self._logs: dict[int, StreamLog] = {}  # those that are open, by name
        self._token: str | None = None
        self._next_token: str | None = None
        self._resuming = False
        self._unreadable = 0

    def __len__(self) -> int:
        return len(self._logs) + len(self._queue.opening) + len(self._queue.asked)

    @property
    def open_count(self) -> int:
        """How many streams are open."""
        return len(self._logs)

    @property
    def has_out(self) -> bool:
        """Whether there are small messages to be sent."""
        return bool(self._desk.out)

    @property
    def in_flight(self) -> int:
        """How many steps are at the server."""
        return self._desk.in_flight

    @property
    def wants_to_send(self) -> bool:
        """Whether something may be waiting for its turn to be sent."""
        return bool(self._queue.opening or self._queue.ready)

    # What the program wants.

    def new(self, model: str, window: int) -> StreamLog:
        """Make a stream that is to be opened."""
        return StreamLog(self._next_id(), model, window, self._desk)

    def open(self, errand: Errand) -> None:
        """Ask for a stream.

        Raises:
            Overloaded: there are too many.
        """
        if len(self) >= MAX_STREAMS:
            raise Overloaded(f"this connection has {len(self)} streams, and could not resume more")
        self._queue.opening.append(errand)
        self.deadlines.add(errand.expires, errand)

    def ask(self, errand: Errand) -> None:
        """Ask something of a stream; raises what ``StreamLog.add`` raises."""
        errand.log.add(errand)
        self.deadlines.add(errand.expires, errand)
        self._queue.ready[errand.log] = None

    def submit(self, step: StepRequest) -> None:
        """Let a step wait for its turn.

        Raises:
            Overloaded: too many wait already.
            TidegateError: what ``StreamLog.add`` raises.
        """
        if self._desk.waiting >= self._max_pending:
            raise Overloaded(f"{self._desk.waiting} steps wait in this client already (option max_pending)")
        step.log.add(step)
        self.deadlines.add(step.expires, step)
        self._queue.ready[step.log] = None

    def hold(self, step: StepRequest) -> None:
        """Copy the tensors of a step that has to wait, so that its caller may change them meanwhile.

        That is done whether there is memory for it or not: who does so has no other step that waits.
        """
        step.copy_tensors()
        self._desk.memory.count(step, step.nbytes)

    def cancel(self, log: StreamLog, waiter: Any, now: float) -> None:
        """Ask for the end of all steps of a stream; the waiter is told None when they have ended."""
        for step in log.cancel(now):
            self.deadlines.add(step.expires, step)
        log.line.when_idle(waiter)

    def close(self, errand: Errand) -> None:
        """Ask for the end of a stream; nothing can be asked of it any more."""
        errand.log.add(errand)
        errand.log.closing = True
        self._queue.ready[errand.log] = None

    def give_up(self, step: StepRequest) -> None:
        """Forget a step that nobody waits for any more."""
        step.log.give_up(step)
        self._queue.ready[step.log] = None

    def abandon(self, errand: Errand, error: TidegateError | None = None) -> None:
        """Forget an errand; a stream that comes to be by it is closed."""
        if errand.phase not in (Phase.WAITING, Phase.SENT):
            return
        if error is not None:
            self._desk.tell(errand.waiter, error)
        if errand.phase is Phase.SENT:
            errand.phase = Phase.ABANDONED
            return
        errand.phase = Phase.FINISHED
        if errand in self._queue.opening:
            self._queue.opening.remove(errand)
        else:
            errand.log.line.forget(errand)

    def farewell(self) -> list[ClientMessage]:
        """Return what tells the server that nobody will come back for the streams, so that it need not keep them."""
        cancels = [Cancel(stream=name, step=step.number) for name, log in self._logs.items() for step in log.line.sent]
        return [*cancels, *[Close(stream=name) for name in self._logs]]

    def end(self, error: TidegateError) -> None:
        """End everything."""
        self._desk.out.clear()
        for errand in self._queue.opening:
            errand.phase = Phase.FINISHED
            self._desk.tell(errand.waiter, another(error))
        for errand in [*self._queue.asked.values()]:
            self._fail(errand, another(error))
        for log in [*self._logs.values()]:
            self._end(log, error)
        self._queue.opening.clear()
        self._queue.asked.clear()
        self._queue.ready.clear()

    def expire(self, now: float, connection: str) -> None:
        """Give up what has run out of time; ``connection`` goes into the message."""
        for awaited in self.deadlines.due(now):
            if awaited.phase in (Phase.FINISHED, Phase.ABANDONED):
                continue
            if awaited.expires > now:
                self.deadlines.add(awaited.expires, awaited)
            elif isinstance(awaited, StepRequest):
                awaited.log.expire(awaited, connection)
                self._queue.ready[awaited.log] = None
            else:
                why = f"no answer within {awaited.timeout:g} s; {connection}"
                self.abandon(awaited, DeadlineExceeded(why))

    # What goes out.

    def take_out(self) -> list[ClientMessage]:
        """Return the small messages to be sent, in order."""
        out = self._desk.out
        taken = out.copy()
        out.clear()
        return taken

    def take_told(self) -> list[tuple[Any, Any]]:
        """Return whom to tell what, in order."""
        told = self._desk.told
        taken = told.copy()
        told.clear()
        return taken

    def next_message(self, now: float, limit: int, *, may_open: bool) -> bytes | None:
        """Return the next message to send, or None if there is none that may be sent now; see ``StreamQueue.next``."""
        return None if self._resuming else self._queue.next(now, limit, may_open=may_open)

    # What comes in.

    def result(self, message: Result, tensors: dict[str, Array]) -> None:
        """Take a result of a step."""
        log = self._log(message.stream)
        if log is not None:
            self._unreadable = 0
            log.result(message, tensors)
            self._look(log)

    def error(self, message: Error, *, draining: bool) -> bool:
        """Take an error; return whether it was about a stream. ``draining`` after a goaway."""
        log = self._log(message.stream)
        errand = self._answered(message.id)
        if log is not None:
            log.error(message)
            self._look(log)
        elif errand is not None and errand.made is errand.log and message.code == ShuttingDown.code and draining:
            self._put_back(errand)  # it crossed the goaway on its way, and goes to the next server
        elif errand is not None:
            self._fail(errand, as_error(message))
        elif message.code == ResumeFailed.code and self._resuming:
            self._resume_failed(as_error(message))
        else:
            return message.stream is not None
        return True

    def other(self, message: object, tensors: dict[str, Array]) -> None:
        """Take any other message; one that is not about streams is ignored."""
        match message:
            case Opened():
                self._opened(message)
            case SnapshotTaken():
                self._snapshot(message, tensors)
            case Gap():
                log = self._log(message.stream)
                if log is not None:
                    log.gap(message)
                    self._look(log)
            case Closed():
                log = self._log(message.stream)
                if log is not None:
                    self._end(log, end_of(message.reason, log))
            case Resumed() if self._resuming:
                self._resumed(message)

    def unreadable(self) -> None:
        """Take note of a message that could not be read and may have been a stream's."""
        self._unreadable += 1
        if self._unreadable >= MAX_UNREADABLE:
            for log in [*self._logs.values()]:
                self._end(log, ResumeFailed(f"{self._unreadable} messages in a row could not be read", lost=[log.name]))

    # Connections come and go.

    def greeted(self, hello: Hello) -> None:
        """A connection was opened: go on where the last one ended, before anything else is sent."""
        self._next_token = hello.resume_token
        if not self._logs:
            self._token = hello.resume_token
        elif self._token is None:
            self._resume_failed(ResumeFailed("the gateway does not keep streams beyond their connection"))
        else:
            seen = [LastSeen(stream=name, last_seq=log.sequence.last) for name, log in self._logs.items()]
            self._resuming = True
            self._desk.out.append(Resume(token=self._token, streams=seen))

    def cut(self) -> None:
        """The connection is gone."""
        self._resuming = False
        self._desk.out.clear()
        self._queue.ready.clear()
        for errand in reversed(self._queue.asked.values()):
            if errand.made is not None:
                errand.made.name = self._next_id()
            if errand.made is errand.log:
                self._put_back(errand)
        self._queue.asked.clear()
        for log in self._logs.values():
            log.cut()

    # The rest is private.

    def _log(self, name: object) -> StreamLog | None:
        return self._logs.get(name) if isinstance(name, int) else None

    def _answered(self, key: object) -> Errand | None:
        """Return the errand with this id, which is at its end, except that it keeps its phase."""
        errand = self._queue.asked.pop(key, None) if isinstance(key, int) else None
        if errand is not None and errand in errand.log.asked:
            errand.log.asked.remove(errand)
        return errand

    def _opened(self, message: Opened) -> None:
        errand = self._answered(message.id)
        if errand is None or errand.made is None:
            return
        log = errand.made
        if errand.phase is not Phase.SENT:
            self._desk.out.append(Close(stream=log.name))  # nobody waits for it any more
            return
        errand.phase = Phase.FINISHED
        self._logs[log.name] = log
        log.opened(message)
        if log is not errand.log:
            log.grant()  # a fork begins without a limit
        self._desk.tell(errand.waiter, None)
        self._queue.ready[log] = None

    def _snapshot(self, message: SnapshotTaken, tensors: dict[str, Array]) -> None:
        errand = self._answered(message.id)
        if errand is not None and errand.phase is Phase.SENT:
            data = tensors.get("snapshot")
            nothing = InvalidMessage("the gateway sent a snapshot with nothing in it")
            self._desk.tell(errand.waiter, nothing if data is None else data.tobytes())
            errand.phase = Phase.FINISHED

    def _fail_unsent(self, entry: StepRequest | Errand, error: TidegateError) -> None:
        if isinstance(entry, StepRequest):
            entry.log.give_up(entry, error)
        else:
            self.abandon(entry, error)

    def _put_back(self, errand: Errand) -> None:
        if errand.phase is Phase.SENT:
            errand.phase = Phase.WAITING
            self._queue.opening.appendleft(errand)
            self.deadlines.add(errand.expires, errand)

    def _fail(self, errand: Errand, error: TidegateError) -> None:
        if errand.phase is Phase.SENT:
            self._desk.tell(errand.waiter, error)
        errand.phase = Phase.FINISHED

    def _resumed(self, message: Resumed) -> None:
        self._resuming = False
        self._token = message.token
        there = {entry.stream: entry for entry in message.streams}
        for name, log in [*self._logs.items()]:
            entry = there.get(name)
            if entry is None:
                self._lose(log, ResumeFailed(f"the gateway does not keep it any more: {lost(log)}", lost=[name]))
            else:
                log.resumed(entry)
                self._look(log)

    def _resume_failed(self, error: TidegateError) -> None:
        self._resuming = False
        self._token = self._next_token
        for log in [*self._logs.values()]:
            self._lose(log, ResumeFailed(f"{error.message}: {lost(log)}", lost=[log.name]))

    def _lose(self, log: StreamLog, error: ResumeFailed) -> None:
        self._end(log, UnknownStream("the stream was closed by this program") if log.closing else error)

    def _end(self, log: StreamLog, error: TidegateError) -> None:
        for errand in log.asked:
            self._queue.asked.pop(errand.id, None)
        log.end(error)
        self._logs.pop(log.name, None)

    def _look(self, log: StreamLog) -> None:
        """See what has become of a stream."""
        if log.ended is None:
            self._queue.ready[log] = None
        else:
            self._logs.pop(log.name, None)
            if not isinstance(log.ended, UnknownStream):
                self._desk.out.append(Close(stream=log.name))
