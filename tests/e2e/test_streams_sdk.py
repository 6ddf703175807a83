"""The Python SDK's streams against the real gateway, over connections that are cut all the time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from solo_streams import LENGTHS, silero, sound
from stream_client import StreamClient

import tidegate.models.bundled.chars
from tidegate import errors
from tidegate.client import backoff, sync
from tidegate.client.connection import Connection
from tidegate.client.options import Options
from tidegate.codecs.messages import Resume

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server_process import ServerProcess

    from tidegate.client.stream import Stream
    from tidegate.results import Array

SEED = 20_261_123
FOLDER = Path(*tidegate.models.bundled.chars.__path__)
LETTERS: list[str] = json.loads((FOLDER / "vocab.json").read_text())


class Soon:
    """Jitter that waits for next to nothing."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return almost the lower end."""
        return 0.001


@pytest.fixture
async def gw(bundled_server: ServerProcess) -> AsyncIterator[Connection]:
    """Connect to the gateway with the bundled models."""
    connection = Connection(f"ws://127.0.0.1:{bundled_server.port}/v1", Options(timeout=20.0), backoff.Backoff(Soon()))
    await connection.open()
    yield connection
    await connection.close()


def ids(text: str) -> list[int]:
    """Give the tokens of a text."""
    return [LETTERS.index(letter) for letter in text]


class Saboteur:
    """Cuts a connection again and again, as a broken network does.

    Attributes:
        cuts: how often.
    """

    def __init__(self, gw: Connection) -> None:
        self.cuts = 0
        self._gw = gw
        self._random = Random(SEED)
        self._left = 20

    def heard(self) -> None:
        """Take note of a result; after some of them comes the next cut."""
        self._left -= 1
        link = self._gw._driver._link
        if self._left <= 0 and link is not None:
            self._left = self._random.randrange(5, 60)
            self.cuts += 1
            link.cut()


async def say(stream: Stream, prompt: str, **parameters: Any) -> tuple[str, str | None]:
    """Generate; return the text and why it ended."""
    results = [result async for result in stream.generate(ids(prompt), **parameters)]
    assert [result.final for result in results] == [False] * (len(results) - 1) + [True]
    return "".join(result.text or "" for result in results), results[-1].reason


async def test_speech_through_cuts(gw: Connection) -> None:
    """A loop over each of many streams, of two sampling rates, gives what each gives alone, bit for bit."""

    async def listen(number: int) -> None:
        rate = Random(SEED + number).choice([*LENGTHS])
        chunks = sound(rate, 60, SEED + number)
        heard: list[Array] = []
        async with gw.stream("silero_vad", sr=rate, window=12) as stream:
            async for result in stream.run(chunks if number % 2 else [chunk[0] for chunk in chunks]):
                heard.append(result["output"])
                saboteur.heard()
                assert result.seq == result.step == len(heard)
        assert [output.tobytes() for output in heard] == [output for output, _ in silero(rate, chunks)]

    saboteur = Saboteur(gw)
    await asyncio.gather(*[listen(number) for number in range(12)])
    assert saboteur.cuts >= 10


async def test_generations_through_cuts(gw: Connection) -> None:
    """What is said does not depend on how often the connection is cut, nor on who else speaks."""
    words = ["In the beginning ", "And ", "Behold, ", "The LORD said unto "]
    wishes: dict[str, Any] = {"max_steps": 120, "temperature": 0.8}

    saboteur = Saboteur(gw)

    async def speak(number: int, each: Callable[[], None]) -> str:
        text = ""
        async for result in gw.generate("chars", prompt=ids(words[number]), seed=number, **wishes):
            text += result.text or ""
            each()
        return text

    alone = [await speak(number, lambda: None) for number in range(len(words))]
    assert await asyncio.gather(*[speak(number, saboteur.heard) for number in range(len(words))]) == alone
    assert saboteur.cuts >= 4
    assert len(set(alone)) == len(words)


async def test_barge_in_snapshot_and_fork(gw: Connection) -> None:
    """Leaving the loop stops the generation and keeps the stream; copies of it say the same."""
    async with gw.stream("chars") as stream:
        async for result in stream.generate(ids("And it came to pass"), temperature=1.0, seed=5):
            if result.seq == 20:
                break
        state = await stream.snapshot()
        async with await stream.fork() as other, gw.stream("chars", snapshot=state) as third:
            said = [await say(each, " that", max_steps=30) for each in (stream, other, third)]
        assert said[0] == said[1] == said[2]
        assert said[0][1] in ("length", "stop")


async def test_errors_of_streams(gw: Connection) -> None:
    """A chunk of a wrong length, a constant of a wrong value, a wish that is none: each its error, and the stream lives on."""
    async with gw.stream("silero_vad", sr=16000) as stream:
        with pytest.raises(errors.InvalidInput, match="512"):
            await stream.step(input=np.zeros(400, "f4"))
        chunks = [np.zeros(512, "f4"), np.zeros(400, "f4"), np.zeros(512, "f4")]
        results = stream.run(chunks)
        assert (await anext(results)).step == 1
        with pytest.raises(errors.InvalidInput):
            await anext(results)
        assert (await stream.step(input=np.zeros(512, "f4"))).step == 2
    with pytest.raises(errors.InvalidInput, match="8000"):
        await gw.stream("silero_vad", sr=44100).open()
    async with gw.stream("chars") as stream:
        with pytest.raises(errors.InvalidInput):
            await anext(stream.generate(ids("A"), max_steps=-1))
        assert len(await say(stream, "A", max_steps=3)) == 2


async def test_a_connection_that_is_taken_over(gw: Connection, bundled_server: ServerProcess) -> None:
    """Who loses the session to somebody else is told so, and does not come back."""
    async with gw.stream("chars") as stream:
        token = gw._driver.session.streams._token
        assert token is not None
        thief = await StreamClient.connect(bundled_server.port)
        await thief.send(Resume(token=token, streams=[]))
        with pytest.raises(errors.ConnectionLost, match="4501"):
            await say(stream, "A", max_steps=200)
        with pytest.raises(errors.ConnectionLost, match="4501"):
            await gw.ping()
        await thief.raw.hang_up()


def test_without_async(bundled_server: ServerProcess) -> None:
    """The synchronous twin says the same."""
    chunks = sound(16000, 10, SEED)
    with sync.connect(f"ws://127.0.0.1:{bundled_server.port}") as gw:
        with gw.stream("silero_vad") as stream:
            heard = [result["output"].tobytes() for result in stream.run(chunks)]
            assert heard == [output for output, _ in silero(16000, chunks)]
        text = "".join(result.text or "" for result in gw.generate("chars", ids("And "), max_steps=20))
        assert len(text) == 20
