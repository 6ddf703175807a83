"""Good requests for the models of ``model_folders``, as frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from model_folders import FEATURES, TURNS_PER_MS
from raw_client import message_frame

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Infer


def slow(number: int, ms: float = 20, form: Form = Form.MSGPACK, **fields: Any) -> bytes:
    """A request that takes about so many milliseconds."""
    tensors = {"x": np.ones((1, FEATURES), np.float32), "turns": np.array(round(ms * TURNS_PER_MS))}
    return message_frame(Infer(id=number, model_name="slow", **fields), tensors, form)


def quick(number: int, form: Form = Form.MSGPACK, **fields: Any) -> bytes:
    """A request that takes no time to speak of."""
    return message_frame(Infer(id=number, model_name="mlp", **fields), {"x": np.ones((1, 4), np.float32)}, form)


def wide(number: int, rows: int = 1, form: Form = Form.MSGPACK) -> bytes:
    """A small request with an answer of 1 MB for each row."""
    return message_frame(Infer(id=number, model_name="wide"), {"x": np.full((rows, 1), number, np.float32)}, form)
