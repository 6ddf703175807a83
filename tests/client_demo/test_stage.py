"""In a terminal the demo has colours and a table that moves; anywhere else it prints plain lines, once."""

from __future__ import annotations

import asyncio
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

from tidegate.client_demo.stage import Stage, new_table

if TYPE_CHECKING:
    from rich.table import Table

ESCAPE = "\x1b"


def counting() -> Table:
    table = new_table("model", "answers")
    table.add_row("digits", "7")
    return table


async def acted(stage: Stage) -> None:
    stage.title("A title")
    with stage.busy("measuring …"):
        stage.say("word " * 40)
    async with stage.live(counting):
        await asyncio.sleep(0)


async def test_a_file_gets_plain_lines() -> None:
    """No control codes, no blanks at the ends of lines, nothing printed over, nothing wider than 100 characters."""
    out = StringIO()
    await acted(Stage(Console(file=out, force_terminal=False)))
    lines = out.getvalue().splitlines()
    assert ESCAPE not in out.getvalue()
    assert [line for line in lines if line != line.rstrip() or len(line) > 100] == []
    assert sum("digits" in line for line in lines) == 1


async def test_a_terminal_gets_colours_and_a_cursor_that_comes_back() -> None:
    """What was hidden while the table moved is shown again at the end."""
    out = StringIO()
    await acted(Stage(Console(file=out, force_terminal=True, width=80, color_system="standard", _environ={"TERM": "xterm"})))
    text = out.getvalue()
    assert f"{ESCAPE}[1;36mA title" in text
    assert text.count(f"{ESCAPE}[?25l") == text.count(f"{ESCAPE}[?25h") > 0
