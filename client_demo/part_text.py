"""Fourth part: texts that a model writes character by character, several at once, and how fast it writes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from .asking import CHARS, write
from .gain import Work, show_gain
from .stage import new_table

if TYPE_CHECKING:
    from rich.table import Table

    from .scene import Scene

_PROMPT = "And it came to pass, "
_LINE = "\n"  # what a verse begins with, and ends with
_LIVELY = ((0.0, 0), (0.5, 1), (0.7, 2), (0.7, 3), (0.9, 4), (1.2, 5))  # temperature and seed of each text
_MOST = 120
_A_SECOND = 50.0  # characters of each text that can be read along
_OTHER_COLUMNS = 23  # characters of a line that are not the text
_TEXTS, _TEXT_MOST = 32, 64  # what is measured


@dataclass(slots=True)
class Writing:
    """One text.

    Attributes:
        temperature: how boldly it is written.
        seed: of its random numbers.
        text: what there is of it.
        reason: why it ended; None before that.
    """

    temperature: float
    seed: int
    text: str = ""
    reason: str | None = None


async def show(scene: Scene) -> None:
    """Let texts be written at once before the reader's eyes, then as fast as it goes."""
    prompt = scene.tokens(_LINE + _PROMPT)
    scene.stage.say(
        f"{CHARS} has read a Bible, and writes like one: what follows “{_PROMPT.strip()}”, {len(_LIVELY)} times at once. "
        "The higher the temperature, the less likely the characters that it may choose."
    )
    writings = [Writing(temperature, seed) for temperature, seed in _LIVELY]
    pause_s = 1 / _A_SECOND if scene.stage.is_terminal else 0.0  # nobody reads along in a file
    width = scene.stage.console.width - _OTHER_COLUMNS
    async with scene.stage.live(lambda: _table(writings, width)), asyncio.TaskGroup() as group:
        for writing in writings:
            group.create_task(_write(scene, prompt, writing, pause_s))
    scene.stage.say("The same seed writes the same text again. How fast, if nobody reads along:")
    await show_gain(scene, _work(scene))


async def _write(scene: Scene, prompt: list[int], writing: Writing, pause_s: float) -> None:
    lane = write(scene.gw, prompt, [writing.seed], most=_MOST, temperature=writing.temperature)
    async with aclosing(lane):
        async for result in lane:
            writing.text += result.text or ""
            writing.reason = result.reason
            await asyncio.sleep(pause_s)


def _table(writings: list[Writing], width: int) -> Table:
    table = new_table("temperature", "seed")
    table.add_column("text", min_width=width)
    for writing in writings:
        text = Text.assemble((_PROMPT, "dim"), (writing.text, "green"), _ENDS[writing.reason])
        table.add_row(f"{writing.temperature:.1f}", f"{writing.seed}", text)
    return table


_ENDS = {None: "▌", "stop": "", "length": " …", "cancelled": " …"}


def _work(scene: Scene) -> Work:
    prompt = scene.tokens(_LINE)
    return Work(
        CHARS,
        f"{_TEXTS} texts, by the character",
        lambda: [write(scene.gw, prompt, [seed], most=_TEXT_MOST, temperature=1.0) for seed in range(_TEXTS)],
        _TEXTS,
        "token",
    )
