"""Reads from an ONNX file what must be known before anything loads it; it knows protobuf's wire format and where ONNX keeps
operators, data files and input shapes. It does not know what operators mean, and it judges nothing.

The ``onnx`` package is not needed: an ONNX file is a tree of protobuf messages, and ``_CHILDREN`` says which fields lead to the
few messages that matter, through subgraphs (If, Loop, Scan), functions and training graphs. Everything else is skipped by its
length. Time and memory are linear in the file; nesting is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
}
_OP_TYPE, _KEY, _VALUE = 4, 1, 2
_GRAPH, _INPUT, _NAME, _TYPE, _TENSOR_TYPE, _SHAPE = 7, 11, 1, 2, 1, 2
_MAX_DEPTH = 100  # protobuf's own limit
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class MalformedModel(ValueError):
    """Raised when a file is not the protobuf message that an ONNX file is."""


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What a model file says of itself.

    Attributes:
        op_types: every operator in the file, wherever it is nested.
        external: where the tensors' data outside the file lies, as written there; to be trusted in nothing.
        unshaped_inputs: names of inputs for which not even the number of dimensions is declared.
    """

    op_types: frozenset[str]
    external: frozenset[str]
    unshaped_inputs: frozenset[str]


def read_graph(data: bytes) -> GraphFacts:
    """Read the facts from the content of an ONNX file.

    Raises:
        MalformedModel: this is not an ONNX file.
    """
    op_types: set[str] = set()
    external: set[str] = set()
    pending = [("model", memoryview(data), 0)]
    while pending:
        kind, message, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise MalformedModel("messages are nested too deeply")
        fields = list(_fields(message))
        if kind == "node":
            op_types.update(_text(value) for number, value in fields if number == _OP_TYPE)
        elif kind == "entry":
            external.update(_locations(fields))
        children = _CHILDREN[kind]
        pending += [(children[number], value, depth + 1) for number, value in fields if number in children]
    return GraphFacts(frozenset(op_types), frozenset(external), frozenset(_unshaped_inputs(memoryview(data))))


def _locations(fields: list[tuple[int, memoryview]]) -> Iterator[str]:
    """Yield the location that a key-value entry of a tensor's external data names.

    Where a field is repeated, protobuf takes the last; all are taken here, so that none can hide.
    """
    if any(number == _KEY and bytes(value) == b"location" for number, value in fields):
        yield from (_text(value) for number, value in fields if number == _VALUE)


def _unshaped_inputs(model: memoryview) -> Iterator[str]:
    for graph in _all(model, _GRAPH):
        for value_info in _all(graph, _INPUT):
            tensors = [tensor for kind in _all(value_info, _TYPE) for tensor in _all(kind, _TENSOR_TYPE)]
            if tensors and not any(True for tensor in tensors for _ in _all(tensor, _SHAPE)):
                yield from (_text(name) for name in _all(value_info, _NAME))


def _all(message: memoryview, number: int) -> Iterator[memoryview]:
    return (value for found, value in _fields(message) if found == number)


def _text(value: memoryview) -> str:
    return str(value, "utf-8", "replace")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of each length-delimited field; numbers are checked and skipped."""
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise MalformedModel("a field has number 0")
        if wire_type == _BYTES:
            length, position = _varint(message, position)
            if length > end - position:
                raise MalformedModel("a field is longer than its message")
            yield number, message[position : position + length]
            position += length
        elif wire_type == _VARINT:
            _, position = _varint(message, position)
        elif wire_type in (_FIXED32, _FIXED64):
            position += 8 if wire_type == _FIXED64 else 4
        else:
            raise MalformedModel(f"wire type {wire_type} does not occur in ONNX")
    if position != end:
        raise MalformedModel("a number is cut short")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise MalformedModel("a number is cut short")
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise MalformedModel("a number is longer than ten bytes")
