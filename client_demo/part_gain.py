"""Sixth part: what concurrency and batching gain, for two models that answer one question at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .asking import DIGITS, VOICE, chunks, listen, recognise
from .gain import Work, show_gain
from .scene import Missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scene import Scene

_DIGITS_AT_ONCE = 64
_VOICES = 32
_STEPS = 40


async def show(scene: Scene) -> None:
    """Measure and print a table for each model that gains by batches."""
    works = [make(scene) for model, make in _WORKS.items() if model in scene.ready]
    if not works:
        raise Missing(f"neither {DIGITS!r} nor {VOICE!r} is served")
    for work in works:
        await show_gain(scene, work)


def _digits(scene: Scene) -> Work:
    images = np.tile(scene.digits().images, (2, 1, 1))
    what = f"{len(images)} images"
    return Work(DIGITS, what, lambda: [recognise(scene.gw, [image]) for image in images], _DIGITS_AT_ONCE, "probs")


def _voices(scene: Scene) -> Work:
    sound = np.concatenate([recording.samples for recording in scene.recordings])
    steps = [chunks(np.roll(sound, -number * len(sound) // _VOICES))[:_STEPS] for number in range(_VOICES)]
    what = f"{_VOICES} streams of {_STEPS} steps"
    return Work(VOICE, what, lambda: [listen(scene.gw, own) for own in steps], _VOICES, "output")


_WORKS: dict[str, Callable[[Scene], Work]] = {DIGITS: _digits, VOICE: _voices}
