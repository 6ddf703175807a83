"""How each bundled model is asked: lanes of questions, each of which is asked when the one before it is answered.

A lane is an asynchronous iterator of results. One lane alone is one request at a time; many at once fill the gateway's
batches. Lanes know the models' inputs and nothing of who drives them or what the answers are for.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import numpy as np

from .recordings import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from tidegate.client.connection import Connection
    from tidegate.results import Array, Result, StreamResult

    Lane = AsyncGenerator[Result]

DIGITS, VOICE, PITCH, CHARS = "digits", "silero_vad", "pitch", "chars"

CHUNK = 512
"""Samples that Silero VAD hears in one step: 32 ms."""
PITCH_HOP = 256
"""Samples for each of which there is one value of pitch: 16 ms."""
_LOWEST_HZ, _HIGHEST_HZ = 50.0, 400.0  # voices
_VOICED = 0.5


async def recognise(gw: Connection, images: Iterable[Array]) -> Lane:
    """Ask which digit each image shows."""
    for image in images:
        yield await gw.infer(DIGITS, image=image[None])


async def listen(gw: Connection, chunks: Iterable[Array]) -> Lane:
    """Ask of each chunk of sound whether somebody speaks, in a stream: the gateway keeps what the model remembers."""
    async with gw.stream(VOICE, sr=RATE_HZ) as stream:
        for chunk in chunks:
            yield await stream.step(input=chunk)


async def follow_pitch(gw: Connection, pieces: Iterable[Array]) -> Lane:
    """Ask how high the voice is in each piece of sound, of any length."""
    for piece in pieces:
        yield await gw.infer(PITCH, audio=piece[None], fmin=_LOWEST_HZ, fmax=_HIGHEST_HZ)


async def write(
    gw: Connection, prompt: Sequence[int], seeds: Iterable[int], *, most: int, temperature: float
) -> AsyncGenerator[StreamResult]:
    """Let a text be written from the prompt with each seed in turn, at most so many characters; each is an answer."""
    for seed in seeds:
        async with aclosing(gw.generate(CHARS, prompt, max_steps=most, temperature=temperature, seed=seed)) as results:
            async for result in results:
                yield result


def chunks(samples: Array) -> list[Array]:
    """Cut sound into what ``listen`` takes; less than a chunk at the end is left out."""
    return list(samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK))


def digit(result: Result) -> tuple[int, float]:
    """Return what an answer of ``recognise`` says: the digit, and its probability."""
    probs = result["probs"][0]
    return int(probs.argmax()), float(probs.max())


def speech(result: Result) -> float:
    """Return the probability, in an answer of ``listen``, that somebody speaks."""
    return float(result["output"][0, 0])


def pitches(result: Result) -> Array:
    """Return the pitch in Hz of each 16 ms of an answer of ``follow_pitch``; NaN where there is no voice."""
    return np.where(result["confidence"][0] >= _VOICED, result["pitch"][0], np.nan)
