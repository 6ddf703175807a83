"""A thousand wrong frames of a hundred kinds: each gets exactly its documented reaction, and nobody else notices."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from in_process import eventually
from malformed import BROKEN, REFUSED, Kind
from neighbour import working
from raw_client import TEXT, RawClient, frame

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Error

if TYPE_CHECKING:
    from server_process import ServerProcess

    from tidegate.codecs.reader import Received

FRAMES = 1000
ALONE = 300  # answers that the neighbour gets before it starts
NEIGHBOUR_P99_S = 0.25  # most of it is this process, which plays all clients
NOISE = 30  # times its p99 alone, where the machine itself is slow
_KINDS = [*REFUSED, *BROKEN]


def test_there_are_enough_kinds() -> None:
    """At least 25 kinds, each with a name of its own."""
    assert len({kind.name for kind in _KINDS}) == len(_KINDS) >= 25


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.name)
async def test_a_wrong_message_gets_its_error(kind: Kind, bundled_server: ServerProcess) -> None:
    """Each kind of wrong message gets its documented error, and the connection goes on."""
    async with await RawClient.open(bundled_server.port) as client:
        for number in (3, 14):
            await refused(client, kind, number)


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.name)
async def test_a_broken_frame_gets_its_close_code(kind: Kind, bundled_server: ServerProcess) -> None:
    """Each kind of broken frame ends its connection with the documented code, and with no message."""
    await closed(bundled_server.port, kind, 3)


async def test_a_thousand_of_all_kinds_leave_a_neighbour_alone(
    bundled_server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a thousand wrong frames get their reactions, a neighbour's every request is answered rightly and soon."""
    sequence = (_KINDS * (FRAMES // len(_KINDS) + 1))[: max(FRAMES, len(_KINDS))]
    random.Random(7).shuffle(sequence)
    async with working(bundled_server.port) as neighbour:
        await eventually(lambda: len(neighbour.latencies_s) >= ALONE)
        before = len(neighbour.latencies_s)
        alone_s = neighbour.p99_s()
        await asyncio.gather(*[barrage(bundled_server.port, sequence[part::4]) for part in range(4)])
    beside_s = neighbour.p99_s(before)
    with capsys.disabled():
        told = f"{1e3 * alone_s:.1f} ms alone, {1e3 * beside_s:.1f} ms beside"
        print(f"\n{len(sequence)} wrong frames; a neighbour's p99 in {len(neighbour.latencies_s)} answers: {told}")
    assert beside_s < max(NEIGHBOUR_P99_S, NOISE * alone_s)
    bundled_server.check_log()


async def barrage(port: int, kinds: list[Kind]) -> None:
    """Send one frame of each kind, messages on one connection, broken frames each on their own."""
    async with await RawClient.open(port) as client:
        for number, kind in enumerate(kinds):
            if kind.close is None:
                await refused(client, kind, number)
            else:
                await closed(port, kind, number)


async def refused(client: RawClient, kind: Kind, number: int) -> None:
    """Send a wrong message and check the error; a ping behind it shows that nothing else was said."""
    sent = kind.build(number)
    await client.send(sent)
    answers = [await client.message() for _ in range(1 + len(kind.beside))]
    await client.send(frame(b'{"op":"ping","id":"after"}', TEXT))
    assert pong(await client.message()), kind
    (error,) = [answer.message for answer in answers if isinstance(answer.message, Error)]
    assert (error.code, error.param) == (kind.code, kind.param), (kind.name, error)
    assert error.id == (number if kind.named else None), (kind.name, error)
    assert error.duplicate_of == (number if kind.code == "duplicate_id" else None)
    assert (error.retryable, bool(error.message)) == (False, True)
    assert all((answer.form is Form.TEXT) == (sent[0] & 0x0F == TEXT) for answer in answers), kind.name


def pong(answer: Received) -> bool:
    """Tell whether this is the answer to the ping."""
    return getattr(answer.message, "id", None) == "after"


async def closed(port: int, kind: Kind, number: int) -> None:
    """Send a broken frame on a connection of its own and check how it ends."""
    async with await RawClient.open(port) as client:
        await client.send(kind.build(number))
        messages, code = await client.until_closed()
        assert (messages, code) == ([], kind.close), kind.name
