"""What clients publish: each result of a stream, or the answer to a request, as an event of a topic, once. Takes ``now``.

A stream publishes when its results come to be, so whether its client is there, resumes or reads slowly makes no difference.
Knows no socket. Bound: topics (see ``topics``).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tidegate.codecs.event_messages import EventError
from tidegate.codecs.parts import Timing
from tidegate.errors import Cancelled, Overloaded, ShuttingDown
from tidegate.models.streams.items import Failed

from .answers import compute_us, outputs_of
from .stream_results import timing_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.codecs.parts import Id
    from tidegate.errors import TidegateError
    from tidegate.models.batch import Run
    from tidegate.models.request import Answer, Request
    from tidegate.models.streams.items import Numbered
    from tidegate.models.streams.stream import Stream

    from .broadcast import Broadcast
    from .permissions import Permissions
    from .requests import Requests
    from .stream_metrics import StreamCounter

_NOT_RUN = (Cancelled, Overloaded, ShuttingDown)

_log = logging.getLogger("tidegate.gateway")


class Publications:
    """Who publishes; told of streams by the engine (see ``streams.audience.Observer``), and tells the counter."""

    def __init__(self, broadcast: Broadcast, permissions: Permissions, counter: StreamCounter) -> None:
        self._broadcast = broadcast
        self._permissions = permissions
        self._streams: dict[Stream, StreamPublication] = {}
        self._counter = counter
        self.steps_ended = counter.steps_ended

    def stream(self, session: str, topic: str, name: Id) -> StreamPublication:
        """Return what publishes the results of a stream that is about to be opened.

        Raises:
            Forbidden: the session may not.
            Overloaded: there are too many topics.
        """
        self._permissions.check_publish(session, topic)
        return StreamPublication(self._broadcast, topic, name)

    def began(self, stream: Stream, publication: StreamPublication) -> None:
        """Take note that a stream publishes."""
        publication.stream = stream
        self._streams[stream] = publication

    def request(self, session: str, topic: str, requests: Requests) -> RequestPublication:
        """Return what publishes the answer to a request, and hands it on; raises what ``stream`` raises."""
        self._permissions.check_publish(session, topic)
        return RequestPublication(self._broadcast, topic, requests)

    def stream_opened(self, stream: Stream) -> None:
        """Count a stream that was opened."""
        self._counter.stream_opened(stream)

    def stream_closed(self, stream: Stream, reason: str) -> None:
        """Publish that a stream has ended, if it published anything."""
        self._counter.stream_closed(stream, reason)
        publication = self._streams.pop(stream, None)
        if publication is not None:
            publication.ended(reason)


class StreamPublication:
    """The topic of one stream's results.

    Attributes:
        stream: the stream, once it is open.
    """

    __slots__ = ("_broadcast", "_name", "_topic", "stream")

    def __init__(self, broadcast: Broadcast, topic: str, name: Id) -> None:
        self._broadcast = broadcast
        self._topic = broadcast.topics.hold(topic)
        self._name = name
        self.stream: Stream | None = None

    def made(self, item: Numbered) -> None:
        """Publish a result, or the error that stands in its place; nothing that goes wrong here is the stream's affair."""
        try:
            self._publish(item)
        except Exception:
            _log.exception("a result could not be published")

    def _publish(self, item: Numbered) -> None:
        assert self.stream is not None
        model = self.stream.model
        if isinstance(item, Failed):
            failed = EventError(code=item.error.code, message=item.error.message)
            self._broadcast.publish(self._topic, stream=self._name, step=item.step, error=failed)
            return
        self._broadcast.publish(
            self._topic,
            item.outputs,
            model_name=model.name,
            model_version=model.version,
            stream=self._name,
            step=item.step,
            final=item.final,
            timing=timing_part(item.timing),
            text=item.text,
            reason=item.reason,
        )

    def ended(self, reason: str) -> None:
        """Publish that the stream has ended; nothing comes after it."""
        self._broadcast.publish(self._topic, stream=self._name, closed=reason)
        self.forget()

    def forget(self) -> None:
        """Let the topic go."""
        self._broadcast.topics.let_go(self._topic)


class RequestPublication:
    """The topic of the answer to one request; a sink that hands on what it is told."""

    __slots__ = ("_broadcast", "_requests", "_topic")

    def __init__(self, broadcast: Broadcast, topic: str, requests: Requests) -> None:
        self._broadcast = broadcast
        self._topic = broadcast.topics.hold(topic)
        self._requests = requests

    def finished(self, run: Run, answers: Sequence[Answer]) -> None:
        """Publish a result, and send it (see ``Sink``)."""
        try:
            for request, start, stop in answers:
                self._publish(request, run, start, stop)
        except Exception:
            _log.exception("a result could not be published")
        self.forget()
        self._requests.finished(run, answers)

    def _publish(self, request: Request, run: Run, start: int, stop: int) -> None:
        queue_us = max(0, int(1e6 * (run.started - request.arrival)))
        self._broadcast.publish(
            self._topic,
            outputs_of(request.kind.outputs, run, start, stop),
            model_name=run.model.name,
            model_version=run.model.version,
            final=True,
            timing=Timing(queue_us=queue_us, compute_us=compute_us(run), batch_size=run.size),
        )

    def failed(self, request: Request, error: TidegateError) -> None:
        """Publish an error, and send it (see ``Sink``); what did not run is not published."""
        if not isinstance(error, _NOT_RUN):
            self._broadcast.publish(self._topic, error=EventError(code=error.code, message=error.message))
        self.forget()
        self._requests.failed(request, error)

    def forget(self) -> None:
        """Let the topic go."""
        self._broadcast.topics.let_go(self._topic)
