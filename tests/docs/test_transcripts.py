"""The conversations that the documents show line by line are held with a real gateway, which says what it is said to say."""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import Any, NamedTuple

import pytest
from doc_pages import Block, blocks
from websockets.asyncio.client import ClientConnection, connect

SENT, RECEIVED, LOST = "→", "←", "✂"
TRANSCRIPTS = [block for block in blocks("text") if block.text[0] in SENT + RECEIVED]
PAGES = list(dict.fromkeys(block.page for block in TRANSCRIPTS))
TIME_LIMIT_S = 20
ANYTHING = "…"


class Line(NamedTuple):
    way: str
    message: dict[str, Any]


def lines(block: Block) -> list[Line]:
    """Read a transcript: a line begins with its way, and goes on below with blanks; … stands for what is left out."""
    told = re.findall(rf"^([{SENT}{RECEIVED}{LOST}]) (.*\n(?: .*\n)*)", block.text, re.MULTILINE)
    return [Line(way, json.loads(_written_out(text))) for way, text in told]


def _written_out(text: str) -> str:
    text = text.replace(", …}", ', "…": "…"}').replace("{…}", '"…"')
    return text.replace("[0, …]", '"…"')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_a_conversation(page: Any, gateway_url: str) -> None:
    """What is shown as sent is sent, and what is shown as received comes next; blocks that begin with a hello begin anew."""
    shown = [line for block in TRANSCRIPTS if block.page == page for line in lines(block)]
    async with asyncio.timeout(TIME_LIMIT_S):
        talk = Talk(gateway_url)
        try:
            for line in shown:
                await talk.follow(line)
        finally:
            await talk.hang_up()


def test_there_are_conversations() -> None:
    """They are found at all, with a cut among them, and every block is read to its end."""
    told = [line for block in TRANSCRIPTS for line in lines(block)]
    assert {line.way for line in told} == {SENT, RECEIVED, LOST}
    assert sum(block.text.count('"op"') for block in TRANSCRIPTS) == len(told)


class Talk:
    """One client: connects when it has to, and knows the real token for the one that is shown."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ws: ClientConnection | None = None
        self._tokens: dict[str, str] = {}

    async def follow(self, line: Line) -> None:
        if line.way == SENT:
            ws = self._ws or await self._connect()
            await ws.send(json.dumps(self._really(line.message)))
        elif line.way == RECEIVED and line.message["op"] == "hello":
            await self._connect(line.message)
        else:
            assert self._ws
            answer = await self._next()
            assert _like(answer, self._really(line.message)), answer
            if line.way == LOST:
                self._ws.transport.abort()

    async def hang_up(self) -> None:
        if self._ws is not None:
            await self._ws.close()

    async def _connect(self, shown: dict[str, Any] | None = None) -> ClientConnection:
        await self.hang_up()
        self._ws = await connect(self._url)
        hello = await self._next()
        if shown and "resume_token" in shown:
            self._tokens[shown["resume_token"]] = hello["resume_token"]
        assert shown is None or _like(hello, self._really(shown)), hello
        return self._ws

    async def _next(self) -> Any:
        assert self._ws
        while (message := json.loads(await self._ws.recv()))["op"] == "ping":
            pass
        return message

    def _really(self, message: dict[str, Any]) -> Any:
        """Put the real token for the one that is shown, and zeros where data is left out."""
        known = {key: self._tokens.get(value, value) if isinstance(value, str) else value for key, value in message.items()}
        for tensor in known.get("inputs", ()):
            if tensor["data"] == ANYTHING:
                tensor["data"] = [0] * math.prod(tensor["shape"])
        return known


def _like(actual: Any, shown: Any) -> bool:
    if shown == ANYTHING:
        return True
    if isinstance(shown, dict):
        same = actual.keys() == shown.keys() or (ANYTHING in shown and actual.keys() > shown.keys() - {ANYTHING})
        return same and all(_like(actual.get(key), value) for key, value in shown.items() if key != ANYTHING)
    if isinstance(shown, list):
        return len(actual) == len(shown) and all(map(_like, actual, shown))
    return math.isclose(actual, shown, abs_tol=1e-4) if isinstance(shown, float) else bool(actual == shown)
