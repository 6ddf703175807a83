"""The results of streams as binary messages: what those share whose outputs are alike is packed once, the rest is filled in.

Only for results with a msgpack header; a reader takes them for what ``writer.encode`` writes, which also writes the first of
a kind, all that hold BYTES, and whatever it refuses. This module does not know streams.

Bound: so many kinds; at the bound all are forgotten.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgpack

from tidegate.results import SharedOutputs

from .errors import Form
from .frames import ALIGNMENT, LENGTH_BYTES, PADDING
from .limits import HEADER_MAX_BYTES
from .tensors import contiguous, describe
from .writer import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .datatypes import Array
    from .messages import Result

_Kind = tuple[Any, ...]

_KINDS = 512
_WRITTEN = 16  # forms in which outputs that are shared are remembered; at the bound all are forgotten
_packer = msgpack.Packer(use_bin_type=True, autoreset=True)
_pack = _packer.pack


def _packed(*items: object) -> bytes:
    return b"".join(map(_pack, items))


# All have op, stream, step, seq, final, timing and outputs; some have text and reason.
_HEADS = [_packer.pack_map_header(count) + _packed("op", "result", "stream") for count in (7, 8, 9)]
_FALSE, _TRUE = _packed(False), _packed(True)
# What stands before each number. Those have a fixed width, so that nothing depends on how large they are.
_UINT64 = b"\xcf"
_STEP = _packed("step") + _UINT64
_SEQ = _packed("seq") + _UINT64
_FINAL = _packed("final")
_QUEUE = _packed("timing") + _packer.pack_map_header(3) + _packed("queue_us") + _UINT64
_COMPUTE = _packed("compute_us") + _UINT64
_ROWS = _packed("batch_size") + _UINT64
_TEXT, _REASON = _packed("text"), _packed("reason")
_place = struct.Struct(f">{len(_STEP)}sQ{len(_SEQ)}sQ{len(_FINAL)}s1s")
_cost = struct.Struct(f">{len(_QUEUE)}sQ{len(_COMPUTE)}sQ{len(_ROWS)}sQ")
_pack_place, _pack_cost, _NUMBERS_BYTES = _place.pack, _cost.pack, _place.size + _cost.size


class StepResults:
    """Writes results of streams, and remembers what those have in common that it has written."""

    __slots__ = ("_cost", "_kinds", "_layouts", "_timing")

    def __init__(self) -> None:
        # Of each kind: the headers of its outputs, and what follows each output.
        self._kinds: dict[_Kind, tuple[bytes, list[bytes]]] = {}
        # Of each kind and length of a stream's name, for results without text: all that does not differ (see ``_laid_out``).
        self._layouts: dict[tuple[int, _Kind], tuple[bytes, bytes, Sequence[bytes]]] = {}
        # Results of one run mostly cost the same, and share the object that says so.
        self._timing: Any = None
        self._cost = b""

    def encode(self, result: Result, outputs: Mapping[str, Array]) -> bytes:
        """Write one result of a stream, with a msgpack header.

        Raises:
            InvalidInput, TooLarge: as ``writer.encode`` does.
        """
        data = self.known(result.stream, result, outputs)
        if data is None:
            data = encode(result, Form.MSGPACK, outputs)
            self._learn(_kind(outputs), outputs)
        return data

    def known(self, stream: int | str | None, told: Any, outputs: Mapping[str, Array]) -> bytes | None:
        """Write one result of a stream, if one of its kind was written before; otherwise return None.

        Args:
            stream: the stream's name.
            told: whatever has ``step``, ``seq``, ``final``, ``timing``, ``text`` and ``reason`` as a ``Result`` has them.
            outputs: the arrays.
        """
        name: bytes = _pack(stream)
        around = self._around(len(name), told, outputs)
        if around is None:
            return None
        before, behind = around
        place = _pack_place(_STEP, told.step, _SEQ, told.seq, _FINAL, _TRUE if told.final else _FALSE)
        return b"".join((before, name, place, self._cost_of(told.timing), *behind))

    def _around(self, name_bytes: int, told: Any, outputs: Mapping[str, Array]) -> tuple[bytes, Sequence[Any]] | None:
        """Return what stands before a stream's name, and behind what a result cost; None for a kind that is not known."""
        if type(outputs) is not SharedOutputs or told.reason is not None:
            return self._made_around(name_bytes, told, outputs)
        key = told.text, name_bytes
        around = outputs.written.get(key)
        if around is None and (made := self._made_around(name_bytes, told, outputs)) is not None:
            if len(outputs.written) >= _WRITTEN:
                outputs.written.clear()
            around = outputs.written[key] = made[0], (b"".join(made[1]),)
        return around

    def _made_around(self, name_bytes: int, told: Any, outputs: Mapping[str, Array]) -> tuple[bytes, Sequence[Any]] | None:
        kind = _kind(outputs)
        silent = told.text is None and told.reason is None
        layout = self._layouts.get((name_bytes, kind)) if silent else None
        if layout is None:
            layout = self._laid_out(name_bytes, told, kind)
            if layout is None:
                return None
            if silent:
                if len(self._layouts) >= _KINDS:
                    self._layouts.clear()
                self._layouts[name_bytes, kind] = layout
        before, headers, paddings = layout
        behind: list[Any] = [headers]
        for at, array in enumerate(outputs.values()):
            behind += (array if array.flags.c_contiguous else contiguous(array), paddings[at])
        return before, behind

    def _laid_out(self, name_bytes: int, told: Any, kind: _Kind) -> tuple[bytes, bytes, Sequence[bytes]] | None:
        """Return what stands before a stream's name, behind what a result cost, and behind each output; None if not known."""
        known = self._kinds.get(kind)
        if known is None:
            return None
        headers, paddings = known
        head, said = _said(told)
        size = len(head) + name_bytes + _NUMBERS_BYTES + len(headers) + len(said)
        if size > HEADER_MAX_BYTES:
            return None
        end = PADDING[-(LENGTH_BYTES + size) % ALIGNMENT]
        return size.to_bytes(LENGTH_BYTES, "little") + head, headers + said + end, paddings

    def _cost_of(self, timing: Any) -> bytes:
        if timing is not self._timing:
            self._timing = timing
            self._cost = _pack_cost(_QUEUE, timing.queue_us, _COMPUTE, timing.compute_us, _ROWS, timing.batch_size)
        return self._cost

    def _learn(self, key: _Kind, outputs: Mapping[str, Array]) -> None:
        if any(array.dtype.hasobject for array in outputs.values()):
            return
        headers, _ = describe(outputs)
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
            self._layouts.clear()
        self._kinds[key] = _packed("outputs", headers), [PADDING[-header["nbytes"] % ALIGNMENT] for header in headers]


def _kind(outputs: Mapping[str, Array]) -> _Kind:
    return tuple([(name, array.dtype, array.shape) for name, array in outputs.items()])


def _said(result: Any) -> tuple[bytes, bytes]:
    """Give the head of a result that says something, and what it says."""
    said = b""
    count = 0
    if result.text is not None:
        said, count = _TEXT + _pack(result.text), 1
    if result.reason is not None:
        said, count = said + _REASON + _pack(result.reason), count + 1
    return _HEADS[count], said
