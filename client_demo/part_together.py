"""Fifth part: all models at once over the one socket, with a table that is repainted while answers come out of order."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from itertools import count, cycle
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from tidegate.results import StreamResult

from .asking import CHARS, CHUNK, DIGITS, PITCH, VOICE, chunks, digit, follow_pitch, listen, pitches, recognise, speech, write
from .board import Board
from .scene import Missing
from .stage import new_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from tidegate.results import Result

    from .asking import Lane
    from .scene import Scene

_SECONDS = 3.0
_AT_ONCE = {DIGITS: 24, VOICE: 16, PITCH: 2, CHARS: 4}
_PIECE = 16 * CHUNK  # half a second of sound, for pitch
_MOST = 200  # characters of a text
_SAID_WIDTH = 18


async def show(scene: Scene) -> None:
    """Keep every model busy for a few seconds, each with several lanes of questions."""
    models = scene.ready
    if not models:
        raise Missing("none of the demo's models is served")
    board, start = Board.of(models), perf_counter()
    async with scene.stage.live(lambda: _table(board, perf_counter() - start)), asyncio.TaskGroup() as group:
        for model in models:
            for number in range(_AT_ONCE[model]):
                group.create_task(_follow(board, model, _lane(scene, model, number), start + _SECONDS))
    scene.stage.say(f"{board.overtook:,} of {board.answered:,} answers overtook that of an older question.", style="green")
    order = ", ".join(f"{run} ({run.model})" for run in board.runs)
    scene.stage.say(f"Asked as 1, 2, 3, …; answered as {order}, …")


async def _follow(board: Board, model: str, lane: Lane, until: float) -> None:
    tell = _TELLERS[model]()
    async with aclosing(lane):
        number = board.ask(model)
        async for result in lane:
            board.answer(model, number, result.timing, tell(result))
            if perf_counter() >= until:
                return
            number = board.ask(model)


def _lane(scene: Scene, model: str, number: int) -> Lane:
    """Make an endless lane; each begins somewhere else."""
    if model == DIGITS:
        return recognise(scene.gw, cycle(np.roll(scene.digits().images, -number, axis=0)))
    if model == CHARS:
        return write(scene.gw, scene.tokens("\n"), count(number << 32), most=_MOST, temperature=0.7)
    sound = np.roll(np.concatenate([recording.samples for recording in scene.recordings]), -number * _PIECE)
    if model == VOICE:
        return listen(scene.gw, cycle(chunks(sound)))
    return follow_pitch(scene.gw, cycle([sound[i : i + _PIECE] for i in range(0, len(sound) - _PIECE, _PIECE)]))


def _tell_digit(result: Result) -> str:
    return "{} ({:.1%})".format(*digit(result))


def _tell_speech(result: Result) -> str:
    probability = speech(result)
    return f"{'speech' if probability >= 0.5 else 'no speech'} ({probability:.2f})"


def _tell_pitch(result: Result) -> str:
    heights = pitches(result)
    voiced = heights[~np.isnan(heights)]
    return f"{np.median(voiced):.0f} Hz" if voiced.size else "no voice"


def _tell_text() -> Callable[[Result], str]:
    last: deque[str] = deque(maxlen=_SAID_WIDTH)

    def tell(result: Result) -> str:
        assert isinstance(result, StreamResult)
        last.append(result.text or " ")
        return "".join(last)

    return tell


_TELLERS: dict[str, Callable[[], Callable[[Result], str]]] = {
    DIGITS: lambda: _tell_digit,
    VOICE: lambda: _tell_speech,
    PITCH: lambda: _tell_pitch,
    CHARS: _tell_text,
}


def _table(board: Board, seconds: float) -> Table:
    table = new_table("model", "answers", "a second", "in flight", "rows a batch", widths=(8, 8, 9, 12))
    table.add_column("the last answer", min_width=_SAID_WIDTH, no_wrap=True)
    for model, row in board.rows.items():
        rate, rows = row.answered / seconds, row.rows_per_batch
        cells = (f"{row.answered:,}", f"{rate:,.0f}", f"{row.peak}", f"{rows:.1f}")
        table.add_row(model, *cells, row.said)
    return table
