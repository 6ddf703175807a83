"""A client that takes little: nothing is sent beyond its credit, and what becomes of the rest is what it chose."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from http_get import until
from restless import Restless
from stream_client import StreamClient, connected
from stream_script import Line, Script

from tidegate.codecs.messages import Cancel, Ping, Pong

if TYPE_CHECKING:
    from http_get import Numbers

    from tidegate.codecs.parts import Overflow

STEPS = 300  # more than are kept of a stream
PIECE = 30  # fewer than may wait


def have_run(found: Numbers, count: float) -> bool:
    """Tell whether so many steps were run."""
    return found("stream_steps_total", model="sum", outcome="ok") >= count


async def done(port: int, client: StreamClient, first: int, last: int) -> None:
    """Let the stream ``a`` go through steps in pieces that it can hold, each when the one before has been run."""
    before = (await until(port, bool))("stream_steps_total", model="sum", outcome="ok")
    for start in range(first, last + 1, PIECE):
        end = min(start + PIECE - 1, last)
        await client.steps("a", start, end)
        await until(port, partial(have_run, count=before + end - first + 1))


async def drained(client: StreamClient, last: int) -> list[tuple[Any, ...]]:
    """Hear everything up to a ``seq``."""
    told = await client.hear()
    while told[-1][0] != "result" or told[-1][2] < last:
        told += await client.hear()
    return told


def check(told: list[tuple[Any, ...]], first: int, last: int) -> tuple[int, int]:
    """Check that results and gaps tell of every ``seq`` once and in order, each with its sum; return how many of both."""
    expected = first
    for op, _, *numbers in told:
        if op == "gap":
            assert numbers[0] == expected
            assert numbers[1] >= expected
            expected = numbers[1] + 1
        else:
            assert (op, numbers) == ("result", [expected, expected, float(expected)])
            expected += 1
    assert expected == last + 1
    return sum(each[0] == "result" for each in told), sum(each[0] == "gap" for each in told)


async def test_latest(stream_port: int) -> None:
    """Of what waits only the newest is told, behind a gap in the place of the others, again and again."""
    async with connected(stream_port) as client:
        await client.open("a", "sum", overflow="latest", until=0)
        await done(stream_port, client, 1, 40)
        await client.grant("a", 1)
        assert await client.hear(2) == [("gap", "a", 1, 39), ("result", "a", 40, 40, 40.0)]
        await done(stream_port, client, 41, 41)
        await done(stream_port, client, 42, STEPS)
        await client.grant("a", 41)
        assert await client.hear(2) == [("gap", "a", 41, STEPS - 1), ("result", "a", STEPS, STEPS, float(STEPS))]


async def test_what_is_dropped_uses_no_credit(stream_port: int) -> None:
    """Who grants one result more than it has heard gets one, however many are dropped before it; no more than was granted."""
    async with connected(stream_port) as client:
        await client.open("a", "sum", overflow="latest", until=0)
        await done(stream_port, client, 1, 20)
        await client.grant("a", 2)
        assert await client.hear(2) == [("gap", "a", 1, 19), ("result", "a", 20, 20, 20.0)]
        await client.step("a", 21, 1.0)
        assert await client.hear() == [("result", "a", 21, 21, 21.0)]
        await done(stream_port, client, 22, 23)
        await client.grant("a", 21)
        await client.close("a")
        await client.grant("a", 22)
        assert await client.hear(3) == [("gap", "a", 22, 22), ("result", "a", 23, 23, 23.0), ("closed", "a", "closed")]


async def test_drop_oldest(stream_port: int) -> None:
    """As much as there is room for is told, the newest; a gap stands for what waited longest."""
    async with connected(stream_port) as client:
        opened = await client.open("a", "sum", overflow="drop_oldest", until=0)
        await done(stream_port, client, 1, STEPS)
        await client.grant("a", STEPS)
        told = await drained(client, STEPS)
        results, gaps = check(told, 1, STEPS)
        assert told[0][0] == "gap"
        assert gaps == 1
        assert opened.results // 2 <= results <= opened.results


async def test_little_credit_through_cuts(stream_port: int) -> None:
    """Whoever has credit for one more than it has heard gets one, whatever was lost and dropped: nobody waits for ever."""
    lines = [Line({"x": np.ones((1, 1), np.float32)}) for _ in range(80)]
    policies: list[tuple[int, Overflow]] = [(1, "latest"), (2, "latest"), (1, "drop_oldest"), (1, "block")]
    scripts = [
        Script(number, "sum", lines, outputs=["y"], credit=credit, overflow=overflow)
        for number, (credit, overflow) in enumerate(policies * 4)
    ]
    clients = [Restless(stream_port, scripts[at : at + 4], at) for at in range(0, len(scripts), 4)]
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.run())
    for script in scripts:
        assert all(heard.tensors["y"].item() == heard.step for heard in script.heard)
        assert script.heard[-1].step == len(lines)
    assert sum(script.gaps for script in scripts) > len(scripts)


@pytest.mark.parametrize("says_seen", [False, True])
async def test_block(stream_port: int, says_seen: bool) -> None:
    """A stream stops when what it made is not taken, refuses steps when too many wait, and loses nothing."""
    async with connected(stream_port) as client:
        opened = await client.open("a", "sum", overflow="block", until=0)
        if says_seen:
            await client.grant("a", 0, 0)
        await done(stream_port, client, 1, opened.results)
        most = opened.results + opened.steps
        await client.steps("a", opened.results + 1, most + 1)
        assert await client.hear() == [("error", "a", None, most + 1, "overloaded", None)]
        told = []
        for until_ in range(0, most + 50, 50):
            await client.grant("a", until_, until_ - 50 if says_seen and until_ > 50 else None)
            told += await drained(client, min(until_, most)) if until_ else []
        assert check(told, 1, most) == (most, 0)
        await client.step("a", most + 1, 1.0)
        assert check(await client.hear(), most + 1, most + 1) == (1, 0)


async def test_ends_that_nobody_takes(stream_port: int) -> None:
    """A client that takes nothing and cancels what waits again and again fills no memory: it is refused, until it takes."""
    async with connected(stream_port) as client:
        opened = await client.open("a", "sum", until=0)
        await done(stream_port, client, 1, opened.results)
        first = opened.results + 1
        for _ in range(20):
            await client.steps("a", first, first + 9)
            await client.send(Cancel(stream="a", step=first))
        await client.send(Ping(id=1))
        refused = []
        while not isinstance((received := await client.received()).message, Pong):
            refused.append(received.message)
        assert refused[0].code == "overloaded"
        assert len(refused) >= 20 * 10 - opened.steps - 2
        await client.grant("a", 10_000)
        told = await client.hear(opened.results)
        assert told == [("result", "a", n, n, float(n)) for n in range(1, first)]
        ends = await client.hear(20 * 10 - len(refused))
        assert {end[4] for end in ends} == {"cancelled", "unexpected_step"}
        await client.step("a", first, 1.0)
        assert await client.hear() == [("result", "a", first + len(ends), first, float(first))]


async def test_credit_is_never_taken_back(stream_port: int) -> None:
    """A smaller number than before means nothing, and credit for a stream that is not there is ignored."""
    async with connected(stream_port) as client:
        await client.grant("nobody", 5)
        await client.open("a", "sum", until=3)
        await client.grant("a", 1)
        await client.steps("a", 1, 4)
        assert check(await client.hear(3), 1, 3) == (3, 0)
        await client.grant("a", 4, 3)
        assert check(await client.hear(), 4, 4) == (1, 0)
