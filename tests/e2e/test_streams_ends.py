"""How streams end when nobody closes them: idle, dropped by clients that do not come back, and with their gateway."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from http_get import Numbers, until
from raw_client import message_frame
from stream_client import connected, short

from tidegate.codecs.messages import Goaway, Open, Step

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import Serve

GOING_AWAY = 1001
CONNECTIONS, STREAMS = 4, 250  # of each, and twice
REASONS = ("closed", "idle", "expired", "shutting_down", "model_unavailable")


def nothing_left(found: Numbers) -> bool:
    """Tell whether there is no stream, and no memory of one."""
    gauges = ("streams_parked", "stream_bytes", "connections")
    return not any(found(name) for name in gauges) and not any(found("streams", model=model) for model in ("sum", "brief"))


def ends(found: Numbers, model: str) -> dict[str, float]:
    """Give how many streams have ended, by reason."""
    counts = {reason: found("streams_closed_total", model=model, reason=reason) for reason in REASONS}
    return {reason: count for reason, count in counts.items() if count}


async def test_an_idle_stream_ends(stream_port: int) -> None:
    """A stream to which nothing happens for longer than its model allows is closed, one that is used is not."""
    async with connected(stream_port) as client:
        for name in ("idle", "busy"):
            await client.open(name, "brief")
        number = 0
        told: list[tuple[Any, ...]] = []
        while not told or told[-1][0] == "result":
            number += 1
            await client.step("busy", number, 1.0)
            told += await client.hear()
            await asyncio.sleep(0.005)
        assert told.pop() == ("closed", "idle", "idle")
        assert told == [("result", "busy", n, n, float(n)) for n in range(1, number)]
        assert await client.hear() == [("result", "busy", number, number, float(number))]
        await client.step("idle", 1, 1.0)
        assert await client.hear() == [("error", "idle", None, 1, "unknown_stream", None)]
        assert (await client.open("idle", "brief")).next_step == 1


async def test_a_parked_stream_may_become_idle(stream_port: int) -> None:
    """The idle time goes on while nobody is there; who comes back is told of the end."""
    await until(stream_port, lambda found: not found("streams", model="brief"))  # those of the test before
    async with connected(stream_port) as client:
        await client.open("a", "brief")
        await client.raw.hang_up()
        await until(stream_port, lambda found: not found("streams", model="brief"))
    async with connected(stream_port) as other:
        (found,) = (await other.resume(client.token, a=0)).streams
        assert found.status == "closing"
        assert await other.hear() == [("closed", "a", "idle")]


async def test_2000_streams_that_nobody_closes(serve: Serve, stream_models: Path) -> None:
    """Opened, stepped and left behind, on connections that are cut or stay: each is freed, and the counts agree."""
    server = serve(stream_models, "--resume-window-s", 0.3)
    for _ in range(2):
        async with asyncio.TaskGroup() as tasks:
            for number in range(CONNECTIONS):
                tasks.create_task(leave_behind(server.port, "brief" if number == 0 else "sum", cut=number > 0))
        await until(server.port, nothing_left)
    found = await until(server.port, nothing_left)
    each = 2 * STREAMS
    assert ends(found, "brief") == {"idle": each}
    assert ends(found, "sum") == {"expired": (CONNECTIONS - 1) * each}
    for model, count in (("brief", each), ("sum", (CONNECTIONS - 1) * each)):
        assert found("streams_opened_total", model=model) == count
        assert found("stream_steps_total", model=model, outcome="ok") == 2 * count


async def leave_behind(port: int, model: str, *, cut: bool) -> None:
    """Open streams, two steps each, and go; or stay until they have ended by themselves."""
    x = {"x": np.ones((1, 1), np.float32)}
    async with connected(port) as client:
        for name in range(STREAMS):
            steps = [message_frame(Step(stream=name, step=number), x) for number in (1, 2)]
            await client.raw.send(message_frame(Open(id=name, stream=name, model_name=model)) + b"".join(steps))
        kinds = Counter([(await client.received()).message.__struct_config__.tag for _ in range((3 if cut else 4) * STREAMS)])
    assert kinds == Counter(opened=STREAMS, result=2 * STREAMS, closed=0 if cut else STREAMS)


async def test_the_end_of_a_gateway(serve: Serve, stream_models: Path) -> None:
    """SIGTERM with streams open, results that wait for credit and a parked one: it says so, ends them, and exits well."""
    server = serve(stream_models)
    async with connected(server.port) as client, connected(server.port) as other:
        await client.open("a", "sum")
        await client.open("b", "sum", until=1)
        await other.open("parked", "sum")
        await other.raw.hang_up()
        await until(server.port, lambda found: found("streams_parked") == 1)
        for name in "ab":
            await client.steps(name, 1, 3)
        await client.hear(4)
        await until(server.port, lambda found: found("stream_steps_total", model="sum", outcome="ok") == 6)
        server.terminate()
        said, code = await client.raw.until_closed()
    assert code == GOING_AWAY
    assert isinstance(said[0].message, Goaway)
    assert sorted(map(short, said[1:])) == [
        ("closed", "a", "shutting_down"),
        ("closed", "b", "shutting_down"),
        ("gap", "b", 2, 3),
    ]
    assert await asyncio.to_thread(server.wait) == 0
