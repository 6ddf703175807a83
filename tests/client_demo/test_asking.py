"""Lanes ask the models as they must be asked; above all, Silero VAD is sent its own memory and a bit of what it heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import tidegate
from tidegate.client.testing import FakeGateway
from tidegate.client_demo.asking import VOICE, chunks, listen

if TYPE_CHECKING:
    from tidegate.results import Array


async def test_each_step_carries_the_state_and_the_end_of_the_step_before() -> None:
    """Step n + 1 begins with the last 64 samples of step n and has the state that step n returned."""
    heard: list[dict[str, Array]] = []

    async def vad(tensors: dict[str, Array]) -> dict[str, Array]:
        heard.append(tensors)
        return {"output": np.zeros((1, 1), np.float32), "stateN": tensors["state"] + 1}

    sound = np.arange(3 * 512 + 100, dtype=np.float32)
    async with FakeGateway({VOICE: vad}) as gateway, tidegate.connect(gateway.url) as gw:
        results = [result async for result in listen(gw, chunks(sound))]
    assert len(results) == 3
    padded = np.concatenate((np.zeros(64, np.float32), sound))
    for step, tensors in enumerate(heard):
        assert np.array_equal(tensors["input"], padded[None, step * 512 : step * 512 + 576])
        assert np.array_equal(tensors["state"], np.full((2, 1, 128), step, np.float32))
        assert tensors["sr"] == 16_000
