"""How a stream goes on: its steps, and credit for what they make. Takes ``now``.

A step whose header was met before goes the short way (``take_known``), which most of all traffic with streams does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.errors import Form, Subject
from tidegate.errors import TidegateError
from tidegate.models.request import NEVER
from tidegate.models.streams.content import described, of_elements

if TYPE_CHECKING:
    from tidegate.codecs.messages import Cancel, Credit, Step
    from tidegate.codecs.reader import Received

    from .hub import Hub
    from .stream_ops import StreamOps

MSGPACK = Form.MSGPACK  # looking a member up in its class takes longer than comparing it


def step(ops: StreamOps, message: Step, received: Received, now: float) -> None:
    """Let a stream go one step on. While the gateway drains, it only recognises those that it has accepted before."""
    stream = ops.find(message.stream)
    if ops.hub.draining and message.step >= stream.next_step:
        ops.check_serving()
    timeout_s = _timeout_s(message)
    known, parameters = received.context, message.parameters
    ops.host.step(stream, message.step, received.tensors, now=now, timeout_s=timeout_s, parameters=parameters, known=known)


def take_known(ops: StreamOps, payload: bytes, now: float) -> bool:
    """Take a step whose like was read before; False if the message must go the long way."""
    hub = ops.hub
    found = hub.known_steps.find(payload)
    if found is None or hub.draining:
        return False
    known, name, number, header_end = found
    stream = ops.streams.get(name)
    arrays = known.tensors(payload, header_end)
    if stream is None or arrays is None:
        return False
    ops.hub.metrics.messages_received.values["msgpack"] += 1
    timeout_s, look, order = known.context
    inputs = dict(zip(known.names, arrays, strict=True))
    said = of_elements(look, [arrays[at] for at in order] if len(order) > 1 else arrays)
    try:
        ops.host.step(stream, number, inputs, now=now, timeout_s=timeout_s, parameters=known.message.parameters, known=said)
    except TidegateError as error:
        ops.replies.refuse_step(Subject(stream=name, step=number), MSGPACK, error, stream.model.name)
    return True


def learn(hub: Hub, payload: bytes, received: Received) -> None:
    """Remember the header of a step that was read, so that the next like it is read faster."""
    known = hub.known_steps.learn(payload, received.message, list(received.tensors.values()))
    if known is not None:
        names, message = known.names, received.message
        order = sorted(range(len(names)), key=names.__getitem__)
        known.context = (_timeout_s(message), described(received.tensors, message.parameters), order)


def credit(ops: StreamOps, message: Credit, _: Received, now: float) -> None:
    """Let more results be sent, and forget those that were seen."""
    stream = ops.streams.get(message.stream)
    if stream is not None:  # else it crossed the stream's end on the way
        ops.host.credit(stream, message.until, message.seen, now)


def cancel(ops: StreamOps, message: Cancel, _: Received, now: float) -> None:
    """Give up a step; its end tells what became of it."""
    assert message.stream is not None
    assert message.step is not None
    stream = ops.streams.get(message.stream)
    if stream is not None:
        ops.host.cancel(stream, message.step, now)


def _timeout_s(message: Step) -> float:
    return NEVER if message.timeout_ms is None else message.timeout_ms / 1000
