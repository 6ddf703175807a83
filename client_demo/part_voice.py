"""Third part: a voice in a real recording; when it speaks, and how high it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from .asking import CHUNK, PITCH, PITCH_HOP, VOICE, chunks, follow_pitch, listen, pitches, speech
from .pictures import ruler, spans, strip, thinned
from .recordings import RATE_HZ

if TYPE_CHECKING:
    from tidegate.client.connection import Connection
    from tidegate.results import Array

    from .recordings import Recording
    from .scene import Scene

_STEP_S = CHUNK / RATE_HZ
_BAR_S = 2 * _STEP_S
_LOW_HZ, _HIGH_HZ = 60.0, 140.0  # what the bars can show


async def show(scene: Scene) -> None:
    """Listen to all recordings at once, each with the state of its own that the client keeps, and print what was heard."""
    scene.need(VOICE, PITCH)
    heard = await asyncio.gather(*(_hear(scene.gw, recording) for recording in scene.recordings))
    for recording, (probabilities, heights) in zip(scene.recordings, heard, strict=True):
        _print(scene, recording, probabilities, heights)
    steps = sum(len(probabilities) for probabilities, _ in heard)
    scene.stage.say(
        f"{VOICE} was asked {steps} times, its memory sent along by the client; {PITCH} once for each recording, "
        "since it cannot be batched."
    )


async def _hear(gw: Connection, recording: Recording) -> tuple[list[float], Array]:
    async def hear_speech() -> list[float]:
        return [speech(result) async for result in listen(gw, chunks(recording.samples))]

    async def hear_pitch() -> Array:
        return np.concatenate([pitches(result) async for result in follow_pitch(gw, [recording.samples])])

    return await asyncio.gather(hear_speech(), hear_pitch())


def _print(scene: Scene, recording: Recording, probabilities: list[float], heights: Array) -> None:
    stage, found = scene.stage, spans(probabilities, _STEP_S)
    stage.say(f"“{recording.words}”  ({recording.seconds:.1f} s, read by a volunteer of LibriVox)", style="italic")
    stage.draw(f"speech  {strip(thinned(probabilities, 2), 0, 1)}", style="green")
    stage.draw(f"pitch   {strip(thinned(heights, 2 * CHUNK // PITCH_HOP), _LOW_HZ, _HIGH_HZ)}", style="magenta")
    stage.draw(f"        {ruler(recording.seconds, _BAR_S)}", style="dim")
    times = " and ".join(f"from {start:.2f} s to {end:.2f} s" for start, end in found) or "nowhere"
    stage.say(f"Speech {times}; {_told(heights)}.")
    stage.say("")


def _told(heights: Array) -> str:
    if np.isnan(heights).all():
        return "no pitch"
    low, middle, high = np.nanpercentile(heights, (10, 50, 90))
    return f"the voice is at {middle:.0f} Hz, mostly between {low:.0f} and {high:.0f} Hz"
