"""Bounds: what happens when there is more to send than the server or the network takes."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
from waiting import until
from websockets.exceptions import ConnectionClosed

import tidegate
from tidegate import errors
from tidegate.client.link import WRITE_LIMIT_BYTES
from tidegate.client.testing import FakeGateway
from tidegate.codecs.messages import Infer

if TYPE_CHECKING:
    from tidegate.client.connection import Connection
    from tidegate.results import Array

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.timeout(20)]

X = np.arange(4, dtype="<f4")
MIB = 1024 * 1024


async def quick(tensors: dict[str, Array]) -> dict[str, Array]:
    return {"n": tensors["n"]} if "n" in tensors else dict(tensors)


async def never(tensors: dict[str, Array]) -> dict[str, Array]:
    await asyncio.Event().wait()
    return {}


MODELS = {"quick": quick, "never": never}


def held(gw: Connection) -> int:
    return gw._driver.session.ledger.held_bytes


async def test_ten_thousand_at_once() -> None:
    """Ten thousand concurrent calls are answered, each with its own answer, and the window is kept all the time."""
    running = peak = 0

    async def counting(tensors: dict[str, Array]) -> dict[str, Array]:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        return dict(tensors)

    async with FakeGateway({"counting": counting}, in_flight=64) as gateway, tidegate.connect(gateway.url) as gw:
        numbers = [np.array(number, "<i4") for number in range(10_000)]
        outs = await asyncio.gather(*[gw.infer("counting", n=number) for number in numbers])
        assert [int(out["n"]) for out in outs] == list(range(10_000))
        assert peak <= 64


async def test_beyond_max_pending() -> None:
    """More than max_pending waiting requests are refused at once, and the others are not disturbed."""
    async with FakeGateway(MODELS, in_flight=1) as gateway, tidegate.connect(gateway.url, max_pending=3) as gw:
        tasks = [gw.submit("never", x=X) for _ in range(4)]
        with pytest.raises(errors.Overloaded, match="max_pending"):
            gw.submit("never", x=X)
        with pytest.raises(errors.Overloaded, match="max_pending"):
            await gw.infer("never", x=X)
        assert [task.status for task in tasks] == ["sent", "queued", "queued", "queued"]


async def test_infer_waits_for_memory_and_submit_refuses() -> None:
    """When the buffer is full, infer waits with its time limit running, and submit says so."""
    big = np.zeros(600_000, "u1")
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url, max_buffer_bytes=MIB) as gw:
        first = gw.submit("never", x=big)
        with pytest.raises(errors.Overloaded, match="max_buffer_bytes"):
            gw.submit("quick", x=big)
        with pytest.raises(errors.DeadlineExceeded, match="not sent"):
            await gw.infer("quick", x=big, timeout=0.02)
        waiting = asyncio.create_task(gw.infer("quick", x=big))
        await gw.ping()
        assert held(gw) < MIB
        await first.cancel()
        np.testing.assert_array_equal((await waiting)["x"], big)
        assert held(gw) == 0


async def test_a_server_that_does_not_read() -> None:
    """If the server stops reading, memory stays bounded, time limits hold, and the connection is cut by the watchdog."""
    big = np.zeros(MIB, "u1")
    async with (
        FakeGateway(MODELS, keepalive_ms=300) as gateway,
        tidegate.connect(gateway.url, max_buffer_bytes=16 * MIB, reconnect=False) as gw,
    ):
        await gw.infer("quick", n=X)
        gateway.stop_reading()
        calls = [
            asyncio.create_task(gw.infer("quick", n=X, x=big, timeout=0.1 if number < 8 else 30.0)) for number in range(64)
        ]
        await until(lambda: held(gw) > 2 * MIB)
        link = gw._driver._link
        assert link is not None
        await until(lambda: link.room_bytes == 0)
        assert link.transport.get_write_buffer_size() <= WRITE_LIMIT_BYTES + 2 * MIB
        assert held(gw) <= 16 * MIB
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, errors.DeadlineExceeded) for outcome in outcomes[:8])
        assert all(isinstance(outcome, errors.ConnectionLost) for outcome in outcomes[8:])
        assert "no sign of life" in repr(gw)
        assert held(gw) == 0


async def test_a_server_that_reads_in_fits_and_starts() -> None:
    """When a server that stopped reading goes on, so does the client: nothing is lost and nothing is sent twice."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        gateway.stop_reading()
        calls = [asyncio.create_task(gw.infer("quick", x=np.full(MIB, number, "u1"))) for number in range(32)]
        link = gw._driver._link
        assert link is not None
        await until(lambda: link.paused)
        gateway.read_again()
        outs = await asyncio.gather(*calls)
        assert [int(out["x"][-1]) for out in outs] == list(range(32))
        assert sum(isinstance(message, Infer) for message in gateway.received) == 32


async def test_endlessly_many_fragments() -> None:
    """A message in more fragments than anybody needs ends the connection instead of filling the memory."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url, reconnect=False) as gw:
        task = gw.submit("never", x=X)
        await gw.ping()
        (connection,) = gateway.connections
        with suppress(ConnectionClosed):
            await connection.send(["x"] * 5000)
        with pytest.raises(errors.ConnectionLost):
            await task


async def test_closing_does_not_wait_for_a_server_that_does_not_read() -> None:
    """Close ends within close_timeout although there is a megabyte that nobody takes."""
    async with FakeGateway(MODELS) as gateway:
        gw = await tidegate.connect(gateway.url, close_timeout=0.1)
        gateway.stop_reading()
        tasks = [gw.submit("never", x=np.zeros(4 * MIB, "u1")) for _ in range(4)]
        await asyncio.sleep(0)
        start = time.monotonic()
        await gw.close()
        assert time.monotonic() - start < 2.0
        assert [task.status for task in tasks] == ["failed"] * 4


async def test_too_large_is_refused_here() -> None:
    """A request that the server would refuse is not sent."""
    async with FakeGateway(MODELS, message_bytes=10_000) as gateway, tidegate.connect(gateway.url) as gw:
        with pytest.raises(errors.TooLarge, match="10000"):
            await gw.infer("quick", x=np.zeros(20_000, "u1"))
        assert not any(isinstance(message, Infer) for message in gateway.received)
        await gw.infer("quick", x=X)


async def test_writes_are_joined() -> None:
    """The first request of an idle connection goes out at once, and the others of that turn of the loop in one write."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        link = gw._driver._link
        assert link is not None
        writes: list[int] = []
        write = link.transport.write
        link.transport.write = lambda data: (writes.append(len(data)), write(data))[1]  # type: ignore[method-assign]
        await asyncio.gather(*[gw.infer("quick", n=X) for _ in range(100)])
        assert len(writes) == 2
