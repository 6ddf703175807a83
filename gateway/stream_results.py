"""Writes what a stream has to tell: results, errors and gaps, as messages. Pure; knows no connection.

What is too large to be written on the event loop is given back as it is (see ``large_result``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.errors import Form, Subject
from tidegate.codecs.messages import Gap as GapMessage
from tidegate.codecs.messages import Result
from tidegate.codecs.parts import Timing
from tidegate.codecs.reader import server_messages
from tidegate.codecs.step_results import StepResults
from tidegate.codecs.writer import encode
from tidegate.models.streams.items import Failed, Gap, Produced
from tidegate.results import Timing as Cost

from .large_result import LARGE_BYTES, LargeResult, is_large
from .own_messages import error_message

if TYPE_CHECKING:
    from tidegate.codecs.parts import Id
    from tidegate.errors import TidegateError
    from tidegate.models.streams.items import Item

MSGPACK = Form.MSGPACK  # looking a member up in its class takes longer than comparing it

_reader = server_messages()


class StreamResults:
    """Writes what streams have to tell; one for all connections."""

    __slots__ = ("_encode", "_known")

    def __init__(self) -> None:
        results = StepResults()
        self._encode = results.encode
        self._known = results.known

    def short(self, name: Id, form: Form, item: Produced) -> bytes | None:
        """Write a small result, one like which was written before, with a msgpack header; None for any other."""
        return self._known(name, item, item.outputs) if form is MSGPACK and item.nbytes < LARGE_BYTES else None

    def write(self, name: Id, form: Form, item: Item) -> bytes | LargeResult:
        """Write one item of the stream that has this name.

        Raises:
            TidegateError: an output cannot be written.
        """
        if type(item) is Produced:
            outputs = item.outputs
            if (data := self.short(name, form, item)) is not None:
                return data
            result = _result(name, item)
            if is_large(outputs.values(), form):
                return LargeResult(result, form, outputs)
            return self._encode(result, outputs) if form is MSGPACK else encode(result, form, outputs)
        if isinstance(item, Gap):
            return encode(GapMessage(stream=name, first=item.first, last=item.last), form)
        assert isinstance(item, Failed)
        subject = Subject(stream=name, step=item.step)
        return encode(error_message(subject, item.error, seq=item.seq, expected_step=item.expected_step), form)


def read_back(payload: bytes) -> Produced:
    """Read a result that ``short`` has written, but for its number."""
    received = _reader.binary(payload)
    result: Result = received.message
    timing = Cost(result.timing.queue_us, result.timing.compute_us, result.timing.batch_size)
    assert result.step is not None
    return Produced(result.step, result.final, received.tensors, timing, result.text, result.reason)


def instead(item: Item, error: TidegateError, next_step: int) -> Failed | Gap:
    """Give what takes the place of an item that cannot be written: the end of a step must stay one."""
    if isinstance(item, Produced) and item.final:
        return Failed(item.step, error, next_step, item.seq)
    return Gap(item.seq, item.seq)


def timing_part(cost: Cost) -> Timing:
    """Return what a result cost, as messages say it."""
    return Timing(queue_us=cost.queue_us, compute_us=cost.compute_us, batch_size=cost.batch_size)


def _result(name: Id, item: Produced) -> Result:
    return Result(
        stream=name,
        step=item.step,
        seq=item.seq,
        final=item.final,
        timing=timing_part(item.timing),
        text=item.text,
        reason=item.reason,
    )
