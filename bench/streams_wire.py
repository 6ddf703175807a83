"""What a load says to streams, and the reading of what they tell, written out by hand; the counterpart of ``wire``.

A step's frame is made anew for each step, since it bears a number: everything in it but that number is made and masked
beforehand. It shares no code with the project's codecs, and knows no sockets and no clock.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec

from .link import MASK, frame
from .wire import Tensor, Timing, binary

if TYPE_CHECKING:
    from .cases import Array

STEP_KEY = b"\xa4step"
WIDTHS = ((0x80, 1), (0x100, 2), (0x10000, 3))
"""Numbers below the first take so many bytes in msgpack, a marker included, as every packer writes them."""


def tensor(name: str, array: Array) -> dict[str, Any]:
    """Return the description of a tensor in a header."""
    return {"name": name, "shape": array.shape, "datatype": _DATATYPES[array.dtype.str]}


_DATATYPES = {"<f4": "FP32", "<i8": "INT64"}


def open_frame(stream: int, model: str, constant: tuple[str, Array] | None = None) -> bytes:
    """Return the frame that opens a stream; its number is the message's id too. A constant is a scalar."""
    header: dict[str, Any] = {"op": "open", "id": stream, "stream": stream, "model_name": model}
    if constant is None:
        return frame(binary(header))
    name, value = constant
    return frame(binary({**header, "constants": [tensor(name, value)]}, value.tobytes()))


def close_frame(stream: int) -> bytes:
    """Return the frame that closes a stream."""
    return frame(binary({"op": "close", "stream": stream}))


def step_frame(stream: int, step: int, name: str, array: Array, **fields: Any) -> bytes:
    """Return the whole frame of one step."""
    header = {"op": "step", "stream": stream, "step": step, "inputs": [tensor(name, array)], **fields}
    return frame(binary(header, array.tobytes()))


def masked(array: Array) -> bytes:
    """Return the bytes of a tensor, a multiple of 8, as they stand in every frame: tensors begin at such multiples too."""
    data: bytes = array.tobytes()
    return frame(data)[-len(data) :]


class StepHead:
    """The frames of one stream's steps, up to the tensor's bytes; only the number differs."""

    def __init__(self, stream: int, name: str, array: Array) -> None:
        self._stream = stream
        self._input = (name, array)
        self._below = 0
        self._head = bytearray()
        self._at = slice(0)
        self._mask = 0

    def of(self, step: int) -> bytes:
        """Return that of step ``step``, from 1; numbers never go back to fewer bytes."""
        if step >= self._below:
            self._make(step)
        width = self._at.stop - self._at.start
        self._head[self._at] = (step ^ self._mask).to_bytes(width, "big")
        return bytes(self._head)

    def _make(self, step: int) -> None:
        self._below, width = next(pair for pair in WIDTHS if step < pair[0])
        name, array = self._input
        whole = step_frame(self._stream, self._below - 1, name, array)
        self._head = bytearray(whole[: len(whole) - array.nbytes])
        start = whole.index(MASK) + len(MASK)
        header = binary({"op": "step", "stream": self._stream, "step": self._below - 1})
        number = header.rindex(STEP_KEY) + len(STEP_KEY) + (width > 1)
        size = max(1, width - 1)
        self._at = slice(start + number, start + number + size)
        self._mask = int.from_bytes((MASK * 2)[number % 4 : number % 4 + size], "big")


class Told(msgspec.Struct, frozen=True):
    """The header of anything that is told of a stream; fields that are not looked at are left out."""

    op: str
    stream: int = -1
    step: int = 0
    seq: int = 0
    final: bool = False
    outputs: tuple[Tensor, ...] = ()
    timing: Timing = Timing(0)
    reason: str = ""
    code: str = ""
    message: str = ""


_decode = msgspec.msgpack.Decoder(Told).decode


def told_of(message: bytes) -> tuple[Told, int]:
    """Return the header of a binary message, and where its tensors begin.

    Raises:
        ValueError: it is none of a stream, or cut short.
    """
    try:
        (size,) = struct.unpack_from("<I", message)
        return _decode(message[4 : 4 + size]), 4 + size + -(4 + size) % 8
    except (struct.error, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from error


def shown(told: Told) -> str:
    """Return in a few words what was told."""
    return f"{told.op} {told.code}{told.reason} {told.message}".strip() + f" (stream {told.stream} step {told.step})"
