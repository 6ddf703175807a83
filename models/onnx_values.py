"""Our tensors to onnxruntime's and back, for the two datatypes that numpy lacks; it runs nothing and knows no model.

onnxruntime takes and gives text as objects of ``str`` (``bytes`` objects silently become ``"b'…'"``), and BF16 only as
typed ``OrtValue``s: its ``numpy()`` refuses them, so the bits are copied from where the value lies.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.codecs.datatypes import BF16_DTYPE
from tidegate.errors import InvalidInput, ModelUnavailable

from .quiet_onnxruntime import onnxruntime

if TYPE_CHECKING:
    from tidegate.results import Array

_ONNX_BFLOAT16 = 16  # TensorProto.DataType.BFLOAT16

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(float16)": "FP16",
    "tensor(bfloat16)": "BF16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


def datatype_of_onnx(name: str, onnx_type: str) -> str:
    """Return the wire's datatype for onnxruntime's type of the tensor called ``name``.

    Raises:
        ModelUnavailable: no datatype of the protocol can carry it.
    """
    try:
        return _DATATYPES[onnx_type]
    except KeyError:
        hint = " (for scikit-learn models: convert with zipmap off)" if "map(" in onnx_type else ""
        raise ModelUnavailable(f"{name!r} is of type {onnx_type}, which no tensor can carry{hint}") from None


def to_text(name: str, array: Array) -> Array:
    """Decode an object array of ``bytes`` into one of ``str``; raises InvalidInput where an element is not UTF-8."""
    text = np.empty(array.shape, object)
    try:
        text.reshape(-1)[:] = [element.decode() for element in array.reshape(-1).tolist()]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"input {name!r} takes text, and an element is not UTF-8: {error.reason}") from None
    return text


def from_text(array: Array) -> Array:
    """Encode onnxruntime's text as an object array of ``bytes``; raises UnicodeEncodeError for lone surrogates."""
    data = np.empty(array.shape, object)
    data.reshape(-1)[:] = [element.encode() for element in array.reshape(-1).tolist()]
    return data


def to_bfloat16(_name: str, array: Array) -> Any:
    """Wrap BF16 bits as the typed value that onnxruntime takes."""
    bits = np.asarray(array, order="C").view(np.uint16)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, _ONNX_BFLOAT16)


def to_ort_value(value: Any) -> Any:
    """Wrap an array, if it is not wrapped yet."""
    if isinstance(value, onnxruntime.OrtValue):
        return value
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(value, order="C"))


def from_ort_value(value: Any) -> Array:
    """Return an ``OrtValue`` as an array; BF16 is copied."""
    if value.data_type() != "tensor(bfloat16)":
        array: Array = value.numpy()
        return array
    data = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(data, BF16_DTYPE).reshape(value.shape())
