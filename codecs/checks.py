"""The checks of a decoded message that its types cannot make: what is missing, and what there is too much of.

This module does not know the bytes of a message, nor what its tensors hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import Fault
from .messages import Infer, Message, Result, TensorHeader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .limits import Limits


def tensor_headers(message: Message, size: int, limits: Limits) -> tuple[Sequence[TensorHeader], str]:
    """Give the tensor headers of a message and the field they are in.

    Args:
        message: any message.
        size: bytes that the message, or the header it is in, takes: no string in it is longer.
        limits: what is refused.

    Raises:
        Fault: if a check fails.
    """
    headers: Sequence[TensorHeader] = ()
    field = ""
    if isinstance(message, Infer):
        headers, field = message.inputs, "inputs"
        if message.outputs or message.parameters:
            _check_extras(message, limits)
    elif isinstance(message, Result):
        headers, field = message.outputs, "outputs"
    # The default is a tuple; what is decoded is a list.
    if field and isinstance(headers, tuple):
        raise Fault("invalid_message", field, "an array of {name, shape, datatype}", "nothing")
    if len(headers) > limits.tensors:
        raise Fault("too_large", field, f"at most {limits.tensors} tensors", str(len(headers)))
    if size > limits.id_bytes:
        _check_id(message, limits)
        if size > limits.name_bytes:
            _check_names(message, headers, field, limits)
    return headers, field


def _check_extras(message: Infer, limits: Limits) -> None:
    if len(message.outputs) > limits.tensors:
        raise Fault("too_large", "outputs", f"at most {limits.tensors} outputs", str(len(message.outputs)))
    if message.parameters and len(message.parameters) > limits.parameters:
        raise Fault("too_large", "parameters", f"at most {limits.parameters} parameters", str(len(message.parameters)))


def _check_id(message: Message, limits: Limits) -> None:
    id = getattr(message, "id", None)  # noqa: A001 - the name on the wire
    if isinstance(id, str) and len(id.encode()) > limits.id_bytes:
        raise Fault("invalid_message", "id", f"at most {limits.id_bytes} bytes of UTF-8", f"{len(id.encode())}")


def _check_names(message: Message, headers: Sequence[TensorHeader], field: str, limits: Limits) -> None:
    for place, name in _names(message, headers, field):
        size = len(name.encode())
        if size > limits.name_bytes:
            raise Fault("too_large", place, f"at most {limits.name_bytes} bytes of UTF-8", f"{size}")


def _names(message: Message, headers: Sequence[TensorHeader], field: str) -> Iterator[tuple[str, str]]:
    if isinstance(message, Infer | Result):
        yield "model_name", message.model_name
        yield "model_version", message.model_version or ""
    for index, header in enumerate(headers):
        yield f"{field}[{index}].name", header.name
    for index, output in enumerate(message.outputs if isinstance(message, Infer) else ()):
        yield f"outputs[{index}].name", output.name
