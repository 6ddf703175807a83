"""The Python in the documents runs, against a real gateway, and prints what it is said to print."""

from __future__ import annotations

import ast
import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from doc_pages import SHOWN_URL, Block, blocks

import tidegate

if TYPE_CHECKING:
    from pathlib import Path
    from types import CodeType

PROGRAMS = blocks("python")
TIME_LIMIT_S = 20


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_it_runs(block: Block, gateway_url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program runs as it is; a snippet runs inside a connection, as its page says; the output shown is the output."""
    source = "\n" * (block.line - 1) + block.text.replace(SHOWN_URL, gateway_url)
    code = compile(source, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(asyncio.wait_for(_inside(code, gateway_url), TIME_LIMIT_S))
    else:
        exec(code, {"__name__": "__main__"})
    if block.output is not None:
        assert capsys.readouterr().out == block.output


async def _inside(code: CodeType, url: str) -> None:
    async with tidegate.connect(url) as gw:
        image = np.zeros((1, 8, 8), np.float32)
        names: dict[str, Any] = {"asyncio": asyncio, "np": np, "tidegate": tidegate, "gw": gw, "image": image}
        await eval(code, names)


def test_there_are_programs_on_every_page_that_is_about_python() -> None:
    """The blocks are found at all: the README and the pages on client, engine and models have some."""
    assert {"README.md", "client.md", "engine.md", "models.md"} <= {block.page.name for block in PROGRAMS}
