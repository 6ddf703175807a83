"""What the bundled models say by themselves: rows of plausible input, and the output of each row run alone by onnxruntime."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnxruntime

from tidegate.models.repository import bundled

DIGITS_ROWS, SILERO_ROWS = 300, 96
Array = np.ndarray[Any, Any]


@cache
def session(name: str) -> Any:
    """Open a bundled model with onnxruntime's own means."""
    (path,) = [source.path for source in bundled().sources if source.name == name]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@cache
def digits() -> tuple[Array, Array]:
    """Images, and the probabilities of each."""
    images = np.random.default_rng(1).integers(0, 17, (DIGITS_ROWS, 8, 8)).astype(np.float32)
    return images, np.concatenate([session("digits").run(None, {"image": image[None]})[0] for image in images])


@cache
def silero() -> tuple[Array, Array, Array, Array]:
    """Chunks of sound and states; the speech probability and the new state of each."""
    random = np.random.default_rng(2)
    sound = random.normal(0, 0.1, (SILERO_ROWS, 576)).astype(np.float32)
    state = random.normal(0, 0.5, (2, SILERO_ROWS, 128)).astype(np.float32)
    rate = np.array(16000)
    runs = [
        session("silero_vad").run(None, {"input": sound[row : row + 1], "state": state[:, row : row + 1], "sr": rate})
        for row in range(SILERO_ROWS)
    ]
    return sound, state, np.concatenate([run[0] for run in runs]), np.concatenate([run[1] for run in runs], axis=1)
