"""One event of a topic: what it says, and how it is written, once for each form and only when somebody wants it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs import writer
from tidegate.codecs.event_messages import Event, EventError

from .large_result import bytes_of, is_large, owned
from .replies import why_not_written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.codecs.errors import Form
    from tidegate.errors import TidegateError
    from tidegate.results import Array

_EVENT_BYTES = 512  # what one takes beside its tensors


class TopicEvent:
    """One event.

    Attributes:
        seq: its number in the topic.
        nbytes: bytes of memory that it takes, what is written included.
        frames: what is written, by form.
    """

    __slots__ = ("_message", "_tensors", "frames", "nbytes", "seq")

    def __init__(self, message: Event, tensors: Mapping[str, Array]) -> None:
        self.seq = message.seq
        self.frames: dict[Form, bytes] = {}
        self._message = message
        # A row of a large batch would keep the whole batch for as long as somebody may come and want it.
        self._tensors = {name: owned(array) for name, array in tensors.items()}
        self.nbytes = _EVENT_BYTES + sum([bytes_of(array) for array in self._tensors.values()])

    def takes_long(self, form: Form) -> bool:
        """Tell whether it must not be written on the event loop."""
        return bool(self._tensors) and is_large(self._tensors.values(), form)

    def write(self, form: Form) -> bytes:
        """Write it, on whatever thread; what cannot be written is told as an error in its place."""
        try:
            if self._tensors:
                return b"".join(writer.pieces(self._message, form, self._tensors))
            return writer.encode(self._message, form)
        except Exception as error:
            return self._instead(why_not_written(error, self._message.model_name or self._message.topic), form)

    def keep(self, form: Form, frame: bytes) -> int:
        """Keep what was written; return the bytes of memory that it takes."""
        self.frames[form] = frame
        self.nbytes += len(frame)
        return len(frame)

    def _instead(self, error: TidegateError, form: Form) -> bytes:
        said = self._message
        failed = EventError(code=error.code, message=error.message)
        event = Event(topic=said.topic, seq=said.seq, at_ms=said.at_ms, stream=said.stream, step=said.step, error=failed)
        return writer.encode(event, form)
