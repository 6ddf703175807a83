"""Every limit is enforced at its number and not before; whoever keeps to it is served on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from good_requests import quick, slow, wide
from http_get import numbers, until
from in_process import eventually, on_uvloop, running
from model_folders import WIDE
from raw_client import TEXT, RawClient, frame, message_frame, upgrade

from tidegate.codecs.messages import Cancel, Error, Result

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import Serve

KIB, MIB = 1024, 1024 * 1024


@on_uvloop
async def test_only_the_surplus_is_refused(slow_models: Path) -> None:
    """Of 12 requests where 4 may be in flight 8 are refused as overloaded, at once; the 4 are answered, then there is room."""
    async with running(models=slow_models, in_flight=4) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(b"".join(slow(number) for number in range(12)))
        got = [(await client.message()).message for _ in range(12)]
        refused = [message for message in got if isinstance(message, Error)]
        assert [message.id for message in refused] == list(range(4, 12))
        assert {(message.code, message.retryable) for message in refused} == {("overloaded", True)}
        assert got[:8] == refused
        assert {message.id for message in got if isinstance(message, Result)} == set(range(4))
        await client.send(slow(99))
        assert isinstance((await client.message()).message, Result)
        assert (await numbers(gateway.port))("refused_total", reason="in_flight") == 8


@on_uvloop
async def test_a_full_queue_refuses(slow_models: Path) -> None:
    """Requests beyond what may wait for a model are refused as overloaded, with a time to come back; other models serve on."""
    async with running(models=slow_models, queue_requests=2, compute_slots=1) as gateway:
        async with await RawClient.open(gateway.port) as client:
            await client.send(b"".join(slow(number) for number in range(8)) + quick(8))
            answers = {message.id: message for message in [(await client.message()).message for _ in range(9)]}
        refused = [message for message in answers.values() if isinstance(message, Error)]
        assert len(refused) in (5, 6)  # two wait, and one may have begun to run
        assert {message.code for message in refused} == {"overloaded"}
        assert all(message.retryable and message.retry_after_ms for message in refused)
        assert isinstance(answers[8], Result)
        assert (await numbers(gateway.port))("refused_total", reason="queue_requests") == len(refused)


@on_uvloop
async def test_tensors_that_wait_have_a_bound_in_bytes(slow_models: Path) -> None:
    """Requests whose tensors find no room any more are refused as overloaded."""
    bound = 16 * (KIB + 8)  # what 16 of them take
    settings = {"message_bytes": bound, "text_bytes": 4 * KIB, "queue_bytes": bound, "compute_slots": 1}
    async with running(models=slow_models, **settings) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(b"".join(slow(number) for number in range(20)))
        answers = [(await client.message()).message for _ in range(20)]
        refused = [message for message in answers if isinstance(message, Error)]
        assert [message.id for message in refused] == list(range(16, 20))
        assert {message.code for message in refused} == {"overloaded"}


@pytest.mark.parametrize("extra", [0, 1])
@on_uvloop
async def test_a_binary_message_has_a_largest_size(extra: int, quick_models: Path) -> None:
    """A binary message of exactly the limit is read; one byte more closes the connection with 1009."""
    limits = {"message_bytes": 64 * KIB, "text_bytes": 4 * KIB}
    async with running(models=quick_models, **limits) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(frame(bytes(64 * KIB + extra)))
        if extra:
            assert await client.until_closed() == ([], 1009)
        else:
            assert (await client.message()).message.code == "invalid_message"


@on_uvloop
async def test_a_text_message_has_a_largest_size(quick_models: Path) -> None:
    """A text message of exactly the limit is read; one byte more is an error with its id, and the connection goes on."""
    ping = b'{"op":"ping","id":5}'
    limits = {"message_bytes": 64 * KIB, "text_bytes": 4 * KIB}
    async with running(models=quick_models, **limits) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(frame(ping.ljust(4 * KIB), TEXT) + frame(ping.ljust(4 * KIB + 1), TEXT) + frame(ping, TEXT))
        pong, error, again = [(await client.message()).message for _ in range(3)]
        assert (pong.id, again.id) == (5, 5)
        assert (error.code, error.id) == ("too_large", 5)


@on_uvloop
async def test_the_limits_are_announced(quick_models: Path) -> None:
    """The first message says what the settings say, and our subprotocol is chosen."""
    settings = {"message_bytes": 2 * MIB, "text_bytes": 64 * KIB, "in_flight": 7, "keepalive_s": 4}
    async with running(models=quick_models, **settings) as gateway, await RawClient.connect(gateway.port) as client:
        await client.send(upgrade(gateway.port, Sec_WebSocket_Protocol="other, tidegate.v1"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"101" in head
        assert b"Sec-WebSocket-Protocol: tidegate.v1\r\n" in head
        hello = (await client.message()).message
    assert (hello.limits.message_bytes, hello.limits.text_bytes, hello.limits.in_flight) == (2 * MIB, 64 * KIB, 7)
    assert (hello.protocol, hello.keepalive_ms) == ("tidegate.v1", 4000)


@on_uvloop
async def test_an_answer_that_is_too_large_is_an_error(quick_models: Path) -> None:
    """A result larger than a client may have waiting is an error with its id; the connection goes on."""
    settings = {"outbound_bytes": 512 * KIB, "message_bytes": 256 * KIB, "text_bytes": 64 * KIB}
    async with running(models=quick_models, **settings) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(wide(1) + quick(2))
        answers = {message.id: message for message in [(await client.message()).message for _ in range(2)]}
        assert answers[1].code == "too_large"
        assert isinstance(answers[2], Result)


async def test_whoever_keeps_the_limits_loses_no_answer(serve: Serve, quick_models: Path) -> None:
    """A client with 128 requests in flight, of 1 MB each in answer, that reads them a moment later gets an answer to each."""
    server = serve(quick_models)
    async with await RawClient.open(server.port) as client:
        await client.send(b"".join(wide(number) for number in range(128)))
        await until(server.port, lambda found: found("rows_total", model="wide") == 128 or not found("connections"))
        got = [await client.message() for _ in range(128)]
        assert {answer.message.id for answer in got} == set(range(128))
        results = [answer for answer in got if isinstance(answer.message, Result)]
        assert all((answer.tensors["y"] == answer.message.id).all() and answer.tensors["y"].size == WIDE for answer in results)


@on_uvloop
async def test_connections_have_a_bound(quick_models: Path) -> None:
    """The connection beyond the bound gets 503; when one leaves there is room again."""
    async with running(models=quick_models, max_connections=3) as gateway:
        clients = [await RawClient.open(gateway.port) for _ in range(3)]
        async with await RawClient.connect(gateway.port) as surplus:
            await surplus.send(upgrade(gateway.port) + quick(1))
            assert await surplus.head() == 503
        await clients.pop().hang_up()
        await eventually(lambda: len(gateway.hub.connections) == 2)
        clients.append(await RawClient.open(gateway.port))
        for client in clients:
            await client.hang_up()
        counted = await numbers(gateway.port)
        assert (counted("refused_total", reason="connections"), counted("connections_opened_total")) == (1, 4)


def is_cut(client: RawClient) -> bool:
    """Tell whether the server has ended a connection."""
    return client.reader.at_eof() or client.reader.exception() is not None


@on_uvloop
async def test_handshakes_have_a_bound(quick_models: Path) -> None:
    """Of connections that say nothing so many are kept: the oldest is cut off, and who has something to say gets in."""
    async with running(models=quick_models, max_handshakes=5) as gateway:
        silent = [await RawClient.connect(gateway.port) for _ in range(12)]
        await eventually(lambda: sum(map(is_cut, silent)) >= 7)
        assert list(map(is_cut, silent)) == [True] * 7 + [False] * 5
        async with await RawClient.open(gateway.port) as client:
            await client.send(quick(1))
            assert isinstance((await client.message()).message, Result)
        assert (await numbers(gateway.port))("refused_total", reason="handshakes") >= 8
        for client in silent:
            await client.hang_up()


@on_uvloop
async def test_a_handshake_has_a_time_limit(quick_models: Path) -> None:
    """A client that sends its handshake a byte at a time, without end, is cut off in time."""
    async with (
        running(models=quick_models, handshake_timeout_s=0.3) as gateway,
        await RawClient.connect(gateway.port) as client,
    ):
        start = time.monotonic()
        for byte in upgrade(gateway.port)[:-1] * 10:
            await client.send(bytes([byte]))
            if is_cut(client):
                break
            await asyncio.sleep(0.005)
        assert await client.frame() is None
        assert 0.25 < time.monotonic() - start < 5


@on_uvloop
async def test_a_request_has_the_time_that_it_says(slow_models: Path) -> None:
    """What cannot be in time is refused at once; what runs out of time while it waits is told so and never runs."""
    async with running(models=slow_models, compute_slots=1) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(slow(0, 3000))  # far longer than could be foreseen
        await eventually(lambda: gateway.engine.busy_s() > 0)
        await client.send(slow(1, timeout_ms=500) + slow(2, timeout_ms=1))
        refused, late = (await client.message()).message, (await client.message()).message
        assert (refused.id, refused.code, refused.retryable) == (2, "overloaded", True)
        assert refused.retry_after_ms > 0
        assert (late.id, late.code, late.retryable) == (1, "deadline_exceeded", False)
        assert "not executed" in late.message
        await client.send(message_frame(Cancel(id=0)))
        assert (await client.message()).message.outcome == "dropped"
        assert gateway.metrics.model("slow").rows == 0
