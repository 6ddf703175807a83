"""What streams of the bundled models say when alone: loops over onnxruntime, as the models' makers write them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from solo import Array, session

LENGTHS = {16000: 512, 8000: 256}
CARRIED = {16000: 64, 8000: 32}
CONTEXT = 256


def sound(rate: int, chunks: int, seed: int) -> Array:
    """Make chunks [chunks, 1, samples] of noise that swells and fades."""
    random = np.random.default_rng(seed)
    loudness = random.uniform(0.01, 0.5, (chunks, 1, 1))
    return (random.normal(0, 1, (chunks, 1, LENGTHS[rate])) * loudness).astype(np.float32)


def silero(rate: int, chunks: Array) -> list[tuple[bytes, bytes]]:
    """Give the bits of ``output`` and ``stateN`` for each chunk."""
    state, before = np.zeros((2, 1, 128), np.float32), np.zeros((1, CARRIED[rate]), np.float32)
    told = []
    for chunk in chunks:
        whole = np.concatenate([before, chunk], axis=1)
        output, state = session("silero_vad").run(["output", "stateN"], {"input": whole, "state": state, "sr": np.array(rate)})
        before = whole[:, -CARRIED[rate] :]
        told.append((output.tobytes(), state.tobytes()))
    return told


@cache
def _empty_caches() -> dict[str, Any]:
    inputs = session("chars").get_inputs()
    return {each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32) for each in inputs if "past" in each.name}


def chars(prompt: list[int], tokens: int) -> list[int]:
    """Make the most likely text, one token after the other, without a cache: everything is computed anew each time."""
    text = list(prompt)
    while len(text) < len(prompt) + tokens and (len(text) == len(prompt) or text[-1]):
        size = len(text)
        inputs = {"input_ids": np.array([text]), "attention_mask": np.ones((1, size), np.int64)}
        inputs |= {"position_ids": np.arange(size)[None]} | _empty_caches()
        text.append(int(session("chars").run(["logits"], inputs)[0][0, -1].argmax()))
    return text[len(prompt) :]
