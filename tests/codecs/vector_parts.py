"""What golden vectors are made of: tensors, and messages as maps, wrong ones too."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from tidegate.codecs.frames import join
from tidegate.codecs.parts import Timing

if TYPE_CHECKING:
    from tidegate.codecs.datatypes import Array

TIMING = Timing(queue_us=180, compute_us=312, batch_size=8)
ONE = struct.pack("<f", 1)


def strings(*items: bytes) -> Array:
    """Make a BYTES array."""
    array = np.empty(len(items), object)
    array[:] = items
    return array


def tensor(shape: object, datatype: object = "FP32", **fields: object) -> dict[str, Any]:
    """Describe a tensor, wrongly if need be."""
    return {"name": "x", "shape": shape, "datatype": datatype, **fields}


def infer(*inputs: object, **fields: object) -> dict[str, Any]:
    """Describe a request, wrongly if need be."""
    return {"op": "infer", "id": 7, "model_name": "m", "inputs": list(inputs), **fields}


def step(*inputs: object, **fields: object) -> dict[str, Any]:
    """Describe a step, wrongly if need be."""
    return {"op": "step", "stream": "s", "step": 3, "inputs": list(inputs), **fields}


def without(message: dict[str, Any], field: str) -> dict[str, Any]:
    """Leave a field out."""
    return {key: value for key, value in message.items() if key != field}


def binary(message: object, payload: bytes = b"") -> bytes:
    """Lay out a binary message with a msgpack header."""
    return join(msgpack.packb(message), [payload])
