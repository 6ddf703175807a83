"""The client's side of the protocol, without any I/O: what to send, what came of it, when to reconnect.

Everything is told to it (``submit``, ``receive``, ``lost``, …, with ``now`` in seconds of a monotonic clock). After each call
the caller must hand out ``take_settled()`` and, while there is a connection, send ``dispatch()``; it must call ``tick`` at
``next_wakeup()``. The session does not know sockets, tasks or futures, nor which models are pure: it is told.

Two promises, whatever the server and the network do (``ledger`` makes the others): no more than ``hello.limits.in_flight``
requests are at the server, and after a cut a request is sent again only if it was certainly not executed or its model is pure.
What streams promise is said in ``stream_log``.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.codecs.errors import Form
from tidegate.codecs.event_messages import Event, Subscribed
from tidegate.codecs.messages import Cancel, Error, Goaway, Hello, ModelList, Models, Ping, Pong, Result
from tidegate.codecs.writer import encode
from tidegate.errors import ConnectionLost, ShuttingDown, TidegateError, TooLarge

from .answers import as_error, as_result
from .backoff import Backoff
from .exchange import Exchange, Phase, Question, Request
from .heartbeat import Heartbeat, Pulse
from .ledger import Ledger
from .states import Closed, Connecting, Draining, Open, Reconnecting, State
from .streams import Streams
from .subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.codecs.errors import CodecError
    from tidegate.codecs.messages import ClientMessage
    from tidegate.codecs.reader import Received

    from .ledger import Outcome
    from .options import Options

PROTOCOL = "tidegate.v1"
DRAIN_GRACE_S = 5.0
"""How long after the end that it announced a draining server may keep the connection."""
_NEVER = float("inf")


class Outgoing(NamedTuple):
    """One message to send, and whether it goes in a text frame."""

    data: bytes
    text: bool


class Session:
    """One client's exchanges, over any number of connections one after the other.

    Attributes:
        state: where the connection is; see ``states``.
        ledger: the unfinished requests and questions.
        streams: the streams.
        subscriptions: what it subscribes to.
    """

    def __init__(
        self,
        options: Options,
        *,
        now: float,
        is_pure: Callable[[Request], bool] = lambda request: False,
        backoff: Backoff | None = None,
    ) -> None:
        self.state: State = Connecting()
        self.ledger = Ledger(max_pending=options.max_pending, max_buffer_bytes=options.max_buffer_bytes)
        self._ids = count(1)
        self.streams = Streams(
            self.ledger.memory, form=options.wire_form, max_pending=options.max_pending, next_id=self.next_id
        )
        self.subscriptions = Subscriptions(self.next_id)
        self._reconnect = options.reconnect
        self._form = options.wire_form
        self._is_pure = is_pure
        self._backoff = backoff or Backoff()
        self._give_up_at = now + options.connect_timeout  # never, once the first connection was made
        self._control: list[Outgoing] = []
        self._heartbeat: Heartbeat | None = None

    @property
    def in_flight_limit(self) -> int | None:
        """How many requests the server takes at a time, or None while there is no connection."""
        return self.state.hello.limits.in_flight if isinstance(self.state, Open | Draining) else None

    @property
    def idle(self) -> bool:
        """Whether neither a request nor a step is at the server."""
        return not self.ledger.sent and not self.streams.in_flight

    @property
    def wants_to_send(self) -> bool:
        """Whether something may be waiting for its turn to be sent."""
        return bool(self.ledger.waiting) or self.streams.wants_to_send

    @property
    def may_hang_up(self) -> bool:
        """Whether this end may close the connection: the server said goaway, all is answered and no stream would be lost."""
        return isinstance(self.state, Draining) and not self.ledger.sent and not self.streams.open_count

    def next_id(self) -> int:
        """Return an id that was never used."""
        return next(self._ids)

    # What the program wants.

    def submit(self, request: Request) -> None:
        """Let a request wait for its turn.

        Raises:
            Overloaded: too many wait already.
            ConnectionLost: the connection is closed.
        """
        self.check_not_closed()
        self.ledger.add(request)

    def ask(self, question: Question) -> None:
        """Send a question as soon as there is a connection.

        Raises:
            ConnectionLost: the connection is closed.
        """
        self.check_not_closed()
        self.ledger.ask(question)
        if isinstance(self.state, Open | Draining):
            self._send_question(question)

    def cancel(self, request: Request, now: float) -> None:
        """Ask for the end of a request; its outcome will say what became of it."""
        if self.ledger.cancel(request, now):
            self._send(Cancel(id=request.id))

    def abandon(self, exchange: Exchange) -> None:
        """Forget an exchange that nobody waits for any more: it gets no outcome, and the server is told to cancel it."""
        if self.ledger.abandon(exchange):
            self._send(Cancel(id=exchange.id))

    def close(self) -> list[Outgoing]:
        """End everything: all that is unfinished fails. Return what the server should be told, if there is a connection."""
        text = self._form is Form.TEXT
        farewell = self.streams.farewell() if isinstance(self.state, Open | Draining) else ()
        self._end("closed by this program")
        return [Outgoing(encode(message, self._form), text) for message in farewell]

    def check_not_closed(self) -> None:
        """Raise ConnectionLost if the connection is closed."""
        if isinstance(self.state, Closed):
            raise ConnectionLost(f"the connection is {self.state}")

    # What happens on the network.

    def receive(self, received: Received, now: float) -> None:
        """Take a message from the server; what this version does not know is ignored.

        Raises:
            ConnectionLost: the server speaks another protocol: nothing can be done with it.
        """
        message = received.message
        if type(message) is Result and message.stream is not None:
            self.streams.result(message, received.tensors)
        elif type(message) is Result:
            key: Any = message.id  # ids of this client are integers; another one is simply not found
            request = self.ledger.sent.get(key)
            if request is not None:
                self.ledger.settle(request, as_result(message, received.tensors))
        elif message is not None:
            self._receive_other(message, received, now)

    def unreadable(self, error: CodecError) -> bool:
        """Take note of a message that could not be read; return whether it could at least be told whose answer it was."""
        key: Any = error.id
        exchange = self.ledger.sent.get(key) or self.ledger.questions.get(key)
        if exchange is not None:
            self.ledger.settle(exchange, error)
        else:
            self.streams.unreadable()
        return exchange is not None

    def heard(self, now: float) -> None:
        """Take note that something came, whatever it was."""
        self.subscriptions.batch_over()
        if self._heartbeat is not None:
            self._heartbeat.heard(now)

    def failed(self, reason: str, now: float, *, final: bool = False) -> None:
        """Take note that an attempt to connect failed; ``final`` if another one would fail as well."""
        if isinstance(self.state, Open | Draining):
            self.lost(reason, now, final=final)  # it was given up in the moment in which it succeeded
            return
        delay = self._backoff.next_delay(now)
        if final or now + delay >= self._give_up_at:
            self._end(reason)
        elif not isinstance(self.state, Closed):
            self.state = Reconnecting(now + delay, reason)

    def dial(self) -> None:
        """Take note that the next attempt to connect begins."""
        if isinstance(self.state, Reconnecting):
            self.state = Connecting()

    def lost(self, reason: str, now: float, *, final: bool = False) -> None:
        """Take note that the connection is gone; ``final`` if the server does not want this client back."""
        if isinstance(self.state, Closed):
            return
        invited = isinstance(self.state, Draining)
        self._heartbeat = None
        self._control.clear()
        if final or not self._reconnect:
            self._end(reason)
            return
        self.state = Reconnecting(now + self._backoff.next_delay(now, invited=invited), reason)
        self.ledger.cut(reason, self._is_pure)
        self.streams.cut()
        self.subscriptions.cut()

    # What to do next.

    def take_settled(self) -> list[tuple[Exchange, Outcome]]:
        """Return what got an outcome since the last call; see also ``Streams.take_told``."""
        return self.ledger.take_settled()

    def dispatch(self, now: float, room_bytes: float = _NEVER) -> list[Outgoing]:
        """Return what to send, in order: control messages, then as many steps and requests as may be sent.

        That depends on the server and on ``room_bytes``; the last message may go beyond them.
        """
        for message in (*self.streams.take_out(), *self.subscriptions.take_out()):
            self._send(message)
        out, self._control = self._control, []
        if self.streams.wants_to_send and isinstance(self.state, Open | Draining):
            room_bytes = self._dispatch_steps(out, self.state.hello, now, room_bytes)
        if self.ledger.waiting and isinstance(self.state, Open):
            self._dispatch_requests(out, self.state.hello, now, room_bytes)
        return out

    def _dispatch_steps(self, out: list[Outgoing], hello: Hello, now: float, room_bytes: float) -> float:
        may_open = isinstance(self.state, Open)
        while room_bytes > 0:
            data = self.streams.next_message(now, self._largest(hello), may_open=may_open)
            if data is None:
                break
            out.append(Outgoing(data, self._form is Form.TEXT))
            room_bytes -= len(data)
        return room_bytes

    def _dispatch_requests(self, out: list[Outgoing], hello: Hello, now: float, room_bytes: float) -> None:
        ledger, window = self.ledger, hello.limits.in_flight
        while room_bytes > 0 and len(ledger.sent) < window:
            request = ledger.next_to_send(now)
            if request is None:
                break
            data = self._encode(request, hello, now)
            if data is not None:
                ledger.mark_sent(request)
                out.append(Outgoing(data, self._form is Form.TEXT))
                room_bytes -= len(data)

    def tick(self, now: float, *, delivered_bytes: int = 0, backlog_bytes: int = 0) -> str | None:
        """Look at the clock: time limits and the heartbeat.

        Args:
            now: the time.
            delivered_bytes: what the network took so far on this connection.
            backlog_bytes: what waits for it.

        Returns:
            Why the connection must be cut, or None.
        """
        connection = f"the connection is {self.state}"
        for request in self.ledger.expire(now, connection):
            self._send(Cancel(id=request.id))
        self.streams.expire(now, connection)
        if isinstance(self.state, Draining) and now >= self.state.until:
            return "the gateway said goaway and did not go"
        pulse = self._heartbeat.check(now, delivered_bytes, backlog_bytes) if self._heartbeat else Pulse.FINE
        if pulse is Pulse.ASK:
            self._send(Ping())
        return "no sign of life from the gateway" if pulse is Pulse.DEAD else None

    def next_wakeup(self) -> float:
        """Return when ``tick`` is due; ``inf`` if never."""
        when = min(_or_never(self.ledger.deadlines.next_due()), _or_never(self.streams.deadlines.next_due()))
        if self._heartbeat is not None:
            when = min(when, self._heartbeat.next_check())
        return min(when, self.state.until) if isinstance(self.state, Draining) else when

    # The rest is private.

    def _receive_other(self, message: object, received: Received, now: float) -> None:
        match message:
            case Event():
                self.subscriptions.event(message, received.tensors)
            case Error():
                self._receive_error(message)
            case Subscribed():
                self.subscriptions.subscribed(message.id)
            case Hello():
                self._receive_hello(message, now)
            case Ping():
                self._send(Pong(id=message.id), received.form)
            case Goaway() if isinstance(self.state, Open):
                until = now + message.time_left_ms / 1000 + DRAIN_GRACE_S
                self.state = Draining(self.state.hello, message.reason, until)
            case Pong() | ModelList():
                key: Any = message.id
                question = self.ledger.questions.get(key)
                if question is not None:
                    self.ledger.settle(question, message)
            case _:
                self.streams.other(message, received.tensors)

    def _receive_hello(self, hello: Hello, now: float) -> None:
        if hello.protocol != PROTOCOL:
            raise ConnectionLost(f"the server speaks {hello.protocol!r}, this client {PROTOCOL!r}")
        if not isinstance(self.state, Connecting):
            return
        self.state = Open(hello)
        self._give_up_at = _NEVER
        self._backoff.opened(now, (hello.resume_window_ms or 0) / 1000)
        if hello.keepalive_ms:
            self._heartbeat = Heartbeat(hello.keepalive_ms / 1000, now)
        self.streams.greeted(hello)
        for message in self.streams.take_out():  # what resumes streams must be the first message
            self._send(message)
        self.subscriptions.greeted(hello)
        for question in self.ledger.questions.values():
            self._send_question(question)

    def _receive_error(self, message: Error) -> None:
        if self.streams.error(message, draining=isinstance(self.state, Draining)) or self.subscriptions.error(message):
            return
        key: Any = message.id
        request = self.ledger.sent.get(key)
        exchange = request or self.ledger.questions.get(key)
        if exchange is None:
            return
        # It crossed the goaway on its way: not executed, so it goes to the next server.
        crossed = message.code == ShuttingDown.code and isinstance(self.state, Draining)
        if crossed and request is not None and request.phase is Phase.SENT:
            self.ledger.put_back(request)
        else:
            self.ledger.settle(exchange, as_error(message))

    def _encode(self, request: Request, hello: Hello, now: float) -> bytes | None:
        limit = self._largest(hello)
        # Not even written, if the tensors alone are too large.
        if request.nbytes <= limit or self._form is Form.TEXT:
            try:
                data = request.encode(self._form, now)
            except TidegateError as error:
                self.ledger.settle(request, error)
                return None
            if len(data) <= limit:
                return data
        expected = f"at most {limit} bytes"
        too_large = TooLarge(f"the request has {request.nbytes} bytes; the gateway takes {expected}", expected=expected)
        self.ledger.settle(request, too_large)
        return None

    def _largest(self, hello: Hello) -> int:
        return hello.limits.text_bytes if self._form is Form.TEXT else hello.limits.message_bytes

    def _send(self, message: ClientMessage, form: Form | None = None) -> None:
        form = form or self._form
        self._control.append(Outgoing(encode(message, form), form is Form.TEXT))

    def _send_question(self, question: Question) -> None:
        question.phase = Phase.SENT
        # A list of models has no size limit as text; as the header of a binary message it would have one.
        self._send(question.message, Form.TEXT if isinstance(question.message, Models) else None)

    def _end(self, reason: str) -> None:
        if not isinstance(self.state, Closed):
            self.state = Closed(reason)
            self._heartbeat = None
            self._control.clear()
            self.ledger.end(reason)
            self.streams.end(ConnectionLost(reason, maybe_executed=True))
            self.subscriptions.end(ConnectionLost(reason))


def _or_never(when: float | None) -> float:
    return _NEVER if when is None else when
