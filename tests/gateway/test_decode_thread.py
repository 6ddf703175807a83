"""The decoding thread: every job is answered once, in turns, whatever happens in it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tidegate.gateway.decode_thread import DecodeThread

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@pytest.fixture
async def thread() -> Iterator[DecodeThread]:  # type: ignore[misc]
    """A thread that ends with the test."""
    decoder = DecodeThread(asyncio.get_running_loop())
    yield decoder
    decoder.stop()
    if decoder._thread is not None:
        await asyncio.get_running_loop().run_in_executor(None, decoder._thread.join, 10)
        assert not decoder._thread.is_alive()


def work(steps: int, result: object) -> Generator[None, None, object]:
    """A job of so many steps, each of which takes longer than a slice."""
    for _ in range(steps):
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            pass
        yield
    if isinstance(result, Exception):
        raise result
    return result


async def outcomes(decoder: DecodeThread, *jobs: Generator[None, None, object]) -> list[object]:
    """Hand jobs over together; return their outcomes in the order in which they were done."""
    done: list[object] = []
    finished = asyncio.Event()

    def take(outcome: object) -> None:
        done.append(outcome)
        if len(done) == len(jobs):
            finished.set()

    for job in jobs:
        decoder.submit(job, take)
    async with asyncio.timeout(20):
        await finished.wait()
    return done


async def test_a_job_is_done_elsewhere_and_answered_here(thread: DecodeThread) -> None:
    """The steps are taken on the thread of that name, the outcome is told on the loop's."""
    seen: list[str] = []

    def steps() -> Generator[None, None, None]:
        seen.append(threading.current_thread().name)
        yield

    here = threading.current_thread().name
    told = asyncio.get_running_loop().create_future()
    thread.submit(steps(), lambda _: told.set_result(threading.current_thread().name))
    async with asyncio.timeout(20):
        assert await told == here
    assert seen == ["tidegate-decode"]


async def test_jobs_take_turns(thread: DecodeThread) -> None:
    """A job of a few steps does not wait for the end of one of many that came first."""
    assert await outcomes(thread, work(100, "long"), work(2, "short")) == ["short", "long"]


async def test_more_jobs_than_take_turns_wait_in_order(thread: DecodeThread) -> None:
    """All jobs are done, and the last of a hundred equal ones is not the first to end."""
    done = await outcomes(thread, *[work(1, number) for number in range(100)])
    assert sorted(done) == list(range(100))  # type: ignore[type-var]
    assert done.index(99) > 80


async def test_a_defect_is_an_outcome(thread: DecodeThread) -> None:
    """What a job raises is told like a result, and the thread goes on."""
    failure = RuntimeError("a defect")
    assert await outcomes(thread, work(1, failure)) == [failure]
    assert await outcomes(thread, work(1, "next")) == ["next"]


async def test_a_cancelled_job_is_not_told(thread: DecodeThread) -> None:
    """Nothing is called for a job that was cancelled, even if it was done already when that happened."""
    told: list[object] = []
    first = thread.submit(work(3, "first"), told.append)
    ready = thread.submit(work(0, "second"), told.append)
    first.cancel()
    ready.cancel()
    assert await outcomes(thread, work(1, "third")) == ["third"]
    assert told == []
