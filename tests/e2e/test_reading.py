"""A gateway whose clients send what is large, endless, unfinished or of no use: it says so, and the others go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from good_requests import slow
from in_process import ended, eventually, on_uvloop, running
from neighbour import Neighbour, working
from raw_client import CONT, PING, PONG, TEXT, RawClient, frame, message_frame
from solo import digits

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Infer, Models, Ping

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
LARGE = np.zeros((4 * MIB - 1024,), np.float32)  # nearly 16 MiB


@pytest.fixture(autouse=True)
def expected() -> None:
    """Compute what neighbours expect before a loop runs."""
    digits()


@on_uvloop
async def test_a_neighbour_of_floods_and_of_large_messages() -> None:
    """Beside clients that flood, send 16 MiB and send a megabyte of JSON, another's requests and pings are answered."""
    async with running() as gateway, working(gateway.port) as neighbour:
        text = message_frame(Infer(id=2, model_name="digits"), {"image": np.full((4000, 8, 8), 0.5)}, Form.TEXT)
        senders = [await RawClient.open(gateway.port) for _ in range(4)]
        for sender, data in zip(
            senders,
            (
                message_frame(Infer(id=1, model_name="digits"), {"x": LARGE}) * 3,
                text * 3,
                frame(b"1234567") * 8_000,
                frame(b"", PING) * 9_000,
            ),
            strict=True,
        ):
            sender.writer.write(data)
        before = len(neighbour.latencies_s)
        assert [(await senders[0].message()).message.code for _ in range(3)] == ["invalid_input"] * 3
        assert [(await senders[1].message()).message.code for _ in range(3)] == ["invalid_input"] * 3
        await eventually(lambda: len(neighbour.latencies_s) >= before + 10)
        assert [(await senders[2].message()).message.code for _ in range(8_000)] == ["invalid_message"] * 8_000
        got = await senders[3].frame()
        assert got is not None
        assert got.opcode == PONG
        for sender in senders:
            await sender.hang_up()
        await ended(gateway, "lost", 4)
        assert neighbour.p99_s(before) < 5


@on_uvloop
async def test_what_is_large_keeps_its_place() -> None:
    """Messages before, behind and between large ones are answered in their order."""
    async with running() as gateway, await RawClient.open(gateway.port) as client:
        image = np.zeros((5000, 8, 8), np.float32)
        await client.send(
            b"".join(
                [
                    message_frame(Ping(id=1)),
                    message_frame(Infer(id=2, model_name="nobody"), {"image": image}, Form.TEXT),
                    message_frame(Ping(id=3)),
                    message_frame(Infer(id=4, model_name="nobody"), {"image": image}),
                    message_frame(Ping(id=5), form=Form.TEXT),
                ]
            )
        )
        assert [(await client.message()).message.id for _ in range(5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "useless",
    [frame(b"1234567"), frame(b"{", TEXT), frame(b"", PING), frame(b"", PONG)],
    ids=["bytes", "text", "pings", "pongs"],
)
def test_a_flood_is_closed(useless: bytes) -> None:
    """Tens of thousands of messages that cannot be read, of pings or of pongs are answered by a close with 4429."""

    @on_uvloop
    async def story() -> None:
        async with running() as gateway, await RawClient.open(gateway.port) as client:
            reading = asyncio.create_task(client.until_closed())
            await client.send(useless * 40_000)
            _, code = await reading
            assert code == 4429
            await ended(gateway, "flood")
            async with await RawClient.open(gateway.port) as other:
                await Neighbour(other).work(3)

    story()


@on_uvloop
async def test_refused_requests_are_no_flood() -> None:
    """A client whose requests are all refused as ``overloaded`` or for their input goes on being answered."""
    async with running(in_flight=1) as gateway, await RawClient.open(gateway.port) as client:
        bad = message_frame(Infer(id=1, model_name="digits"), {"x": np.zeros(1, np.float32)})
        for _ in range(15):
            await client.send(bad * 1000)
            assert all([(await client.message()).message.code == "invalid_input" for _ in range(1000)])
        assert not gateway.metrics.connections_closed.values["flood"]


@pytest.mark.parametrize(
    "begun", [frame(b"x", claimed=15 * MIB), frame(b"x", fin=False) + frame(b"y" * 100_000, CONT, fin=False)]
)
def test_a_message_without_end_is_cut_off(begun: bytes) -> None:
    """A client that begins a message and then only sends a byte, or a ping, now and then is cut off; what it held is free."""

    @on_uvloop
    async def story() -> None:
        async with running(keepalive_s=0.3) as gateway, await RawClient.open(gateway.port) as client:
            await client.send(begun)
            while not gateway.metrics.connections_closed.values["unfinished"]:
                await client.send(b"z" if begun[0] == 0x82 else frame(b"", PING))
                await asyncio.sleep(0.02)
            assert gateway.hub.intake.inbound.nbytes == 0

    story()


@on_uvloop
async def test_half_received_messages_have_a_bound() -> None:
    """Many clients that begin large messages hold no more than may be held; those that are not paused finish theirs."""
    most = 8 * MIB
    async with running(message_bytes=2 * MIB, inbound_bytes=most) as gateway:
        whole = message_frame(Infer(id=1, model_name="digits"), {"x": np.zeros(MIB // 4, np.float32)})
        clients = [await RawClient.open(gateway.port) for _ in range(12)]
        for client in clients:
            client.writer.write(whole[: 800 * 1024])
        inbound = gateway.hub.intake.inbound
        await eventually(lambda: inbound.nbytes >= most // 2)
        await asyncio.sleep(0.1)
        assert inbound.nbytes <= most
        for client in clients:
            client.writer.write(whole[800 * 1024 :])
        assert [(await client.message()).message.code for client in clients] == ["invalid_input"] * 12
        await eventually(lambda: not inbound.nbytes)
        for client in clients:
            await client.hang_up()


@on_uvloop
async def test_a_live_id_is_not_taken_for_a_question(slow_models: Path) -> None:
    """``ping`` and ``models`` with the id of a live request are refused without an id, and the request gets its answer."""
    async with running(models=slow_models) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(slow(1) + message_frame(Ping(id=1)) + message_frame(Models(id=1)))
        for _ in range(2):
            error = (await client.message()).message
            assert (error.code, error.id, error.duplicate_of) == ("duplicate_id", None, 1)
        assert (await client.message()).message.id == 1


@on_uvloop
async def test_the_end_waits_for_what_is_being_decoded() -> None:
    """A large message that is being decoded when the gateway stops is answered before its connection is closed."""
    image = np.zeros((3000, 8, 8), np.float32)
    async with running() as gateway:
        client = await RawClient.open(gateway.port)
        client.writer.write(message_frame(Infer(id=1, model_name="digits"), {"image": image}, Form.TEXT))
        (connection,) = gateway.hub.connections
        await eventually(lambda: connection.decoding)
        assert connection.live == 1
        reading = asyncio.create_task(client.until_closed())
    messages, code = await reading
    assert [message.message.id for message in messages if hasattr(message.message, "id")] == [1]
    assert code == 1001
