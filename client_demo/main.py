"""``tidegate demo``: a walk through a running gateway. It knows the order of the parts, and exit codes."""

from __future__ import annotations

import asyncio
import logging
import sys
from time import perf_counter
from typing import TYPE_CHECKING

import tidegate
from tidegate.client.url import DEFAULT_URL
from tidegate.errors import TidegateError

from . import part_digits, part_gain, part_served, part_text, part_together, part_voice
from .scene import Missing, Scene, set_up
from .stage import Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tidegate.client.connect import Opening

_PARTS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "What the gateway serves": part_served.show,
    "Handwritten digits that the model has never seen": part_digits.show,
    "Voices in real recordings, streamed in real time": part_voice.show,
    "Texts, character by character": part_text.show,
    "All models at once over the one socket": part_together.show,
    "What concurrency and batching gain": part_gain.show,
}
_TIMEOUT_S = 20.0


def main(url: str | None = None) -> int:
    """Run the demo against a gateway and return the exit code: 0 when all of it could be shown, else 1."""
    logging.getLogger("tidegate").addHandler(logging.NullHandler())  # what went wrong is said once, below
    try:
        opening = tidegate.connect(url or DEFAULT_URL, timeout=_TIMEOUT_S, reconnect=False)
    except ValueError as error:
        return _fail(str(error))
    try:
        return asyncio.run(_run(opening))
    except TidegateError as error:
        return _fail(str(error))
    except ExceptionGroup as group:  # what asked many things at once fails as many times
        return _fail(str(_cause(group)))


async def _run(opening: Opening) -> int:
    stage, start = Stage(), perf_counter()
    async with opening as gw:
        scene = await set_up(stage, gw)
        skipped = [title for title, show in _PARTS.items() if not await _show(scene, title, show)]
    missed = f", {len(skipped)} of {len(_PARTS)} parts skipped" if skipped else ""
    stage.title(f"Done in {perf_counter() - start:.1f} s{missed}")
    return 1 if skipped else 0


async def _show(scene: Scene, title: str, show: Callable[[Scene], Awaitable[None]]) -> bool:
    scene.stage.title(title)
    try:
        await show(scene)
    except Missing as missing:
        scene.stage.say(f"Skipped: {missing}", style="yellow")
        return False
    return True


def _cause(group: ExceptionGroup[Exception]) -> TidegateError:
    """Return the first error of a group; one that is a defect of the demo itself is raised as it is."""
    known, unknown = group.split(TidegateError)
    if known is None or unknown is not None:
        raise group
    error: Exception = known
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, TidegateError)
    return error


def _fail(line: str) -> int:
    print(f"tidegate: {line}", file=sys.stderr)
    return 1
