"""The streams of one connection, and what is asked of them: who does it, and how it is refused. Takes ``now``.

Each message gets what PROTOCOL.md says, or an error that names its id, or its stream and step. What becomes of each is told in
``stream_opening``, ``stream_steps``, ``stream_copies`` and ``stream_resume``; what streams have to tell is sent by
``stream_sender``. Knows no socket.

Bound: streams of one connection (``streams_per_connection``).
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tidegate.codecs import diagnosis
from tidegate.codecs.messages import Cancel, Close, Closed, Credit, Fork, Open, Opened, Resume, Snapshot, Step
from tidegate.errors import DuplicateStream, Overloaded, ShuttingDown, TidegateError, UnknownStream
from tidegate.models.streams.items import Ended

from .counts import OTHER
from .stream_copies import fork, snapshot
from .stream_opening import close_stream, open_stream
from .stream_resume import resume
from .stream_sender import Channel, StreamSender
from .stream_steps import cancel, credit, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.codecs.errors import Form
    from tidegate.codecs.parts import Id
    from tidegate.codecs.reader import Received
    from tidegate.models.streams.stream import Stream

    from .hub import Hub
    from .link import Link
    from .replies import Replies
    from .requests import Requests
    from .residence import Residence

    Serve = Callable[["StreamOps", Any, Received, float], None]

_NONE: Mapping[Id, Stream] = MappingProxyType({})


class StreamOps:
    """The streams of one session.

    Attributes:
        hub: what all connections share.
        host: the engine's streams.
        replies: how the client is answered.
        requests: whose ids share one space with those of snapshots and forks.
        sender: sends what streams have to tell.
        residence: where the client's streams are kept; None before the first.
    """

    __slots__ = ("_link", "_token", "host", "hub", "replies", "requests", "residence", "sender")

    def __init__(self, hub: Hub, link: Link, replies: Replies, requests: Requests, token: str) -> None:
        self.hub = hub
        self.host = hub.engine.streams
        self.replies = replies
        self.requests = requests
        self.sender = StreamSender(hub, link, replies, self._ended)
        self.residence: Residence | None = None
        self._link = link
        self._token = token

    def serve(self, message: Any, received: Received, now: float) -> None:
        """Do what a message asks for."""
        try:
            _SERVE[type(message)](self, message, received, now)
        except TidegateError as error:
            self._refuse(message, received.form, error)

    def _refuse(self, message: Any, form: Form, error: TidegateError) -> None:
        subject = diagnosis.subject(message.__struct_config__.tag, partial(getattr, message))
        refuse = self.replies.refuse_step if type(message) is Step else self.replies.refuse
        refuse(subject, form, error, self._model(message))

    def _model(self, message: Any) -> str:
        """Name the model that a message is about, as far as it can be told."""
        if type(message) is Open:
            return str(message.model_name)
        stream = self.streams.get(getattr(message, "stream", ""))
        return OTHER if stream is None else stream.model.name

    @property
    def streams(self) -> Mapping[Id, Stream]:
        """The client's streams, by name."""
        return _NONE if self.residence is None else self.residence.streams

    def find(self, name: Id) -> Stream:
        """Return the stream of this name.

        Raises:
            UnknownStream: there is none.
        """
        stream = self.streams.get(name)
        if stream is None:
            raise UnknownStream(f"no stream {name!r} is open on this connection", param="stream", expected="one that is open")
        return stream

    # Streams come and go.

    def home(self, name: Id) -> Residence:
        """Return where another stream may be kept under this name.

        Raises:
            DuplicateStream: the name is taken.
            Overloaded: the client has too many streams.
            ShuttingDown: the gateway is about to stop.
        """
        self.check_serving()
        if self.residence is None:
            self.residence = self.hub.residences.begin(self._token, self, self.requests.client)
        if self.residence.is_taken(name):
            raise DuplicateStream(f"a stream {name!r} is open already", param="stream", expected="a name that is free")
        most = self.hub.settings.streams_per_connection
        if self.residence.count >= most:
            raise Overloaded(f"{most} streams of this connection are open, and no more may be", bound="streams_per_connection")
        return self.residence

    def check_serving(self) -> None:
        """Check that new work is taken.

        Raises:
            ShuttingDown: the gateway is about to stop.
        """
        if self.hub.draining:
            self.hub.metrics.refused.add("draining")
            raise ShuttingDown("the gateway is about to stop; not executed")

    def settle(self, stream: Stream, name: Id, residence: Residence, id_: Id, form: Form) -> None:
        """Keep a stream that is open from now on, and say so."""
        stream.tag = Channel(name, form)
        self.hub.residences.forget(residence, name)
        residence.streams[name] = stream
        bounds = self.hub.stream_bounds
        opened = Opened(
            id=id_,
            stream=name,
            model_name=stream.model.name,
            model_version=stream.model.version,
            next_step=stream.next_step,
            steps=bounds.steps,
            results=bounds.results,
        )
        self.replies.send(opened, form)

    def _ended(self, stream: Stream, reason: str, now: float) -> None:
        """Say that a stream has ended (see ``StreamSender``)."""
        channel: Channel = stream.tag
        if self.residence is not None:
            self.hub.residences.ended(self.residence, channel.name, stream, reason, now)
        self.replies.send(Closed(stream=channel.name, reason=reason), channel.form)

    # The connection.

    @property
    def busy(self) -> bool:
        """Whether steps run, or results wait that may be sent."""
        return any(stream.busy or stream.ready for stream in self.streams.values())

    def close(self, now: float) -> None:
        """Let go of the streams: they wait for their client, unless somebody else has them already."""
        residence, self.residence = self.residence, None
        if residence is None or residence.owner is not self:
            return
        self._detach(residence)
        self.hub.park(residence, now)

    def superseded(self) -> None:
        """Give the streams up, and end the connection: another one goes on with them."""
        if self.residence is not None:
            self._detach(self.residence)
        self.residence = None
        self.replies.close()
        self.requests.cancel_all()
        self._link.superseded()

    def _detach(self, residence: Residence) -> None:
        for stream in residence.streams.values():
            self.host.detach(stream)
            for item in stream.tag.held:
                if isinstance(item, Ended):  # it was not told; everything else is told again anyway
                    stream.ended = item


_SERVE: dict[type, Serve] = {
    Open: open_stream,
    Close: close_stream,
    Step: step,
    Credit: credit,
    Cancel: cancel,
    Snapshot: snapshot,
    Fork: fork,
    Resume: resume,
}
