"""The model whose streams are dropped: it adds up what its stream is given, and ends streams that are idle; and the tally.

A state that is another stream's, or an old one, gives another sum, so that every answer tells. It knows no sockets.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .models import IR_VERSION, OPSET
from .streams_wire import Told, open_frame, shown, step_frame, told_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODEL = "adding"
WIDTH = 128
CONFIG = """
[[state]]
input = "h"
output = "hN"

[stream]
idle_timeout_s = {idle_s}
max_streams = {most}
"""


def adding(folder: Path, idle_s: float, most: int) -> Path:
    """Write a model into ``folder``: hN = h + x and y = the sum of hN, rows [B, 128]; it ends streams that are idle."""
    import onnx
    from onnx import TensorProto, helper

    def rows(name: str, width: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])

    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [helper.make_node("Add", ["h", "x"], ["hN"]), helper.make_node("ReduceSum", ["hN", "axis"], ["y"], keepdims=1)]
    inputs, outputs = [rows("x", WIDTH), rows("h", WIDTH)], [rows("y", 1), rows("hN", WIDTH)]
    graph = helper.make_graph(nodes, MODEL, inputs, outputs, [axis])
    home = folder / MODEL
    home.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.save(model, home / "model.onnx")
    (home / "model.toml").write_text(CONFIG.format(idle_s=idle_s, most=most))
    return folder


def steps_of(stream: int) -> int:
    """Return how many steps a stream goes: one or two."""
    return 1 + stream % 2


def frames(streams: Sequence[int]) -> bytes:
    """Return everything that is ever said to these streams."""
    out = []
    for stream in streams:
        out.append(open_frame(stream, MODEL))
        row = np.full((1, WIDTH), stream % 1000, np.float32)
        out += [step_frame(stream, step, "x", row) for step in range(1, steps_of(stream) + 1)]
    return b"".join(out)


@dataclass(slots=True)
class Tally:
    """What was asked and what was told, over all waves.

    Attributes:
        opened, steps: on connections that were not cut in flight; ``unknown``: streams on those that were.
        ended: streams of which it was told that they ended, by reason.
        wrong: what should not have been told.
    """

    opened: int = 0
    steps: int = 0
    unknown: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def refuse(self, why: str) -> None:
        """Count what should not have been."""
        self.wrong[why[:200]] += 1


def check(streams: Sequence[int], kept: Sequence[bytes], tally: Tally, *, idle: bool) -> None:
    """Check what was told on one connection: of each stream that it was opened, its results, and at last that it was ended.

    Without ``idle`` the last may be missing.
    """
    told: dict[int, list[tuple[Told, bytes]]] = {stream: [] for stream in streams}
    for message in kept:
        try:
            header, start = told_of(message)
            told[header.stream].append((header, message[start:]))
        except (ValueError, KeyError) as error:
            tally.refuse(f"{type(error).__name__} {error}")
    for stream, messages in told.items():
        wanted = ["opened", *["result"] * steps_of(stream), "closed"]
        if [header.op for header, _ in messages] not in (wanted, wanted[: len(wanted) - (not idle)]):
            tally.refuse("; ".join(shown(header) for header, _ in messages) or f"nothing was told of stream {stream}")
            continue
        tally.opened += 1
        tally.steps += steps_of(stream)
        tally.ended.update(header.reason for header, _ in messages if header.op == "closed")
        for step, (header, data) in enumerate(messages[1 : 1 + steps_of(stream)], 1):
            right = struct.pack("<f", WIDTH * (stream % 1000) * step)
            if not header.step == header.seq == step or not header.final or data[:4] != right:
                tally.refuse(f"{shown(header)} seq {header.seq}: {struct.unpack('<f', data[:4])[0]}")
