"""A client with several streams whose connections are cut, or taken over by another one of its own, all the time.

What it says, when and in which form is chosen by a seed; when answers arrive is not.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from raw_client import ANSWER_S, BINARY, CLOSE, TEXT, frame, read
from stream_client import StreamClient

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Error, Resume, Resumed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_script import Script

    from tidegate.codecs.parts import Id
    from tidegate.codecs.reader import Received

SUPERSEDED = 4501
FORMS = (Form.MSGPACK, Form.MSGPACK, Form.JSON, Form.TEXT)


class Restless:
    """One client.

    Attributes:
        cuts: how often its connection was cut.
        takeovers: how often it resumed while the connection before still lived.
    """

    def __init__(self, port: int, scripts: Sequence[Script], seed: int, patience: tuple[int, int] = (8, 60)) -> None:
        """Make one; ``patience`` bounds what it sends, or waits for, from one connection to the next."""
        self.cuts = 0
        self.takeovers = 0
        self._port = port
        self._scripts: dict[Id, Script] = {script.name: script for script in scripts}
        self._random = Random(seed)
        self._patience = patience
        self._news = asyncio.Event()
        self._current: StreamClient | None = None
        self._connections: list[StreamClient] = []
        self._token = ""

    async def run(self) -> None:
        """Go through all the scripts to their ends."""
        client = await self._connect()
        self._token = client.token
        successor: StreamClient | None = client
        try:
            while successor is not None:
                successor = await self._live(successor)
        finally:
            for each in self._connections:
                await each.raw.hang_up()

    @property
    def _done(self) -> bool:
        return all(script.closed for script in self._scripts.values())

    async def _connect(self) -> StreamClient:
        client = await StreamClient.connect(self._port, self._random.choice(FORMS))
        self._connections.append(client)
        return client

    async def _live(self, client: StreamClient) -> StreamClient | None:
        """Use a connection for a while; return the one that goes on, None when all is done."""
        self._current = client
        successor, takes_over = None, False
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen(client))
            await self._talk(client)
            takes_over = not self._done and self._random.random() < 0.3
            if not takes_over:
                self._cut(client)
            if not self._done:
                successor = await self._go_on()
        if successor is not None:
            assert listening.result() == (SUPERSEDED if takes_over else None)
            self.takeovers += takes_over
            self.cuts += not takes_over
        return successor

    # On one connection.

    async def _talk(self, client: StreamClient) -> None:
        for _ in range(self._random.randint(*self._patience)):
            if self._done:
                return
            said = [(script, choice) for script in self._scripts.values() for choice in script.choices()]
            if said and self._random.random() > 0.05:
                script, choice = self._random.choice(said)
                message, tensors = script.say(choice, self._random)
                form = None if choice == "open" else self._random.choice(FORMS)  # that of `open` decides about the answers'
                await client.send(message, tensors, form)
            else:
                await self._hear_more()
            if self._random.random() < 0.2:
                await asyncio.sleep(self._random.random() * 0.004)

    async def _hear_more(self) -> None:
        self._news.clear()
        if any(script.waits for script in self._scripts.values()):
            async with asyncio.timeout(ANSWER_S):
                await self._news.wait()

    async def _listen(self, client: StreamClient) -> int | None:
        """Hear what comes until the connection ends; return the code of its close. What comes too late comes once more."""
        while (got := await client.raw.frame()) is not None and got.opcode != CLOSE:
            if client is self._current and got.opcode in (TEXT, BINARY):
                self._hear(client, read(got))
        assert client is not self._current, got
        client.raw.writer.close()
        return None if got is None else got.close_code

    def _hear(self, client: StreamClient, received: Received) -> None:
        assert received.form is client.form
        self._scripts[received.message.stream].hear(received)
        self._news.set()

    # From one connection to the next.

    def _cut(self, client: StreamClient) -> None:
        """End a connection without a word, or in the midst of one."""
        self._current = None
        client.raw.writer.write(frame(bytes(999))[: self._random.choice([0, 1, 500])])
        client.raw.writer.transport.abort()

    async def _go_on(self) -> StreamClient:
        """Connect again, and resume."""
        if self._random.random() < 0.3:
            await asyncio.sleep(self._random.random() * 0.02)
        client = await self._connect()
        self._current = client
        named = [script for script in self._scripts.values() if not script.closed]
        answer = await client.ask(Resume(token=self._token, streams=[script.last_seen for script in named]))
        if isinstance(answer, Error):  # the gateway never got to the first `open`
            assert (answer.code, [*answer.lost]) == ("resume_failed", [script.name for script in named])
            self._token = client.token
            self._lose(answer.lost)
            return client
        assert isinstance(answer, Resumed)
        assert answer.token == self._token
        self._lose(answer.lost)
        for found in answer.streams:
            self._scripts[found.stream].resumed(found, self._random)
        assert len(answer.streams) + len(answer.lost) == len(named)
        return client

    def _lose(self, names: Sequence[Id]) -> None:
        for name in names:
            self._scripts[name].lost()
