"""What a result template promises: nothing that the writer would not have said."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.codecs.datatypes import Array, datatype_of
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Result
from tidegate.codecs.parts import Timing
from tidegate.codecs.reader import server_messages
from tidegate.codecs.result_template import ResultTemplate, run_part
from tidegate.codecs.tensors import pack_strings
from tidegate.codecs.writer import encode

SDK = server_messages()
IDS = [0, 7, 2**32 - 1, 2**32, 2**53 - 1, *("x" * n for n in range(1, 10)), "é" * 32]


def _strings(*elements: bytes) -> Array:
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


OUTPUTS: list[dict[str, Array]] = [
    {"probs": np.arange(10, dtype="<f4").reshape(1, 10)},
    {"aligned": np.arange(4.0)},
    {"a": np.arange(3, dtype=np.uint8), "b": np.array(True), "c": np.empty((0, 2), "<f2"), "d": np.arange(2)},
    {"s": _strings(b"abc", b"", b"\xff" * 9), "n": np.ones(1, "<u2")},
    {},
    {str(n): np.full((1,), n, "<i4") for n in range(40)},
]


@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: ",".join(outputs)[:12])
@pytest.mark.parametrize("id", IDS)
def test_a_frame_means_what_the_writer_writes(id: int | str, outputs: dict[str, Array]) -> None:  # noqa: A002
    """For every kind of id and outputs, the template's message reads back as the writer's."""
    described = [(name, datatype_of(array), array.shape) for name, array in outputs.items()]
    payloads = [pack_strings(array) if array.dtype == object else array.tobytes() for array in outputs.values()]
    frame = ResultTemplate("m", "1", described).frame(id, 2**33, run_part(312, 8), payloads)
    result = Result(
        id=id, model_name="m", model_version="1", final=True, timing=Timing(queue_us=2**33, compute_us=312, batch_size=8)
    )
    read, written = SDK.binary(frame), SDK.binary(encode(result, Form.MSGPACK, outputs))
    assert read.message == written.message
    assert list(read.tensors) == list(written.tensors)
    assert all(np.array_equal(read.tensors[name], written.tensors[name]) for name in outputs)


def test_one_template_serves_all_rows_of_a_batch() -> None:
    """Each row gets its own id, waiting time and bytes, and a row may be a view on the batch's output."""
    batch = np.arange(12, dtype="<f4").reshape(4, 3)
    template = ResultTemplate("m", "1", [("y", "FP32", (1, 3))])
    for row in range(4):
        received = SDK.binary(template.frame(row, row, run_part(5, 4), [batch[row : row + 1].data]))
        assert (received.message.id, received.message.timing.queue_us) == (row, row)
        assert received.tensors["y"].tolist() == batch[row : row + 1].tolist()


@pytest.mark.parametrize("payloads", [[], [b"1234"], [bytes(16)], [bytes(12), b""], [bytes(12)] * 2])
def test_payloads_of_another_size_are_a_defect(payloads: list[bytes]) -> None:
    """Bytes that do not fit the outputs raise instead of leaving as a broken message."""
    template = ResultTemplate("m", "1", [("y", "FP32", (1, 3))])
    with pytest.raises(ValueError, match=r"the outputs take 16 bytes|zip"):
        template.frame(1, 1, run_part(5, 4), payloads)
