"""A gateway as an object: where it listens, what it shares, and that it ends as it began."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from good_requests import quick
from http_get import get
from in_process import on_uvloop, running
from raw_client import RawClient

import tidegate
from tidegate.codecs.messages import Goaway, Result
from tidegate.errors import ModelUnavailable
from tidegate.gateway.gateway import Gateway, bind
from tidegate.gateway.settings import Settings

if TYPE_CHECKING:
    import socket
    from pathlib import Path


def close(*sockets: socket.socket) -> None:
    for sock in sockets:
        sock.close()


def test_all_addresses_of_a_name_get_one_port() -> None:
    """With port 0, every address of the host listens on the same free port."""
    sockets = bind("localhost", 0)
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        assert sockets[0].getsockname()[1] > 0
    finally:
        close(*sockets)


def test_a_port_that_is_taken_is_an_error() -> None:
    """Binding a port that another gateway listens on fails at once."""
    first = bind("127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", first[0].getsockname()[1])
    finally:
        close(*first)


def test_a_port_is_free_again_at_once() -> None:
    """A port that was listened on a moment ago can be taken again."""
    for _ in range(3):
        first = bind("127.0.0.1", 0)
        port = first[0].getsockname()[1]
        close(*first)
        close(*bind("127.0.0.1", port))


@on_uvloop
async def test_several_gateways_in_one_process(quick_models: Path) -> None:
    """Two gateways have their own ports, connections and numbers."""
    async with running(models=quick_models) as one, running(models=quick_models) as two:
        assert one.port != two.port
        async with await RawClient.open(one.port) as client:
            await client.send(quick(1))
            assert isinstance((await client.message()).message, Result)
            assert (len(one.hub.connections), len(two.hub.connections)) == (1, 0)
        assert one.metrics.model("mlp").rows == 1
        assert two.metrics.model("mlp").rows == 0


@on_uvloop
async def test_the_sdk_connects_to_its_url(quick_models: Path) -> None:
    """``url`` is what ``tidegate.connect`` takes."""
    async with running(models=quick_models) as gateway, tidegate.connect(gateway.url) as client:
        assert gateway.url == f"ws://127.0.0.1:{gateway.port}/v1"
        assert (await client.infer("mlp", x=[[1, 2, 3, 4]]))["y"].shape == (1, 3)


@on_uvloop
async def test_a_host_with_several_addresses(quick_models: Path) -> None:
    """A gateway on ``localhost`` is reached at each of its addresses."""
    async with running(models=quick_models, host="localhost") as gateway:
        for sock in list(gateway._sockets):
            reader, writer = await asyncio.open_connection(sock.getsockname()[0], gateway.port)
            writer.write(f"GET /healthz HTTP/1.1\r\nHost: localhost:{gateway.port}\r\n\r\n".encode())
            assert b"200 OK" in await reader.readline()
            writer.close()


@on_uvloop
async def test_leaving_says_goodbye(quick_models: Path) -> None:
    """At the end of the block clients are told and closed with 1001, and nobody listens any more."""
    async with running(models=quick_models) as gateway:
        client, port = await RawClient.open(gateway.port), gateway.port
        reading = asyncio.create_task(client.until_closed())
        await asyncio.sleep(0)
    messages, code = await reading
    assert [type(received.message) for received in messages] == [Goaway]
    assert code == 1001
    with pytest.raises(ConnectionRefusedError):
        await RawClient.connect(port)
    await client.hang_up()


@on_uvloop
async def test_draining_twice_is_harmless(quick_models: Path) -> None:
    """A gateway that was drained may be drained again."""
    async with running(models=quick_models) as gateway:
        await gateway.drain("the first", grace_s=1)
        await asyncio.gather(gateway.drain("the second", grace_s=1), gateway.drain("the third", grace_s=1))


@on_uvloop
async def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Without a model to serve the start fails, and the port that was bound is free again."""
    gateway = Gateway(Settings(models=tmp_path, port=0))
    port = gateway.port
    try:
        with pytest.raises(ModelUnavailable):
            async with gateway:
                pass
        close(*bind("127.0.0.1", port))
    finally:
        close(*gateway._sockets)


@on_uvloop
async def test_readyz_while_it_stops(quick_models: Path) -> None:
    """Asked while it drains, a gateway says that it is not ready."""
    async with running(models=quick_models) as gateway:
        assert (await get(gateway.port, "/readyz")).status == 200
        gateway.http.draining = True
        reply = await get(gateway.port, "/readyz")
        assert (reply.status, reply.json()["draining"]) == (503, True)
