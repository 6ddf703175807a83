"""Generations that stay at their slot from token to token: what they tell is what they would tell step by step."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from loop_models import CACHED_LOOP, transformer

import tidegate
from tidegate.errors import ModelFailed
from tidegate.models.client import Client
from tidegate.models.service import Service
from tidegate.models.streams.generation import Generation
from tidegate.models.streams.items import Failed, Gap, Produced
from tidegate.models.streams.population import StreamBounds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tidegate.models.batch import Batch, Run
    from tidegate.models.streams.items import Ended
    from tidegate.models.streams.stream import Stream

ENDLESS = CACHED_LOOP.replace("stop = [3]", "stop = []").replace("max_steps = 40", "max_steps = 60")
PROMPT = np.array([5, 6, 7])


@pytest.fixture(params=["thread", "process"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


in_this_process = pytest.mark.parametrize("executor", ["thread"], indirect=True)


def _folder(path: Path, executor: str) -> Path:
    model = path / "letters"
    model.mkdir()
    onnx.save(transformer(), model / "model.onnx")
    (model / "model.toml").write_text(f'executor = "{executor}"\n{ENDLESS}')
    return path


@pytest.fixture
async def engine(tmp_path: Path, executor: str) -> AsyncIterator[tidegate.Engine]:
    async with tidegate.Engine(_folder(tmp_path, executor), compute_slots=1, stream_bounds=StreamBounds(results=12)) as engine:
        yield engine


@pytest.fixture
def stayed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows had each step after which a batch stayed at its slot."""
    rows: list[int] = []
    stepped = Service.stepped

    def noted(self: Service, batch: Batch, *args: Any) -> Any:
        rows.append(batch.rows)
        return stepped(self, batch, *args)

    monkeypatch.setattr(Service, "stepped", noted)
    return rows


LONG = 60
"""Steps of a text that is not at its end when others have begun, however busy the machine is."""


async def text(engine: tidegate.Engine, seed: int, steps: int = 40) -> list[int]:
    results = engine.generate("letters", PROMPT[: 1 + seed % 3], max_steps=steps, temperature=1.0, seed=seed)
    return [int(result["token"][0]) async for result in results]


async def test_the_same_in_any_company(engine: tidegate.Engine, stayed: list[int]) -> None:
    """Those that come and go while others stay, at different times and lengths, are told what they are told alone."""
    lengths = [40, 3, 25, 40, 11, 1, 33, 40]
    expected = [await text(engine, seed, steps) for seed, steps in enumerate(lengths)]
    stayed.clear()

    async def later(seed: int, steps: int) -> list[int]:
        for _ in range(7 * seed):
            await asyncio.sleep(0)
        return await text(engine, seed, steps)

    for _ in range(3):
        assert await asyncio.gather(*[later(seed, steps) for seed, steps in enumerate(lengths)]) == expected
    assert max(stayed) > 1


async def test_who_comes_later_joins(tmp_path: Path) -> None:
    """Generations that began at different times end up in one batch, whatever slots are free; each step is counted."""
    ran: list[int] = []
    waits: list[float] = []

    class Observer:
        def ran(self, batch: Batch, run: Run) -> None:
            ran.append(run.size)
            waits.extend(run.started - request.arrival for request, _, _ in batch.pieces)

        def stopped(self, batch: Batch) -> None:
            """Nothing is stopped here."""

    async with tidegate.Engine(_folder(tmp_path, "thread"), compute_slots=2, observer=Observer()) as engine:
        under_way: list[asyncio.Task[list[int]]] = []
        for seed in range(4):
            under_way.append(asyncio.create_task(text(engine, seed, LONG)))
            seen = len(ran)
            while len(ran) < seen + 1:  # noqa: ASYNC110 - nothing here sets an event
                await asyncio.sleep(0)
        await asyncio.gather(*under_way)
    assert max(ran) == 4
    assert sum(ran) == 4 * LONG
    assert min(waits) >= 0


async def test_leaving_in_the_middle_disturbs_nobody(engine: tidegate.Engine) -> None:
    """Some are left after a few tokens; the others' tokens are those that they get alone."""
    expected = await text(engine, 1)

    async def leaving(seed: int) -> None:
        async with aclosing(engine.generate("letters", PROMPT, max_steps=40, temperature=1.0, seed=seed)) as results:
            async for result in results:
                if result.seq == 3 + seed:
                    return

    texts, *_ = await asyncio.gather(text(engine, 1), *[leaving(seed) for seed in range(5)])
    assert texts == expected


@in_this_process
async def test_a_failure_in_the_middle_goes_on_from_what_was_told(engine: tidegate.Engine) -> None:
    """A run that fails once, while a batch stays at its slot, is run again; no token is lost or told twice."""
    expected = [await text(engine, seed) for seed in range(4)]
    worker = engine.streams._catalogue.find("letters", None)
    backend, left = worker.model.backend, [17]

    class Failing:
        def run(self, arrays: Any, control: Any = None) -> Any:
            left[0] -= 1
            if not left[0]:
                raise ModelFailed("for once")
            return backend.run(arrays, control)

    worker.model = replace(worker.model, backend=Failing())  # type: ignore[arg-type]
    assert await asyncio.gather(*[text(engine, seed) for seed in range(4)]) == expected
    assert left[0] < 0
    worker.model = replace(worker.model, backend=backend)


class Slow:
    """Takes results when it is told to; keeps what it has taken."""

    def __init__(self) -> None:
        self.has = asyncio.Event()
        self.taken: list[Produced | Failed | Gap | Ended] = []

    def stream_has(self, stream: Stream) -> None:
        self.has.set()

    def streams_made(self, made: Sequence[tuple[Stream, Produced]]) -> None:
        for stream, item in made:
            stream.ring.add(item)
        self.has.set()

    @property
    def tokens(self) -> list[int]:
        return [int(item.outputs["token"][0]) for item in self.taken if isinstance(item, Produced) and item.outputs]


async def open_slow(engine: tidegate.Engine, **options: Any) -> tuple[Slow, Stream]:
    slow = Slow()
    now = time.monotonic()
    stream = engine.streams.open("letters", constants={}, receiver=slow, client=Client(), now=now, **options)
    wishes: dict[str, Any] = {"max_steps": 40, "temperature": 1.0, "seed": 1}
    engine.streams.step(stream, 1, {"prompt": PROMPT[:2]}, now=now, parameters=wishes)
    return slow, stream


async def still(stream: Stream) -> None:
    """Wait until nothing more comes of a stream."""
    while stream._request is not None:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)


async def test_no_more_is_made_than_there_is_room_for(engine: tidegate.Engine) -> None:
    """Under ``block`` as many results wait as are kept, not one more; taken bit by bit, they are what they should be."""
    expected = await text(engine, 1)
    slow, stream = await open_slow(engine)
    stream.ring.grant(None, 0)
    while not slow.taken or not slow.taken[-1].final:  # type: ignore[union-attr]
        await still(stream)
        assert stream.ring.waiting == min(12, 40 - len(slow.taken))
        slow.taken += stream.take(5)
        stream.ring.grant(None, slow.taken[-1].seq)  # type: ignore[union-attr]
        stream.go_on(0.0)
    assert slow.tokens == expected
    engine.streams.drop(stream, "closed")


async def test_cancelling_ends_it_where_it_is(engine: tidegate.Engine) -> None:
    """The last result says so, all tokens until then were told, and the next step goes on from there."""
    expected = await text(engine, 1)
    slow, stream = await open_slow(engine, overflow="drop_oldest")
    await slow.has.wait()
    engine.streams.cancel(stream, 1, time.monotonic())
    while stream.busy:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)
    slow.taken += stream.take(100)
    last = slow.taken[-1]
    assert isinstance(last, Produced)
    assert last.final
    assert last.reason in ("cancelled", "length")
    told = last.seq - (not last.outputs)
    assert slow.tokens == expected[told - len(slow.tokens) : told]
    assert int(stream.state["loop:length"][0]) == 2 + max(0, told - 1)
    engine.streams.drop(stream, "closed")


async def test_what_stays_is_weighed_meanwhile(engine: tidegate.Engine) -> None:
    """The bytes of what waits to be taken are known within a few results, though the batch never came back."""
    _, stream = await open_slow(engine, overflow="drop_oldest")
    stream.receiver = None
    while stream.ring.seq < 20:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)
    assert engine.streams.nbytes >= 8 * 256
    engine.streams.drop(stream, "closed")


async def test_what_is_dropped_comes_back_to_nobody(engine: tidegate.Engine) -> None:
    """A stream that is dropped while its batch stays leaves nothing behind, and others are served."""
    expected = await text(engine, 1)
    for _ in range(5):
        slow, stream = await open_slow(engine)
        await slow.has.wait()
        engine.streams.drop(stream, "closed")
    assert await text(engine, 1) == expected
    assert engine.streams.nbytes == 0


async def test_tokens_are_shared_and_cannot_be_changed(engine: tidegate.Engine) -> None:
    """Equal tokens are told as one array, which nobody can write to for the others."""
    results = [result async for result in engine.generate("letters", PROMPT, max_steps=40, temperature=1.0, seed=1)]
    told = [result["token"] for result in results[2:-1]]
    with pytest.raises(ValueError, match="read-only"):
        told[0][0] = 9
    assert len({id(array) for array in told}) < len(told)


async def test_whoever_cannot_take_what_goes_on_loses_only_his_own(
    engine: tidegate.Engine, stayed: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver that raises ends its streams, is written to the log, and disturbs no others in the same batch."""
    expected = await text(engine, 1, LONG)

    class Broken(Slow):
        def streams_made(self, made: Sequence[tuple[Stream, Produced]]) -> None:
            raise RuntimeError("broken")

    broken = Broken()
    now = time.monotonic()
    stream = engine.streams.open("letters", constants={}, receiver=broken, client=Client(), now=now)
    engine.streams.step(stream, 1, {"prompt": PROMPT[:2]}, now=now, parameters={"max_steps": LONG, "seed": 2})
    assert await text(engine, 1, LONG) == expected
    while stream.status != "closed":  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)
    assert stream.ended is not None
    assert stream.ended.reason == "internal"
    assert "could not be handed over" in caplog.text


async def test_a_step_that_cannot_be_taken_fails_alone(engine: tidegate.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect that meets one generation of a batch that stays ends that one; the others' tokens are what they are alone."""
    expected = await text(engine, 1, LONG)
    ran = Generation.ran

    def failing(self: Generation, state: Any, run: Run, start: int, stop: int) -> Any:
        if run.stays and run.size == 2 and self.constants is marked and stream._room > 9:
            raise RuntimeError("a defect")
        return ran(self, state, run, start, stop)

    monkeypatch.setattr(Generation, "ran", failing)
    slow, stream = await open_slow(engine, overflow="drop_oldest")
    marked = stream._running.agenda.constants = dict(stream._running.agenda.constants)  # type: ignore[union-attr]
    assert await text(engine, 1, LONG) == expected
    await still(stream)
    slow.taken += stream.take(100)
    assert isinstance(slow.taken[-1], Failed)
    assert slow.taken[-1].error.code == "internal"
    engine.streams.drop(stream, "closed")
