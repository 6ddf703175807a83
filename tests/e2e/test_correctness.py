"""What the gateway says is what the models say, whoever else asks at the same time: 64 clients, random batch compositions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from solo import DIGITS_ROWS, SILERO_ROWS, Array, digits, session, silero

import tidegate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server_process import ServerProcess

CLIENTS = 64
REQUESTS = 40  # of each client
SEED = 20_261_122
TOLERANCE = 1e-5
FORMS = ("msgpack", "msgpack", "json", "text")


class Work:
    """One client's requests: rows chosen at random, and what a direct run of each row alone gives."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def next(self) -> tuple[str, dict[str, Array], Mapping[str, Array]]:
        """Choose a request: model, inputs, expected outputs."""
        return self._digits() if self._random.random() < 0.7 else self._silero()

    def _rows(self, most: int, of: int) -> Array:
        return self._random.integers(0, of, self._random.integers(1, most + 1))

    def _digits(self) -> tuple[str, dict[str, Array], Mapping[str, Array]]:
        most = 200 if self._random.random() < 0.1 else 6  # some are larger than a batch may be
        rows = self._rows(most, DIGITS_ROWS)
        images, probs = digits()
        return "digits", {"image": images[rows]}, {"probs": probs[rows]}

    def _silero(self) -> tuple[str, dict[str, Array], Mapping[str, Array]]:
        rows = self._rows(4, SILERO_ROWS)
        sound, state, speech, after = silero()
        inputs = {"input": sound[rows], "state": state[:, rows], "sr": np.array(16000)}
        return "silero_vad", inputs, {"output": speech[rows], "stateN": after[:, rows]}


async def client(url: str, number: int, verdicts: Mapping[str, str]) -> list[tuple[int, int]]:
    """Do one client's work, several requests at a time; return rows of the request and of its batch."""
    work = Work(SEED + number)
    async with tidegate.connect(url, form=FORMS[number % len(FORMS)]) as gateway:
        seen: list[tuple[int, int]] = []
        for _ in range(REQUESTS // 4):
            chosen = [work.next() for _ in range(4)]
            answers = await asyncio.gather(*[gateway.infer(model, inputs) for model, inputs, _ in chosen])
            for answer, (model, inputs, expected) in zip(answers, chosen, strict=True):
                check(answer, expected, exact=verdicts[model] == "exact")
                seen.append((len(next(iter(inputs.values()))), answer.timing.batch_size))
        return seen


def check(answer: Mapping[str, Array], expected: Mapping[str, Array], *, exact: bool) -> None:
    """Compare bit for bit when the model's verdict claims as much, else within the tolerance."""
    assert set(answer) == set(expected)
    for name, array in expected.items():
        assert answer[name].dtype == array.dtype
        assert answer[name].shape == array.shape
        if exact:
            assert answer[name].tobytes() == array.tobytes()
        else:
            np.testing.assert_allclose(answer[name], array, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.fixture
async def verdicts(gateway_url: str) -> dict[str, str]:
    """What the proof says of each bundled model."""
    async with tidegate.connect(gateway_url) as gateway:
        return {model["name"]: model["batching"]["verdict"] for model in await gateway.models()}


async def test_64_clients_get_what_the_models_say(gateway_url: str, verdicts: Mapping[str, str]) -> None:
    """Under 64 concurrent clients every answer is that of a direct run of its rows alone; batches were shared."""
    assert verdicts["digits"] in ("exact", "close")
    seen = [
        pair for pairs in await asyncio.gather(*[client(gateway_url, n, verdicts) for n in range(CLIENTS)]) for pair in pairs
    ]
    assert len(seen) == CLIENTS * REQUESTS
    shared = sum(batch > rows for rows, batch in seen)
    assert shared > len(seen) / 10


async def test_a_model_that_is_not_batched_says_the_same_too(gateway_url: str, verdicts: Mapping[str, str]) -> None:
    """Concurrent requests for a model that runs one at a time give what it gives directly, whatever their length."""
    assert verdicts["pitch"] == "none"
    random = np.random.default_rng(SEED)
    sounds = [random.normal(0, 0.1, (1, int(size))).astype(np.float32) for size in random.integers(2000, 6000, 12)]
    limits: dict[str, Any] = {"fmin": np.float32(46.875), "fmax": np.float32(2093.75)}
    async with tidegate.connect(gateway_url) as gateway:
        answers = await asyncio.gather(*[gateway.infer("pitch", audio=sound, **limits) for sound in sounds])
    for answer, sound in zip(answers, sounds, strict=True):
        feed = {"audio": sound, **{name: np.array(value) for name, value in limits.items()}}
        names = ("pitch", "confidence")
        check(answer, dict(zip(names, session("pitch").run(list(names), feed), strict=True)), exact=True)
        assert answer.timing.batch_size == 1


async def test_answers_come_out_of_order(bundled_server: ServerProcess) -> None:
    """A quick request that was sent after a long one on the same connection is answered before it."""
    long = {"audio": np.zeros((1, 400_000), np.float32), "fmin": np.float32(46.875), "fmax": np.float32(2093.75)}
    async with tidegate.connect(bundled_server.url) as gateway:
        await gateway.infer("digits", image=digits()[0][:1])  # it knows the models from here on
        order: list[str] = []
        tasks = [gateway.submit("pitch", long), gateway.submit("digits", image=digits()[0][:1])]
        async for task in gateway.as_completed(tasks):
            await task
            order.append(task.model)
    assert order == ["digits", "pitch"]
