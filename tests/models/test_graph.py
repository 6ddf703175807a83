"""The reader of ONNX files, against the onnx package and against garbage."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_models
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import external_data_helper, helper, numpy_helper
from onnx_models import (
    build,
    dynamic_quantized,
    dynamic_quantized_in_function,
    dynamic_quantized_inside_if,
    embedding,
    row_wise_mlp,
    unshaped,
    value,
)

from tidegate.models.graph import MalformedModel, read_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def operators(model: onnx.ModelProto) -> set[str]:
    """Collect every operator with the onnx package, an independent reading of the same bytes."""

    def walk(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
        for node in nodes:
            yield node.op_type
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs):
                    yield from walk(graph.node)

    return {*walk(model.graph.node), *(name for function in model.functions for name in walk(function.node))}


@pytest.mark.parametrize(
    "make", [row_wise_mlp, embedding, dynamic_quantized, dynamic_quantized_inside_if, dynamic_quantized_in_function]
)
def test_operators_are_those_that_the_onnx_package_sees(make: Callable[[], Any]) -> None:
    """Operators are found wherever they are nested, as by the onnx package."""
    model = make()
    assert read_graph(model.SerializeToString()).op_types == operators(model)


def external(name: str, location: str) -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), name)
    external_data_helper.set_external_data(tensor, location, offset=0, length=16)
    tensor.ClearField("raw_data")
    return tensor


def sparse(location: str) -> onnx.SparseTensorProto:
    values, indices = external("values", location), numpy_helper.from_array(np.arange(4), "indices")
    return helper.make_sparse_tensor(values, indices, [8])


def test_external_data_is_found_wherever_a_tensor_may_be() -> None:
    """Initializers, constants, lists, sparse tensors, subgraphs and functions: no tensor hides where its data lies."""
    inner = helper.make_graph(
        [], "inner", [], [], [external("i", "in-subgraph")], sparse_initializer=[sparse("sparse-in-subgraph")]
    )
    nodes = [
        helper.make_node("Constant", [], ["a"], value=external("a", "in-constant")),
        helper.make_node("Constant", [], ["b"], sparse_value=sparse("sparse-in-constant")),
        helper.make_node("Custom", [], ["c"], many=[external("t", "in-list")], graphs=[inner]),
    ]
    function = helper.make_function(
        "test", "F", [], ["o"], [helper.make_node("Constant", [], ["o"], value=external("f", "in-function"))], []
    )
    graph = helper.make_graph(
        nodes, "g", [], [], [external("w", "in-initializer")], sparse_initializer=[sparse("sparse-initializer")]
    )
    model = helper.make_model(graph, functions=[function])
    training = model.training_info.add()
    training.algorithm.initializer.append(external("t", "in-training"))
    assert read_graph(model.SerializeToString()).external == {
        "in-initializer", "in-constant", "in-list", "in-subgraph", "in-function", "in-training",
        "sparse-initializer", "sparse-in-constant", "sparse-in-subgraph",
    }  # fmt: skip


def test_a_location_cannot_hide_behind_another() -> None:
    """Where an entry repeats its value, protobuf takes the last; both are reported."""
    tensor = external("w", "harmless")
    entry = tensor.external_data[0]
    assert entry.key == "location"
    raw = row_wise_mlp()
    raw.graph.initializer.append(tensor)
    data = raw.SerializeToString()
    twice = entry.SerializeToString() + _field(2, b"secret")
    hidden = _field(7, _field(5, _field(8, b"v") + _field(13, twice)))  # a second graph: protobuf merges it with the first
    merged = onnx.ModelProto.FromString(data + hidden)
    assert [entry.value for entry in merged.graph.initializer[-1].external_data] == ["secret"]
    assert {"harmless", "secret"} <= read_graph(data + hidden).external


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def test_inputs_without_a_shape_are_told_from_scalars() -> None:
    """Onnxruntime shows both as ``[]``; one of them is a scalar, of the other nothing is known."""
    assert read_graph(unshaped().SerializeToString()).unshaped_inputs == {"x"}
    scalar = build([helper.make_node("Relu", ["x"], ["y"])], [value("x", 1, [])], [value("y", 1, [])])
    assert read_graph(scalar.SerializeToString()).unshaped_inputs == frozenset()


def test_depth_is_bounded() -> None:
    """Subgraphs nested beyond protobuf's own limit are refused; those below it are read."""
    with pytest.raises(MalformedModel, match="too deeply"):
        read_graph(_long_field(7, _nested(60)))
    assert read_graph(_long_field(7, _nested(30) + _field(1, _field(4, b"Deep")))).op_types == {"Deep"}


def _nested(levels: int) -> bytes:
    data = b""
    for _ in range(levels):
        data = _long_field(1, _long_field(5, _long_field(6, data)))
    return data


def _long_field(number: int, content: bytes) -> bytes:
    length, size = bytearray(), len(content)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes(length) + bytes([size]) + content


@pytest.mark.parametrize(
    "data",
    [b"\x3a", b"\x3a\x05ab", b"\x00\x00", b"\x0b\x0c", b"\x08" + b"\xff" * 11, b"\x0d\x01", b"\x09\x01\x02", b"\x08"],
    ids=["no length", "too long", "field 0", "group", "varint too long", "short 32 bit", "short 64 bit", "no number"],
)
def test_what_is_no_protobuf_is_refused(data: bytes) -> None:
    """Each way to be malformed is refused."""
    with pytest.raises(MalformedModel):
        read_graph(data)


@given(st.binary(max_size=300))
def test_garbage_is_read_or_refused(data: bytes) -> None:
    """Bytes at random raise nothing but MalformedModel."""
    with contextlib.suppress(MalformedModel):
        read_graph(data)


_SAMPLE = onnx_models.dynamic_quantized_inside_if().SerializeToString()


@given(st.integers(0, len(_SAMPLE) - 1), st.integers(0, 255), st.integers(0, len(_SAMPLE)))
def test_a_damaged_model_is_read_or_refused(position: int, byte: int, end: int) -> None:
    """A real model with a byte changed and its end cut off raises nothing but MalformedModel."""
    damaged = bytearray(_SAMPLE)
    damaged[position] = byte
    with contextlib.suppress(MalformedModel):
        read_graph(bytes(damaged[:end]))
