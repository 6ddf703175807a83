"""Lanes ask the models as they must be asked; above all, sound goes through a stream, and its memory stays at the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import tidegate
from tidegate.client.testing import FakeGateway
from tidegate.client_demo.asking import CHARS, VOICE, chunks, listen, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.results import Array

    Tensors = dict[str, Array]


async def test_a_voice_is_one_stream_and_its_steps_are_the_sound_alone() -> None:
    """The sampling rate is said once, each step brings 512 new samples, and what is left at the end is left out."""
    heard: list[tuple[int, Tensors]] = []

    def vad(constants: Tensors) -> Any:
        return lambda tensors, _parameters: heard.append((int(constants["sr"]), tensors)) or {"output": np.zeros((1, 1))}

    sound = np.arange(3 * 512 + 100, dtype=np.float32)
    async with FakeGateway(streams={VOICE: vad}) as gateway, tidegate.connect(gateway.url) as gw:
        results = [result async for result in listen(gw, chunks(sound))]
    assert len(results) == 3
    for step, (rate_hz, tensors) in enumerate(heard):
        assert rate_hz == 16_000
        assert list(tensors) == ["input"]
        assert np.array_equal(tensors["input"], sound[step * 512 : (step + 1) * 512])


async def test_a_text_is_a_generation_for_each_seed() -> None:
    """Each begins anew from the prompt, with the parameters that were given."""
    begun: list[tuple[list[int], dict[str, Any]]] = []

    def chars(_constants: Tensors) -> Any:
        def write(tensors: Tensors, parameters: dict[str, Any]) -> Iterator[Tensors]:
            begun.append((tensors["prompt"].ravel().tolist(), parameters))
            yield from ({"token": np.array([number])} for number in range(2))

        return write

    async with FakeGateway(streams={CHARS: chars}) as gateway, tidegate.connect(gateway.url) as gw:
        tokens = [result["token"].item() async for result in write(gw, [5, 7], (1, 2), most=9, temperature=0.5)]
    assert tokens == [0, 1, 0, 1]
    assert begun == [([5, 7], {"max_steps": 9, "temperature": 0.5, "seed": seed}) for seed in (1, 2)]
