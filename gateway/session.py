"""The protocol of one connection: messages in, messages out. Knows no socket, no frame and no clock; takes ``now``.

It reads and hands over: what is asked of a model is ``requests``' affair, streams are ``stream_ops``'.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

from tidegate.codecs.errors import NOBODY, CodecError, Form, Subject
from tidegate.codecs.event_messages import Subscribe, Unsubscribe
from tidegate.codecs.messages import Cancel, Goaway, Infer, ModelList, Models, Ping, Pong, Step
from tidegate.errors import TidegateError, TooLarge

from .counts import OTHER
from .large_messages import JOINED_BYTES, Decoded, decode
from .own_messages import greeting
from .replies import Replies, defect
from .requests import Requests
from .stream_ops import StreamOps
from .stream_steps import learn, take_known
from .subscription_ops import SubscriptionOps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.codecs.parts import Id
    from tidegate.codecs.reader import Received
    from tidegate.codecs.steps import Steps
    from tidegate.models.request import Kind

    from .hub import Hub
    from .link import Link

MSGPACK, TEXT = Form.MSGPACK, Form.TEXT  # looking a member up in its class takes longer than comparing it

_log = logging.getLogger("tidegate.gateway")


class Session:
    """One client's conversation."""

    __slots__ = (
        "_find",
        "_hub",
        "_infer_known",
        "_link",
        "_reader",
        "_received",
        "_replies",
        "_requests",
        "_streams",
        "_subscriptions",
        "_token",
    )

    def __init__(self, hub: Hub, link: Link) -> None:
        self._hub = hub
        self._link = link
        self._replies = Replies(hub, link)
        self._token = secrets.token_urlsafe(24)
        self._requests = Requests(hub, link, self._replies, self._token)
        self._streams: StreamOps | None = None
        self._subscriptions: SubscriptionOps | None = None
        self._reader = hub.reader
        self._find = hub.known_headers.find
        self._infer_known = self._requests.infer_known
        self._received = hub.metrics.messages_received.values

    @property
    def live(self) -> int:
        """How many requests wait for their answer."""
        return len(self._requests.live)

    @property
    def streams_busy(self) -> bool:
        """Whether steps run, or results of them wait that may be sent."""
        return self._streams is not None and self._streams.busy

    # Bytes come in.

    def binaries(self, payloads: Sequence[bytes], now: float) -> None:
        """Take binary messages."""
        find, infer_known, streams = self._find, self._infer_known, self._streams
        alone = len(payloads) == 1
        for payload in payloads:
            try:
                if streams is not None and take_known(streams, payload, now):
                    continue
                found = find(payload)
                if found is None or not infer_known(found, payload, now, alone=alone):
                    self._binary(payload, now)
            except Exception:
                _log.exception("a message could not be served")
                self._replies.refuse(NOBODY, MSGPACK, defect(), OTHER)

    def _binary(self, payload: bytes, now: float) -> None:
        try:
            received = self._reader.binary(payload)
        except CodecError as error:
            self._unreadable(error, error.subject, error.form or MSGPACK, now)
        else:
            self._take_binary(received, payload, now)

    def _take_binary(self, received: Received, payload: bytes, now: float) -> None:
        kind = self._take(received, now)
        if received.form is not MSGPACK:
            return
        if kind is not None:
            self._requests.learn(kind, payload, received)
        elif type(received.message) is Step:
            learn(self._hub, payload, received)

    def text(self, payload: str, now: float) -> None:
        """Take one text message."""
        try:
            received = self._reader.text(payload)
        except CodecError as error:
            self._unreadable(error, error.subject, TEXT, now)
        else:
            self._take(received, now)

    def large(self, parts: list[bytes], *, is_text: bool, now: float) -> Steps[Decoded] | None:
        """Take a large message that comes in parts; return how to decode it, or None when it has been served at once."""
        if not is_text and sum(map(len, parts)) <= JOINED_BYTES:
            payload = b"".join(parts)
            found = self._find(payload)
            if found is not None and self._infer_known(found, payload, now, alone=True):
                return None
            parts = [payload]
        return decode(self._reader, parts, is_text=is_text)

    def decoded(self, outcome: Decoded | Exception, now: float) -> None:
        """Take what became of a large message that was complete at ``now``."""
        if isinstance(outcome, Exception):
            _log.error("a message could not be decoded", exc_info=outcome)
            self._replies.refuse(NOBODY, TEXT, defect(), OTHER)
        elif isinstance(outcome.got, TidegateError):
            self._unreadable(outcome.got, outcome.subject, outcome.form, now)
        else:
            self._take_binary(outcome.got, outcome.payload, now)

    def _unreadable(self, error: TidegateError, subject: Subject, form: Form, now: float) -> None:
        self._received[form.value] += 1
        if subject.id is not None and subject.id in self._requests.live:
            # The id belongs to a request that runs undisturbed; this error must not look like its end.
            self._replies.duplicate(subject.id, form)
        else:
            self._replies.refuse(subject, form, error, OTHER)
        self._link.of_no_use(1, now)

    # Messages come in.

    def _take(self, received: Received, now: float) -> Kind | None:
        """Do what a message asks for; return the kind of a request that was admitted."""
        message, form = received.message, received.form
        self._received[form.value] += 1
        try:
            if type(message) is Infer:
                return self._requests.infer(message, received.tensors, form, now)
            self._serve(message, received, now)
        except Exception as error:
            self._not_served(message, form, error)
        return None

    def _serve(self, message: Any, received: Received, now: float) -> None:
        if type(message) is Cancel and message.stream is None:
            self._requests.cancel(message)
        elif type(message) is Pong:
            return
        elif (id_ := getattr(message, "id", None)) is not None and id_ in self._requests.live:
            self._replies.duplicate(id_, received.form)
        elif type(message) is Ping:
            self._replies.send(Pong(id=id_), received.form)
            return
        elif type(message) is Models:
            self._list_models(message.id, received.form)
        elif type(message) is Subscribe or type(message) is Unsubscribe:
            self._subscription_ops().serve(message, received.form)
        else:
            self._stream_ops().serve(message, received, now)
        self._requests.begun = True

    def _not_served(self, message: Any, form: Form, error: Exception) -> None:
        if not isinstance(error, TidegateError):
            _log.error("a message could not be served", exc_info=error)
            error = defect()
        id_ = None if type(message) is Cancel else getattr(message, "id", None)
        if id_ is not None:
            self._requests.live.pop(id_, None)
        self._replies.refuse(Subject(id_), form, error, OTHER)

    def _list_models(self, id_: Id, form: Form) -> None:
        try:
            self._replies.send(ModelList(id=id_, models=self._hub.engine.models()), form)
        except TooLarge as error:
            why = f"the list of models is too long for a binary message: {error.message}"
            raise TooLarge(why, expected="the question as text, or GET /models") from None

    def _stream_ops(self) -> StreamOps:
        if self._streams is None:
            self._streams = StreamOps(self._hub, self._link, self._replies, self._requests, self._token)
        return self._streams

    def _subscription_ops(self) -> SubscriptionOps:
        if self._subscriptions is None:
            self._subscriptions = SubscriptionOps(self._hub, self._link, self._replies, self._token)
        return self._subscriptions

    # Messages of the gateway itself, and what becomes of the connection.

    def hello(self) -> None:
        """Say who is here and what is allowed; the first message of a connection."""
        self._replies.send(greeting(self._hub.settings, self._token), TEXT)

    def ping(self) -> None:
        """Ask whether the client is there."""
        self._replies.send(Ping(), TEXT)

    def goaway(self, time_left_ms: int, reason: str) -> None:
        """Announce the end of the connection."""
        self._replies.send(Goaway(time_left_ms=time_left_ms, reason=reason), TEXT)

    def has_room(self) -> None:
        """Take note that the client has read enough to be sent more."""
        if self._streams is not None:
            self._streams.sender.has_room()
        if self._subscriptions is not None:
            self._subscriptions.has_room()

    def close(self, now: float) -> None:
        """Cancel the client's requests and park its streams; nothing is sent any more."""
        self._replies.close()
        self._requests.cancel_all()
        if self._streams is not None:
            self._streams.close(now)
        if self._subscriptions is not None:
            self._subscriptions.close()
