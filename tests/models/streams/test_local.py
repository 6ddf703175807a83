"""Streams in a program's own process: ``Engine.stream`` with a real model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

import tidegate
from tidegate.errors import InvalidInput, UnknownStream
from tidegate.models.streams.population import StreamBounds

from .stream_models import remembering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ROWS = np.random.default_rng(7).standard_normal((12, 1, 4)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "rnn"
    model.mkdir()
    onnx.save(remembering(), model / "model.onnx")
    return tmp_path


@pytest.fixture
async def engine(folder: Path) -> AsyncIterator[tidegate.Engine]:
    async with tidegate.Engine(folder, compute_slots=1) as engine:
        yield engine


async def alone(engine: tidegate.Engine, rows: Any = ROWS) -> list[bytes]:
    async with engine.stream("rnn") as stream:
        return [result["y"].tobytes() async for result in stream.run(rows)]


async def test_a_stream_remembers(engine: tidegate.Engine) -> None:
    """The same chunk gives another result the second time, since the state went on."""
    async with engine.stream("rnn") as stream:
        first = await stream.step(x=ROWS[0])
        second = await stream.step(x=ROWS[0])
    assert first["y"].tolist() != second["y"].tolist()
    assert (first.seq, second.seq, second.step) == (1, 2, 2)


async def test_streams_share_batches_and_no_state(engine: tidegate.Engine) -> None:
    """Many at once give bit for bit what one gives alone."""
    expected = await alone(engine)
    assert await asyncio.gather(*[alone(engine) for _ in range(16)]) == [expected] * 16


async def test_a_snapshot_and_a_fork_go_on_from_where_they_were_taken(engine: tidegate.Engine) -> None:
    """What comes after is the same in the stream, in its fork and in a stream from its snapshot."""
    expected = await alone(engine)
    async with engine.stream("rnn") as stream:
        for row in ROWS[:5]:
            await stream.step(x=row)
        data = await stream.snapshot()
        other = await stream.fork()
        async with other, engine.stream("rnn", snapshot=data) as third:
            for each in (stream, other, third):
                assert [result["y"].tobytes() async for result in each.run(ROWS[5:])] == expected[5:]


async def test_a_bad_chunk_is_not_a_dead_stream(engine: tidegate.Engine) -> None:
    """A chunk that the model does not take is refused, and the stream goes on as if it had not come."""
    expected = await alone(engine)
    async with engine.stream("rnn") as stream:
        got = [(await stream.step(x=row))["y"].tobytes() for row in ROWS[:5]]
        with pytest.raises(InvalidInput):
            await stream.step(x=ROWS[0][:, :2])
        got += [(await stream.step(x=row))["y"].tobytes() for row in ROWS[5:]]
    assert got == expected


async def test_leaving_the_loop_keeps_the_stream(engine: tidegate.Engine) -> None:
    """A program that stops reading a run can go on with steps."""
    async with engine.stream("rnn") as stream:
        async for _ in stream.run(ROWS):
            break
        await asyncio.sleep(0)
        assert (await stream.step(x=ROWS[0])).final


async def test_an_unread_stream_blocks_and_loses_nothing(folder: Path) -> None:
    """With a window of one and room for two, steps wait for their reader."""
    bounds = StreamBounds(results=2)
    async with tidegate.Engine(folder, compute_slots=1, stream_bounds=bounds) as engine:
        expected = await alone(engine)
        async with engine.stream("rnn", window=1) as stream:
            tasks = [asyncio.ensure_future(stream.step(x=row)) for row in ROWS]
            got = [(await task)["y"].tobytes() for task in tasks]
    assert got == expected


async def test_latest_drops_what_nobody_reads(engine: tidegate.Engine) -> None:
    """Under latest the model is not held up, what was dropped is counted, and reading goes on with what is there."""
    async with engine.stream("rnn", overflow="latest", window=1) as stream:
        results = stream.run(ROWS[:8])
        first = await anext(results)
        for _ in range(200):
            await asyncio.sleep(0.001)
            if stream._stream is not None and not stream._stream.busy:
                break
        rest = [result.seq async for result in results]
    assert first.seq == 1
    assert rest[-1] == 8
    assert stream.dropped + len(rest) == 7


async def test_a_stream_that_is_left_alone_ends(folder: Path) -> None:
    """Idle streams are ended, and say so to who comes back."""
    (folder / "rnn" / "model.toml").write_text("[stream]\nidle_timeout_s = 0.01\n")
    async with tidegate.Engine(folder, compute_slots=1) as engine, engine.stream("rnn") as stream:
        (one,) = engine.streams.population
        assert one.client.streams == 1
        engine.streams.expire(float("inf"), 100)
        assert (len(engine.streams.population), one.client.streams) == (0, 0)
        with pytest.raises(UnknownStream):
            await stream.step(x=ROWS[0])


async def test_nothing_is_left_of_streams_that_ended(engine: tidegate.Engine) -> None:
    """Counts and bytes go back to nothing."""
    await asyncio.gather(*[alone(engine) for _ in range(8)])
    assert (len(engine.streams.population), engine.streams.nbytes) == (0, 0)


async def test_what_goes_wrong_in_one_stream_loses_no_result_of_another(
    engine: tidegate.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that waited behind a stream's step and raises ends that stream; its mates in the batch get their results."""
    expected = await alone(engine, ROWS[:1])

    def raising() -> None:
        raise RuntimeError("a defect")

    async with engine.stream("rnn") as broken, engine.stream("rnn") as other:
        steps = [asyncio.create_task(stream.step(x=ROWS[0])) for stream in (broken, other)]
        await asyncio.sleep(0)
        assert broken._stream is not None
        broken._stream.when_done(raising, 0.0)
        results = await asyncio.gather(*steps)
        assert [result["y"].tobytes() for result in results] == expected * 2
        while broken._stream.status != "closed":  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)
        assert (await other.step(x=ROWS[1]))["y"].size
    assert "could not go on" in caplog.text


async def test_whoever_is_told_may_write_to_it(engine: tidegate.Engine) -> None:
    """A result that is changed in place changes no state, neither the stream's own nor another's."""
    expected = await alone(engine, ROWS[:2])

    async def writing() -> bytes:
        async with engine.stream("rnn", outputs=["y", "hN"]) as stream:
            first = await stream.step(x=ROWS[0])
            for array in first.values():
                array[...] = 7
            return (await stream.step(x=ROWS[1]))["y"].tobytes()

    assert await asyncio.gather(*[writing() for _ in range(5)]) == [expected[1]] * 5
