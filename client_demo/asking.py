"""How each bundled model is asked: lanes of questions, each of which is asked when the one before it is answered.

A lane is an asynchronous iterator of results. One lane alone is one request at a time; many at once fill the gateway's
batches. Lanes know the models' inputs and nothing of who drives them or what the answers are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .recordings import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from tidegate.client.connection import Connection
    from tidegate.results import Array, Result

    Lane = AsyncGenerator[Result]

DIGITS, VOICE, PITCH = "digits", "silero_vad", "pitch"

CHUNK = 512
"""Samples that Silero VAD hears in one step: 32 ms."""
_CARRY = 64  # samples of the step before that it must hear again
PITCH_HOP = 256
"""Samples for each of which there is one value of pitch: 16 ms."""
_LOWEST_HZ, _HIGHEST_HZ = 50.0, 400.0  # voices
_VOICED = 0.5


async def recognise(gw: Connection, images: Iterable[Array]) -> Lane:
    """Ask which digit each image shows."""
    for image in images:
        yield await gw.infer(DIGITS, image=image[None])


async def listen(gw: Connection, chunks: Iterable[Array]) -> Lane:
    """Ask of each chunk of sound whether somebody speaks; what the model remembers is kept here and sent with the next."""
    state = np.zeros((2, 1, 128), np.float32)
    before = np.zeros(_CARRY, np.float32)
    for chunk in chunks:
        heard = np.concatenate((before, chunk))
        result = await gw.infer(VOICE, input=heard[None], state=state, sr=RATE_HZ)
        state, before = result["stateN"], chunk[-_CARRY:]
        yield result


async def follow_pitch(gw: Connection, pieces: Iterable[Array]) -> Lane:
    """Ask how high the voice is in each piece of sound, of any length."""
    for piece in pieces:
        yield await gw.infer(PITCH, audio=piece[None], fmin=_LOWEST_HZ, fmax=_HIGHEST_HZ)


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
