"""Second part: handwritten digits that the model never saw, a few of them to look at and all of them counted."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from .asking import DIGITS, digit
from .images import BRIGHTEST
from .pictures import picture

if TYPE_CHECKING:
    from tidegate.results import Array

    from .scene import Scene

_GAP = "   "
_CELL = 16


async def show(scene: Scene) -> None:
    """Recognise every image that was held back, each in a request of its own, all at once."""
    held_back = scene.digits()
    start = perf_counter()
    results = await asyncio.gather(*(scene.gw.infer(DIGITS, image=image[None]) for image in held_back.images))
    took_s = perf_counter() - start
    answers = [digit(result) for result in results]
    right = [answer == label for (answer, _), label in zip(answers, held_back.labels, strict=True)]
    shown = _to_look_at(np.array([share for _, share in answers]), count=(scene.stage.console.width - 2) // (_CELL + len(_GAP)))
    for line in zip(*(_exhibit(held_back.images[i], *answers[i], int(held_back.labels[i])) for i in shown), strict=True):
        scene.stage.draw(_GAP.join(line))
    scene.stage.say("What it says, and how sure it is. On the right is the one of which it was least sure.")
    scene.stage.say(
        f"{sum(right)} of {len(right)} images right: accuracy {np.mean(right):.1%}{_promised(scene)}. "
        f"{len(right)} requests in {took_s * 1000:.0f} ms, in batches of up to {max(r.timing.batch_size for r in results)}.",
        style="green",
    )


def _promised(scene: Scene) -> str:
    told = scene.served[DIGITS].get("metadata", {}).get("accuracy")
    return f" (its metadata says {float(told):.1%})" if told else ""


def _to_look_at(shares: Array, count: int) -> list[int]:
    """Choose the first few images, and the one about which the model was least sure."""
    least_sure = int(shares.argmin())
    first = [i for i in range(len(shares)) if i != least_sure]
    return [*first[: max(0, count - 1)], least_sure]


def _exhibit(image: Array, answer: int, share: float, label: int) -> list[str]:
    verdict = f"{answer} ({share:.1%})" if answer == label else f"{answer} ({share:.0%}), is {label}"
    return [*picture(image, BRIGHTEST), verdict.center(_CELL)]
