"""The results of a model as binary messages: what all of them share is packed once, what differs is filled in.

Only for results with a msgpack header; a reader takes them for what ``writer.encode`` writes. This module does not know
batches, nor how their arrays are cut into rows. The results of streams are written by ``step_results``.
"""

from __future__ import annotations

import struct
from math import prod
from typing import TYPE_CHECKING, Any

import msgpack

from .datatypes import DATATYPES
from .frames import ALIGNMENT, LENGTH_BYTES, PADDING, aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Output = tuple[str, str, tuple[int, ...]]
    Payloads = Sequence[bytes | memoryview]
    Layout = tuple[Callable[..., bytes], bytes]

_packer = msgpack.Packer(use_bin_type=True, autoreset=True)
_pack = _packer.pack
_uint32 = struct.Struct(">BI").pack

# msgpack's integers of fixed width: the length of a header then depends on nothing but the length of its id.
_UINT32 = 0xCE
_UINT64 = 0xCF
_MAX_UINT32 = 2**32 - 1


def _packed(*items: object) -> bytes:
    return b"".join(map(_pack, items))


_HEAD = _packer.pack_map_header(7) + _packed("op", "result", "id")
_QUEUE = _packed("timing") + _packer.pack_map_header(3) + _packed("queue_us") + bytes([_UINT64])
_COMPUTE = _packed("compute_us")
_ROWS = _packed("batch_size")


def run_part(compute_us: int, batch_size: int) -> bytes:
    """Write what all results of one run share: the microseconds that it took, and its rows."""
    return _COMPUTE + _uint32(_UINT32, min(compute_us, _MAX_UINT32)) + _ROWS + _uint32(_UINT32, batch_size)


_RUN_BYTES = len(run_part(0, 0))


class ResultTemplate:
    """What the results of one model have in common that hold outputs of the same shapes.

    Args:
        model_name: the model that answered.
        model_version: its version.
        outputs: name, datatype and shape of each output of one request, in order.
    """

    __slots__ = ("_chunks", "_layouts", "_paddings", "_payload_bytes", "_short", "_tail", "_tail_bytes", "_varies")

    def __init__(self, model_name: str, model_version: str, outputs: Sequence[Output]) -> None:
        model = _packed("model_name", model_name, "model_version", model_version, "final", True)
        # Behind each chunk but the last stands the size of an output.
        self._chunks = [model + _packed("outputs") + _packer.pack_array_header(len(outputs))]
        for name, datatype, shape in outputs:
            self._chunks[-1] += _packer.pack_map_header(4) + _packed(
                "name", name, "shape", shape, "datatype", datatype, "nbytes"
            )
            self._chunks.append(b"")
        sizes = [prod(shape) * DATATYPES[datatype].itemsize for _, datatype, shape in outputs]
        self._tail = self._filled(sizes)
        self._tail_bytes = len(self._tail)
        self._payload_bytes = sum(map(aligned, sizes))
        self._paddings = _paddings(sizes) if any(size % ALIGNMENT for size in sizes) else None
        self._varies = any(datatype == "BYTES" for _, datatype, _ in outputs)
        self._short = self._layout("I", struct.calcsize(">I"), bytes([_UINT32]))
        self._layouts: dict[int, Layout] = {}

    def frame(self, id: int | str, queue_us: int, run: bytes, payloads: Payloads) -> bytes:  # noqa: A002 - the name on the wire
        """Make the binary message of one result.

        Args:
            id: the request's.
            queue_us: microseconds that it waited.
            run: what ``run_part`` wrote for its run.
            payloads: the bytes of each output: row-major and little-endian, or as ``tensors.pack_strings`` makes them.

        Raises:
            ValueError: if the payloads are not as many bytes as the outputs take.
        """
        key: Any = id
        if isinstance(id, int) and id <= _MAX_UINT32:
            pack, head = self._short
        else:
            key = _pack(id)
            pack, head = self._layouts.get(len(key)) or self._layout_for(len(key))
        if self._varies:
            sizes = [memoryview(payload).nbytes for payload in payloads]
            return _joined(pack(head, key, _QUEUE, queue_us, run, self._filled(sizes)), payloads, _paddings(sizes))
        header = pack(head, key, _QUEUE, queue_us, run, self._tail)
        frame = _joined(header, payloads, self._paddings) if self._paddings else b"".join((header, *payloads))
        if len(frame) - len(header) != self._payload_bytes:
            raise ValueError(f"the outputs take {self._payload_bytes} bytes, not {len(frame) - len(header)}")
        return frame

    def _filled(self, sizes: Iterable[int]) -> bytes:
        sizes_and_end = [*(_uint32(_UINT32, size) for size in sizes), b""]
        return b"".join(part for pair in zip(self._chunks, sizes_and_end, strict=True) for part in pair)

    def _layout_for(self, key_bytes: int) -> Layout:
        layout = self._layouts[key_bytes] = self._layout(f"{key_bytes}s", key_bytes, b"")
        return layout

    def _layout(self, key_format: str, key_bytes: int, marker: bytes) -> Layout:
        """Lay out headers with an id of so many bytes: what packs ``head, id, _QUEUE, queue_us, run, tail``, and that head."""
        size = len(_HEAD) + len(marker) + key_bytes + len(_QUEUE) + struct.calcsize(">Q") + _RUN_BYTES + self._tail_bytes
        head = size.to_bytes(LENGTH_BYTES, "little") + _HEAD + marker
        zeros = len(PADDING[-(LENGTH_BYTES + size) % ALIGNMENT])
        return struct.Struct(f">{len(head)}s{key_format}{len(_QUEUE)}sQ{_RUN_BYTES}s{self._tail_bytes}s{zeros}x").pack, head


def _paddings(sizes: Iterable[int]) -> tuple[bytes, ...]:
    return tuple(PADDING[-size % ALIGNMENT] for size in sizes)


def _joined(header: bytes, payloads: Payloads, paddings: Sequence[bytes]) -> bytes:
    return b"".join((header, *(part for pair in zip(payloads, paddings, strict=True) for part in pair)))
