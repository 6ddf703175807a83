"""Good messages that arrive in strange ways: each is answered as if it had come in the usual one."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from neighbour import working
from raw_client import ANSWER_S, BINARY, CLOSE, CONT, PING, PONG, TEXT, RawClient, frame, message_frame, upgrade
from solo import digits

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Infer, Result
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from server_process import ServerProcess

    from tidegate.codecs.reader import Received

MEANWHILE = 2  # answers; alone it would get hundreds, starved it got none


def request(number: int, form: Form = Form.MSGPACK) -> bytes:
    """A good request for one image, as a frame."""
    return message_frame(Infer(id=number, model_name="digits"), {"image": image(number)}, form)


def image(number: int) -> np.ndarray:
    return digits()[0][number : number + 1]


def is_right(answer: Received, number: int) -> bool:
    """Tell whether this answers the request of that number, and rightly."""
    message = answer.message
    return (
        isinstance(message, Result) and message.id == number and np.array_equal(answer.tensors["probs"][0], digits()[1][number])
    )


async def answers(client: RawClient, count: int) -> None:
    """Read the answers of the requests 0 to ``count`` - 1, in any order."""
    got = [await client.message() for _ in range(count)]
    assert all(is_right(answer, answer.message.id) for answer in got)
    assert {answer.message.id for answer in got} == set(range(count))


@pytest.mark.parametrize("form", Form)
async def test_every_form_is_answered_in_its_own(form: Form, bundled_server: ServerProcess) -> None:
    """Text is answered with text, a msgpack header with one, a JSON header with one."""
    async with await RawClient.open(bundled_server.port) as client:
        await client.send(request(5, form))
        answer = await client.message()
        assert is_right(answer, 5)
        assert answer.form is form


async def test_one_byte_at_a_time(bundled_server: ServerProcess) -> None:
    """Requests whose bytes come one by one are answered."""
    async with await RawClient.open(bundled_server.port) as client:
        for byte in request(0) + request(1, Form.TEXT) + frame(b"hello", PING):
            client.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await client.writer.drain()
        got = {await client.frame() for _ in range(3)}
        assert {opened.opcode for opened in got if opened} == {BINARY, TEXT, PONG}


async def test_two_frames_split_anywhere(bundled_server: ServerProcess) -> None:
    """Two frames in two packets are two requests, wherever the first packet ends."""
    whole = request(0) + request(1)
    async with await RawClient.open(bundled_server.port) as client:
        for cut in range(1, len(whole), 7):
            await client.send(whole[:cut])
            await asyncio.sleep(0.0005)
            await client.send(whole[cut:])
            await answers(client, 2)


@pytest.mark.parametrize("form", Form)
async def test_a_message_in_fragments(form: Form, bundled_server: ServerProcess) -> None:
    """A message in fragments, with pings among them, is put together."""
    whole = encode(Infer(id=0, model_name="digits"), form, {"image": image(0)})
    parts = [whole[start : start + 50] for start in range(0, len(whole), 50)]
    first = frame(parts[0], TEXT if form is Form.TEXT else BINARY, fin=False)
    rest = [frame(b"?", PING) + frame(part, CONT, fin=False) for part in parts[1:]]
    async with await RawClient.open(bundled_server.port) as client:
        await client.send(first + b"".join(rest) + frame(b"", CONT) + request(1))
        await answers(client, 2)


async def test_a_mask_of_zeros(bundled_server: ServerProcess) -> None:
    """A mask that changes nothing is a mask."""
    payload = encode(Infer(id=0, model_name="digits"), Form.MSGPACK, {"image": image(0)})
    async with await RawClient.open(bundled_server.port) as client:
        await client.send(frame(payload, mask=bytes(4)))
        await answers(client, 1)


async def test_a_length_in_more_bytes_than_needed(bundled_server: ServerProcess) -> None:
    """A frame whose length is written longer than needed is read as the library reads it."""
    payload = b'{"op":"ping","id":1}'
    async with await RawClient.open(bundled_server.port) as client:
        await client.send(bytes((0x81, 0x80 | 127)) + struct.pack("!Q", len(payload)) + bytes(4) + payload)
        assert (await client.message()).message.id == 1


async def test_frames_in_the_packet_of_the_handshake(bundled_server: ServerProcess) -> None:
    """What a client sends without waiting for the answer to its handshake is answered after the ``hello``."""
    async with await RawClient.open(bundled_server.port, early=request(0) + request(1, Form.TEXT)) as client:
        await answers(client, 2)


async def test_much_in_the_packet_of_the_handshake(bundled_server: ServerProcess) -> None:
    """Two hundred and fifty requests that are sent with the handshake, more than is kept at once, are all answered."""
    async with await RawClient.open(bundled_server.port, early=b"".join(request(number) for number in range(250))) as client:
        await answers(client, 250)


@pytest.mark.parametrize("size", [1, 2, 5, 13, 94, 200])
async def test_part_of_a_frame_in_the_packet_of_the_handshake(size: int, bundled_server: ServerProcess) -> None:
    """A frame of which the first bytes came with the handshake is one frame."""
    async with await RawClient.open(bundled_server.port, early=request(0)[:size]) as client:
        await client.send(request(0)[size:] + request(1))
        await answers(client, 2)


async def test_a_refused_handshake_runs_nothing(bundled_server: ServerProcess) -> None:
    """A request behind a handshake that is refused is not executed: the connection ends with the refusal."""
    async with await RawClient.connect(bundled_server.port) as client:
        await client.send(upgrade(bundled_server.port, Origin="http://evil.example") + request(0) + frame(b"x", PING))
        assert await client.head() == 403
        async with asyncio.timeout(ANSWER_S):
            body = await client.reader.read(-1)
        assert body.startswith(b"this Origin")
        assert b"result" not in body


async def test_an_empty_close_is_echoed(bundled_server: ServerProcess) -> None:
    """A close frame without a code is answered by one, and the connection ends."""
    async with await RawClient.open(bundled_server.port) as client:
        await client.send(frame(b"", CLOSE))
        got = await client.frame()
        assert got is not None
        assert (got.opcode, got.payload) == (CLOSE, b"")
        assert await client.frame() is None


async def test_nothing_is_served_after_a_close(bundled_server: ServerProcess) -> None:
    """Requests behind a close frame, in the same packet, get no answer."""
    async with await RawClient.open(bundled_server.port) as client:
        await client.send(frame(struct.pack("!H", 1000), CLOSE) + request(0))
        assert await client.until_closed() == ([], 1000)


@pytest.mark.parametrize(
    ("unit", "answer"),
    [(frame(b"", PING), PONG), (frame(b"x"), BINARY), (frame(b"{", TEXT), TEXT), (frame(b"", PONG), None)],
    ids=["pings", "tiny binaries", "tiny texts", "pongs"],
)
async def test_a_flood_of_tiny_frames_holds_nobody_up(unit: bytes, answer: int | None, bundled_server: ServerProcess) -> None:
    """Thousands of tiny frames at once are all answered, pings by the latest; a neighbour gets its answers meanwhile."""
    count = 8_000  # the gateway closes for more than 10,000
    async with working(bundled_server.port) as neighbour, await RawClient.open(bundled_server.port) as client:
        before = len(neighbour.latencies_s)
        client.writer.write(unit * count + frame(b'{"op":"ping","id":"last"}', TEXT))
        got: Counter[int] = Counter()
        while (one := await client.frame()) is not None and b'"last"' not in one.payload:
            got[one.opcode] += 1
            await asyncio.sleep(0)  # the neighbour lives in this process too
        if answer == PONG:
            assert 1 <= got.pop(PONG) <= count
        if answer in (BINARY, TEXT):  # the others take so little time that nobody could be kept waiting
            assert got == {answer: count}
            assert len(neighbour.latencies_s) - before >= MEANWHILE
        else:
            assert not got
