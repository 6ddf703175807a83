"""The checks of a decoded message that its types cannot make: what is missing, and what there is too much of.

This module does not know the bytes of a message, nor what its tensors hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import Fault, shown
from .event_messages import Event, Subscribe, Unsubscribe
from .messages import (
    Cancel,
    ClientMessage,
    Infer,
    Message,
    Open,
    Result,
    Resume,
    Resumed,
    ServerMessage,
    SnapshotTaken,
    Step,
)
from .topics import PATTERN_RULES, TOPIC_RULES, is_pattern, is_topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .limits import Limits
    from .parts import TensorHeader

# Made once: to make a union of classes takes longer than to look into it.
_WITH_INPUTS = (Infer, Step)
_WITH_STREAMS = (Resume, Resumed)
_WITH_PATTERNS = (Subscribe, Unsubscribe)
_IDS = {
    cls: tuple(name for name in ("id", "stream", "to") if name in cls.__struct_fields__)
    for cls in (*ClientMessage.__args__, *ServerMessage.__args__)
}


def tensor_headers(message: Message, size: int, limits: Limits) -> tuple[Sequence[TensorHeader], str]:
    """Give the tensor headers of a message and the field they are in.

    Args:
        message: any message.
        size: bytes that the message, or the header it is in, takes: no string in it is longer.
        limits: what is refused.

    Raises:
        Fault: if a check fails.
    """
    headers: Sequence[TensorHeader]
    if isinstance(message, _WITH_INPUTS):
        headers, field = message.inputs, "inputs"
        if message.parameters or (isinstance(message, Infer) and (message.outputs or message.publish)):
            _check_extras(message, limits)
    elif isinstance(message, Result):
        headers, field = message.outputs, "outputs"
        if not _is_whole(message):
            raise _not_whole(message)
    else:
        headers, field = _other_headers(message, limits)
    # The default is a tuple; what is decoded is a list. Only a stream may do without.
    if field and isinstance(headers, tuple) and field != "constants":
        raise Fault("invalid_message", field, "an array of {name, shape, datatype}", "nothing")
    if len(headers) > limits.tensors:
        raise Fault("too_large", field, f"at most {limits.tensors} tensors", str(len(headers)))
    if size > limits.id_bytes:
        _check_ids(message, limits)
        if size > limits.name_bytes:
            _check_names(message, headers, field, limits)
    return headers, field


def _other_headers(message: Message, limits: Limits) -> tuple[Sequence[TensorHeader], str]:
    if isinstance(message, Open):
        _check_open(message, limits)
        return message.constants, "constants"
    if isinstance(message, Cancel):
        _check_cancel(message)
    elif isinstance(message, _WITH_PATTERNS) and not is_pattern(message.topic):
        raise Fault("invalid_message", "topic", PATTERN_RULES, shown(message.topic))
    elif isinstance(message, Event):
        return (message.outputs, "outputs") if _is_result(message) else ((), "")
    return (message.outputs, "outputs") if isinstance(message, SnapshotTaken) else ((), "")


def _check_extras(message: Infer | Open | Step, limits: Limits) -> None:
    outputs = message.outputs if not isinstance(message, Step) else ()
    if len(outputs) > limits.tensors:
        raise Fault("too_large", "outputs", f"at most {limits.tensors} outputs", str(len(outputs)))
    if message.parameters and len(message.parameters) > limits.parameters:
        raise Fault("too_large", "parameters", f"at most {limits.parameters} parameters", str(len(message.parameters)))
    publish = message.publish if not isinstance(message, Step) else None
    if publish is not None and not is_topic(publish):
        raise Fault("invalid_message", "publish", TOPIC_RULES, shown(publish))


def _check_open(message: Open, limits: Limits) -> None:
    _check_extras(message, limits)
    if message.from_snapshot:
        parts = [(part.name, part.datatype, len(part.shape)) for part in message.constants]
        if parts != [("snapshot", "UINT8", 1)]:
            raise Fault("invalid_input", "constants", "one UINT8 tensor of one dimension named snapshot", "something else")


def _check_cancel(message: Cancel) -> None:
    of_stream = (message.stream is not None, message.step is not None)
    if of_stream != ((True, True) if message.id is None else (False, False)):
        raise _misnamed(message, ("stream", "step"))


def _is_whole(message: Result) -> bool:
    if message.id is None:
        return message.stream is not None and message.step is not None and message.seq is not None
    return message.stream is None and message.model_name is not None and message.model_version is not None


def _not_whole(message: Result) -> Fault:
    if message.id is None or message.stream is not None:
        return _misnamed(message, ("stream", "step", "seq"))
    return Fault("invalid_message", "model_version" if message.model_name else "model_name", "a string", "nothing")


def _is_result(message: Event) -> bool:
    """Tell whether an event is a result; check that it is one thing, and all of that."""
    said = [name for name in ("data", "timing", "error", "closed") if getattr(message, name) is not None]
    if len(said) != 1:
        got = " and ".join(said).replace("timing", "outputs") or "nothing"
        raise Fault("invalid_message", "data", "one of data, outputs with timing, error and closed", got)
    if message.timing is None:
        return False
    for name in ("model_name", "model_version", "final"):
        if getattr(message, name) is None:
            raise Fault("invalid_message", name, "what a result has", "nothing")
    return True


def _misnamed(message: Cancel | Result, needed: tuple[str, ...]) -> Fault:
    missing = [name for name in needed if getattr(message, name) is None]
    whole = f"an id, or {' and '.join(needed)}"
    if message.id is not None:
        return Fault("invalid_message", "id", whole, "both")
    return Fault("invalid_message", "id" if len(missing) == len(needed) else missing[0], whole, "nothing")


def _check_ids(message: Message, limits: Limits) -> None:
    for place in _IDS[type(message)]:
        _check_id(place, getattr(message, place), limits)
    if isinstance(message, _WITH_STREAMS):
        for index, name in enumerate([entry.stream for entry in message.streams]):
            _check_id(f"streams[{index}].stream", name, limits)


def _check_id(place: str, id: object, limits: Limits) -> None:  # noqa: A002 - the name on the wire
    if isinstance(id, str) and len(id.encode()) > limits.id_bytes:
        raise Fault("invalid_message", place, f"at most {limits.id_bytes} bytes of UTF-8", f"{len(id.encode())}")


def _check_names(message: Message, headers: Sequence[TensorHeader], field: str, limits: Limits) -> None:
    for place, name in _names(message, headers, field):
        size = len(name.encode())
        if size > limits.name_bytes:
            raise Fault("too_large", place, f"at most {limits.name_bytes} bytes of UTF-8", f"{size}")


def _names(message: Message, headers: Sequence[TensorHeader], field: str) -> Iterator[tuple[str, str]]:
    for place in ("model_name", "model_version"):
        yield place, getattr(message, place, None) or ""
    for index, header in enumerate(headers):
        yield f"{field}[{index}].name", header.name
    for index, output in enumerate(message.outputs if isinstance(message, Infer | Open) else ()):
        yield f"outputs[{index}].name", output.name
