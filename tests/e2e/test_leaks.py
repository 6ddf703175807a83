"""Connections that came and went, in every way, leave tasks, file descriptors, memory and counters where they were."""

from __future__ import annotations

import asyncio
import gc
import os
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from good_requests import quick
from http_get import get, numbers
from in_process import eventually, on_uvloop, running
from raw_client import ANSWER_S, CLOSE, RawClient, frame, upgrade

from tidegate.codecs.messages import Result
from tidegate.gateway.connection import GatewayConnection
from tidegate.gateway.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import Serve

CONNECTIONS = 500
AT_ONCE = 10
End = Callable[[int], Awaitable[None]]


async def polite(port: int) -> None:
    """Ask once, then close as one should."""
    async with await RawClient.open(port) as client:
        await client.send(quick(1))
        assert isinstance((await client.message()).message, Result)
        await client.send(frame(struct.pack("!H", 1000), CLOSE))
        assert (await client.until_closed())[1] == 1000


async def rude(port: int) -> None:
    """Ask ten times, and go before there is an answer."""
    async with await RawClient.open(port) as client:
        await client.send(b"".join(quick(number) for number in range(10)))


async def midway(port: int) -> None:
    """Go in the middle of a frame."""
    async with await RawClient.open(port) as client:
        await client.send(quick(1)[:30])


async def wrong(port: int) -> None:
    """Send a frame that ends the connection."""
    async with await RawClient.open(port) as client:
        await client.send(frame(b"x", reserved=7))
        assert (await client.until_closed())[1] == 1002


async def hasty(port: int) -> None:
    """Go in the middle of the handshake."""
    async with await RawClient.connect(port) as client:
        await client.send(upgrade(port)[:60])


async def impatient(port: int) -> None:
    """Send the handshake and a request, and go before anything comes back."""
    async with await RawClient.connect(port) as client:
        await client.send(upgrade(port) + quick(1))


async def refused(port: int) -> None:
    """Ask for what is refused."""
    assert (await get(port, "/v1", Origin="http://evil.example")).status == 403


ENDS: list[End] = [polite, rude, midway, wrong, hasty, impatient, refused]


async def visits(port: int, count: int) -> None:
    """Let connections of all kinds come and go, several at a time."""
    for start in range(0, count, AT_ONCE):
        async with asyncio.timeout(ANSWER_S):
            await asyncio.gather(*[ENDS[number % len(ENDS)](port) for number in range(start, start + AT_ONCE)])


def held() -> tuple[int, int, int, int]:
    """Count tasks, file descriptors, connections and sessions that exist in this process."""
    gc.collect()
    kinds = [type(thing) for thing in gc.get_objects()]
    return len(asyncio.all_tasks()), descriptors(), kinds.count(GatewayConnection), kinds.count(Session)


def descriptors() -> int:
    """Count open file descriptors, by asking for each: reading a folder would be a blocking call."""
    return sum(is_open(number) for number in range(512))


def is_open(number: int) -> bool:
    """Tell whether a file descriptor is open."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@on_uvloop
async def test_nothing_is_held(quick_models: Path) -> None:
    """After 500 connections of all kinds there are as many tasks, descriptors, connections and sessions as before."""
    async with running(models=quick_models) as gateway:
        await visits(gateway.port, 4 * AT_ONCE)
        await eventually(lambda: not gateway.hub.connections and not gateway.hub.half_open)
        await asyncio.sleep(0.01)
        before = held()
        await visits(gateway.port, CONNECTIONS)
        await eventually(lambda: not gateway.hub.connections and not gateway.hub.half_open)
        await eventually(lambda: held() == before)
        assert all(not worker.queue for worker in gateway.engine.catalogue)
        opened, closed = gateway.metrics.connections_opened, gateway.metrics.connections_closed.values
        assert opened == sum(closed.values()) >= CONNECTIONS * 4 // len(ENDS)


async def test_memory_is_given_back(serve: Serve, quick_models: Path) -> None:
    """The process holds no more than 5 % more after 1,000 connections than after the first 300."""
    server = serve(quick_models)
    await visits(server.port, 300)
    before = server.memory_bytes()
    await visits(server.port, 1000)
    after = server.memory_bytes()
    found = await numbers(server.port)
    assert found("connections") == 0
    assert after < before * 1.05, (before, after)
