"""How a gateway ends: announced, with the work done that was begun, in time, whoever else is connected."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from good_requests import quick, slow, wide
from http_get import until as until_numbers
from raw_client import RawClient, upgrade
from server_process import Serve, ServerProcess, until
from test_slow_clients import deaf

from tidegate.codecs.messages import Error, Goaway, Message, Result

if TYPE_CHECKING:
    from pathlib import Path

GRACE_S = 3.0


async def begun(server: ServerProcess, rows: int = 1) -> None:
    """Wait until so many rows of the slow model have run."""
    await until_numbers(server.port, lambda found: found("rows_total", model="slow") >= rows)


async def last_words(client: RawClient) -> tuple[list[Message], int | None]:
    """Read to the end of a connection."""
    messages, code = await client.until_closed()
    return [received.message for received in messages], code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_work_is_finished_and_delivered(number: signal.Signals, serve: Serve, slow_models: Path) -> None:
    """On SIGTERM a client is told, gets every answer that it waits for, is closed with 1001; the process exits with 0."""
    server = serve(slow_models, "--grace-s", GRACE_S)
    async with await RawClient.open(server.port) as client:
        await client.send(b"".join(slow(request) for request in range(20)))
        await begun(server)
        server.process.send_signal(number)
        messages, code = await last_words(client)
    assert code == 1001
    assert {message.id for message in messages if isinstance(message, Result)} == set(range(20))
    (goaway,) = [message for message in messages if isinstance(message, Goaway)]
    assert 0 < goaway.time_left_ms <= 1000 * GRACE_S
    assert len(messages) == 21
    assert server.wait() == 0


async def test_new_work_is_refused(serve: Serve, slow_models: Path) -> None:
    """After ``goaway`` a new request is refused as shutting_down, and a new connection not taken."""
    server = serve(slow_models, "--grace-s", GRACE_S)
    async with await RawClient.open(server.port) as client:
        await client.send(b"".join(slow(request) for request in range(20)))
        await begun(server)
        server.terminate()
        while not isinstance((await client.message()).message, Goaway):
            pass
        await client.send(quick(77))
        messages, code = await last_words(client)
        (refused,) = [message for message in messages if isinstance(message, Error)]
        assert (refused.id, refused.code, refused.retryable) == (77, "shutting_down", True)
        with pytest.raises(ConnectionError):
            await RawClient.open(server.port)
    assert (code, server.wait()) == (1001, 0)


async def test_the_grace_time_is_the_longest(serve: Serve, slow_models: Path) -> None:
    """What has not begun within the grace time is refused as not executed, what has begun is dropped; all is answered."""
    server = serve(slow_models, "--grace-s", 0.3, "--compute-slots", 1)
    async with await RawClient.open(server.port) as client:
        await client.send(b"".join(slow(request) for request in range(200)))
        await begun(server)
        server.terminate()
        start = time.monotonic()
        messages, code = await last_words(client)
    assert (code, server.wait()) == (1001, 0)
    assert time.monotonic() - start < 3
    ends = [message for message in messages if isinstance(message, Result | Error)]
    assert sorted(message.id for message in ends) == list(range(200))
    refused = [message for message in ends if isinstance(message, Error)]
    assert 100 < len(refused) < 200
    how = {(message.code, message.retryable, message.outcome) for message in refused}
    assert ("shutting_down", True, None) in how
    assert how <= {("shutting_down", True, None), ("cancelled", False, "dropped")}


async def test_a_run_that_is_too_long_is_given_up(serve: Serve, slow_models: Path) -> None:
    """A run that goes on far beyond the grace time is answered as cancelled, since it did run, and the process ends with 0."""
    server = serve(slow_models, "--grace-s", 0.3)
    async with await RawClient.open(server.port) as client:
        await client.send(slow(1, ms=20_000))
        await until_numbers(server.port, lambda found: found("slot_busy_share"))
        server.terminate()
        messages, code = await last_words(client)
    assert [(m.id, m.code, m.outcome) for m in messages if isinstance(m, Error)] == [(1, "cancelled", "dropped")]
    assert (code, await asyncio.to_thread(server.wait, 5)) == (1001, 0)


async def test_bad_company_does_not_delay_it(serve: Serve, slow_models: Path) -> None:
    """A half-open handshake, an idle client that never hangs up and one in the middle of a frame do not keep the process."""
    server = serve(slow_models, "--grace-s", GRACE_S)
    silent, halfway = await RawClient.connect(server.port), await RawClient.connect(server.port)
    idle, midway, good = [await RawClient.open(server.port) for _ in range(3)]
    await halfway.send(upgrade(server.port)[:40])
    await midway.send(quick(1)[:20])
    await good.send(slow(1))
    await begun(server)
    server.terminate()
    messages, code = await last_words(good)
    assert code == 1001
    assert any(isinstance(message, Goaway) for message in messages)
    assert await asyncio.to_thread(server.wait, GRACE_S + 3) == 0
    for client in (silent, halfway, idle, midway, good):
        await client.hang_up()


async def test_a_stuck_client_does_not_delay_it(serve: Serve, quick_models: Path) -> None:
    """With a client that reads none of its answers the process ends within the grace time, and a few seconds, with 0."""
    server = serve(quick_models, "--grace-s", 1, "--stall-timeout-s", 60)
    with closing(await deaf(server.port, b"".join(wide(number) for number in range(20)))):
        await until_numbers(server.port, lambda found: found("outbound_buffer_bytes") > 4e6)
        server.terminate()
        assert await asyncio.to_thread(server.wait, 1 + 4) == 0


async def test_a_second_signal_is_harmless(serve: Serve, slow_models: Path) -> None:
    """More signals while the process drains change nothing: the work is finished, the exit code 0."""
    server = serve(slow_models, "--grace-s", GRACE_S)
    async with await RawClient.open(server.port) as client:
        await client.send(b"".join(slow(request) for request in range(10)))
        await begun(server)
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            server.process.send_signal(number)
            await asyncio.sleep(0.01)
        messages, code = await last_words(client)
    assert sum(isinstance(message, Result) for message in messages) == 10
    assert (code, server.wait()) == (1001, 0)


def test_it_may_be_stopped_while_models_load(serve: Serve, slow_models: Path) -> None:
    """SIGTERM before it listens ends it with 0 and a clean log."""
    server = serve(slow_models, listening=False)
    assert until(lambda: "is loading its models" in server.log, 20)
    server.terminate()
    assert server.wait() == 0
