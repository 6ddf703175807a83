"""The state of a stream as bytes, and back. Pure; knows no stream and no model but by what it is told of them.

Eight bytes say what it is and in which version, the rest is msgpack: the model's name and content hash, the constants and
the state, each tensor with its datatype and shape. Somebody may have written it by hand: it is read as untrusted, and what the
tensors must look like is checked by whoever knows the model (``StreamSpec.restore``).
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import msgpack
import msgspec
import numpy as np

from tidegate.codecs.datatypes import DATATYPES, datatype_of
from tidegate.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.results import Array

    from ..model import Model

_MAGIC = b"TGSNAP\x00\x01"


class _Tensor(msgspec.Struct, array_like=True):
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes


class _Content(msgspec.Struct, array_like=True):
    model: str
    sha256: str
    step: int
    constants: list[_Tensor]
    state: list[_Tensor]


_decode = msgspec.msgpack.Decoder(_Content).decode


class Snapshot:
    """What a snapshot holds.

    Attributes:
        model: name of the model.
        sha256: of the model's file; no other model can make sense of the state.
        step: the last step that the state knows of.
        constants: as the stream was opened with, by name.
        state: tensors by name.
    """

    __slots__ = ("constants", "model", "sha256", "state", "step")

    def __init__(self, model: str, sha256: str, step: int, constants: Mapping[str, Array], state: Mapping[str, Array]) -> None:
        self.model = model
        self.sha256 = sha256
        self.step = step
        self.constants = dict(constants)
        self.state = dict(state)

    def check_origin(self, model: Model) -> None:
        """Refuse a snapshot of another model.

        Raises:
            InvalidInput: it is one.
        """
        if self.sha256 != model.sha256:
            raise InvalidInput(
                f"the snapshot is of another model, {self.model[:64]!r} with content {self.sha256[:16]}…",
                param="snapshot",
                expected=f"a snapshot of {model.name!r} with content {model.sha256[:16]}…",
            )


def write(snapshot: Snapshot) -> bytes:
    """Write a snapshot.

    Raises:
        InvalidInput: a tensor cannot be written: it holds strings.
    """
    content = [
        snapshot.model,
        snapshot.sha256,
        snapshot.step,
        [_described(name, array) for name, array in snapshot.constants.items()],
        [_described(name, array) for name, array in snapshot.state.items()],
    ]
    packed: bytes | None = msgpack.packb(content, use_bin_type=True)
    assert packed is not None  # says what msgpack's type hints do not
    return _MAGIC + packed


def read(data: bytes) -> Snapshot:
    """Read a snapshot.

    Raises:
        InvalidInput: these bytes are none, or of a version that is not known here.
    """
    if not data.startswith(_MAGIC):
        raise _bad("it does not begin as one of this version does")
    try:
        content = _decode(memoryview(data)[len(_MAGIC) :])
    except (ValueError, RecursionError) as error:
        raise _bad(str(error)) from None
    constants, state = ({tensor.name: _array(tensor) for tensor in part} for part in (content.constants, content.state))
    return Snapshot(content.model, content.sha256, content.step, constants, state)


def _described(name: str, array: Array) -> list[object]:
    whole = np.ascontiguousarray(array).reshape(np.shape(array))
    datatype = datatype_of(whole)
    if datatype == "BYTES":
        raise InvalidInput(f"the state {name!r} holds strings, which no snapshot can hold")
    return [name, datatype, whole.shape, whole.tobytes()]


def _array(tensor: _Tensor) -> Array:
    datatype = DATATYPES.get(tensor.datatype)
    if datatype is None or tensor.datatype == "BYTES" or any(size < 0 for size in tensor.shape):
        raise _bad(f"tensor {tensor.name[:64]!r} is {tensor.datatype[:16]!r} of shape {list(tensor.shape)[:8]}")
    if len(tensor.data) != prod(tensor.shape) * datatype.itemsize:
        raise _bad(f"tensor {tensor.name[:64]!r} has {len(tensor.data)} bytes")
    return np.frombuffer(tensor.data, datatype.dtype).reshape(tensor.shape)


def _bad(why: str) -> InvalidInput:
    return InvalidInput(f"this is no snapshot: {why}", param="snapshot", expected="bytes that a snapshot gave")
