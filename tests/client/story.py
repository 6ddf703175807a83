"""A session with a clock that only moves when it is told to, and a server that says what the test makes it say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.client.backoff import Backoff
from tidegate.client.exchange import Request
from tidegate.client.options import Options
from tidegate.client.session import Session
from tidegate.codecs.errors import Form
from tidegate.codecs.limits import Limits
from tidegate.codecs.messages import Error, Goaway, Hello, Result
from tidegate.codecs.parts import AnnouncedLimits, Timing
from tidegate.codecs.reader import Received, client_messages, server_messages
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.client.ledger import Outcome
    from tidegate.codecs.messages import Message
    from tidegate.results import Array

X = np.arange(4, dtype="<f4")
_EVERYTHING = Limits(message_bytes=2**40, text_bytes=2**40)


class Halfway:
    """Jitter without chance: always the middle."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return the middle."""
        return (a + b) / 2


class Story:
    """One session and all that it met.

    Attributes:
        now: the time; tests move it.
        pure: names of the models that are pure.
        sent: all that was sent, as the server reads it.
        outcomes: the outcomes by request.
    """

    def __init__(self, **options: Any) -> None:
        self.now = 100.0
        self.pure = {"pure"}
        self.sent: list[Received] = []
        self.outcomes: dict[Request, list[Outcome]] = {}
        self.session = Session(
            Options(**options), now=self.now, is_pure=lambda request: request.model in self.pure, backoff=Backoff(Halfway())
        )

    def hello(
        self,
        *,
        in_flight: int = 4,
        message_bytes: int = 10_000,
        keepalive_ms: int = 0,
        resume_token: str | None = None,
        features: Sequence[str] = (),
    ) -> None:
        """Let the server greet."""
        limits = AnnouncedLimits(message_bytes=message_bytes, text_bytes=message_bytes, in_flight=in_flight)
        self.say(
            Hello(
                protocol="tidegate.v1",
                server="s",
                session="s",
                keepalive_ms=keepalive_ms,
                limits=limits,
                resume_token=resume_token,
                features=features,
            )
        )

    def request(self, model: str = "pure", timeout: float = 10.0, **tensors: Array) -> Request:
        """Make a request without submitting it."""
        return Request(self.session.next_id(), model, tensors or {"x": X}, now=self.now, timeout=timeout)

    def submit(self, model: str = "pure", timeout: float = 10.0, **tensors: Array) -> Request:
        """Submit a request and send what can be sent."""
        request = self.request(model, timeout, **tensors)
        self.session.submit(request)
        self.act()
        return request

    def act(self) -> list[Message]:
        """Send and hand out what there is; return what was sent now."""
        new = self.session.dispatch(self.now)
        reader = client_messages(_EVERYTHING)
        received = [reader.text(data) if text else reader.binary(data) for data, text in new]
        self.sent += received
        for exchange, outcome in self.session.take_settled():
            assert isinstance(exchange, Request)
            self.outcomes.setdefault(exchange, []).append(outcome)
        for waiter, outcome in self.session.streams.take_told():
            waiter.append(outcome)
        return [each.message for each in received]

    def say(self, message: Message, form: Form = Form.MSGPACK, tensors: dict[str, Array] | None = None) -> list[Message]:
        """Let the server send a message; return what was sent in return."""
        data = encode(message, form, tensors)
        reader = server_messages(_EVERYTHING)
        self.session.receive(reader.text(data) if form is Form.TEXT else reader.binary(data), self.now)
        return self.act()

    def answer(self, request: Request) -> list[Message]:
        """Let the server answer a request."""
        timing = Timing(queue_us=1, compute_us=2, batch_size=3)
        result = Result(id=request.id, model_name=request.model, model_version="7", final=True, timing=timing)
        return self.say(result, tensors={"y": X * 2})

    def refuse(self, request: Request, code: str, **fields: Any) -> list[Message]:
        """Let the server answer a request with an error."""
        return self.say(Error(id=request.id, code=code, message="no", retryable=False, **fields))

    def goaway(self, time_left_ms: int = 1000) -> list[Message]:
        """Let the server say goaway."""
        return self.say(Goaway(time_left_ms=time_left_ms, reason="drain"))

    def cut(self, *, final: bool = False) -> None:
        """Lose the connection."""
        self.session.lost("cut", self.now, final=final)
        self.act()

    def reconnect(self, **hello: Any) -> list[Message]:
        """Dial again, now, and be greeted; return what was sent then."""
        self.session.dial()
        before = len(self.sent)
        self.hello(**hello)
        return [each.message for each in self.sent[before:]]

    def wait(self, seconds: float) -> str | None:
        """Let time pass, ticking whenever the session wants to; return why it would cut the connection."""
        end = self.now + seconds
        while (when := self.session.next_wakeup()) <= end:
            self.now = max(self.now, when)
            reason = self.session.tick(self.now)
            self.act()
            if reason is not None:
                return reason
        self.now = end
        return None

    def outcome(self, request: Request) -> Any:
        """Return the one outcome of a request."""
        (outcome,) = self.outcomes[request]
        return outcome
