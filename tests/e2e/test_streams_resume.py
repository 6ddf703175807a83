"""Clients that come back: what they missed comes once and in order, and what is gone is said to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from http_get import until
from raw_client import message_frame
from stream_client import StreamClient, connected

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Close, Models, Open, Resume, Resumed, Step
from tidegate.codecs.parts import LastSeen

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import Serve, ServerProcess

SUPERSEDED = 4501


async def lost(client: StreamClient, port: int) -> None:
    """Cut a connection, and wait until the gateway has noticed."""
    before = (await until(port, bool))("connections")
    await client.raw.hang_up()
    await until(port, lambda found: found("connections") < before)


@pytest.mark.parametrize("form", Form)
async def test_what_was_missed_comes_in_the_form_of_the_resume(stream_port: int, form: Form) -> None:
    """Results, the end of a failed step and ``closed``: all that was not heard is told again, as often as it takes."""
    async with connected(stream_port, Form.MSGPACK) as client:
        await client.open("a", "sum")
        await client.steps("a", 1, 3)
        await client.step("a", 4, 777.0)
        await client.hear(4)
        await client.close("a")
        await client.hear()
        await lost(client, stream_port)
    for last_seq in (0, 2, 4):
        async with connected(stream_port, form) as other:
            resumed = await other.resume(client.token, a=last_seq)
            assert isinstance(resumed, Resumed)
            (found,) = resumed.streams
            assert (found.stream, found.next_step, found.seq, found.status) == ("a", 4, 4, "closing")
            rest = [("result", "a", n, n, float(n)) for n in range(1, 4)] + [("error", "a", 4, 4, "model_failed", 4)]
            received = [await other.received() for _ in range(5 - last_seq)]
            assert {each.form for each in received} == {form}
            assert [each.message.__struct_config__.tag for each in received] == [*[op for op, *_ in rest[last_seq:]], "closed"]
            assert [each.message.seq for each in received[:-1]] == [seq for _, _, seq, *_ in rest[last_seq:]]
            await lost(other, stream_port)


async def test_a_takeover(stream_port: int) -> None:
    """Who has the token goes on; the connection that had the streams is closed with its own code and hears no more."""
    async with connected(stream_port) as one, connected(stream_port) as other, connected(stream_port) as third:
        await one.open("a", "sum")
        await one.steps("a", 1, 2)
        assert await one.hear(2) == [("result", "a", 1, 1, 1.0), ("result", "a", 2, 2, 2.0)]
        for before, after in ((one, other), (other, third)):
            resumed = await after.resume(one.token, a=1)
            assert (resumed.token, resumed.streams[0].replay_from) == (one.token, 2)
            told, code = await before.raw.until_closed()
            assert (told, code) == ([], SUPERSEDED)
            assert await after.hear() == [("result", "a", 2, 2, 2.0)]
        await third.step("a", 3, 1.0)
        assert await third.hear() == [("result", "a", 3, 3, 3.0)]


async def test_a_token_that_nobody_has(stream_port: int) -> None:
    """It is refused with all the names as lost; the connection can be used, and its own token is good."""
    async with connected(stream_port) as client:
        error = await client.resume("AAAAAAAAAAAAAAAAAAAAAA", a=3, b=0)
        assert (error.code, error.id, sorted(error.lost)) == ("resume_failed", None, ["a", "b"])
        await client.open("a", "sum")
        await client.step("a", 1, 1.0)
        assert await client.hear() == [("result", "a", 1, 1, 1.0)]
        await lost(client, stream_port)
    async with connected(stream_port) as other:
        assert (await other.resume(client.token, a=1)).lost == []


async def test_a_resume_that_comes_too_late_on_its_connection(stream_port: int) -> None:
    """Behind another message it is refused, and the session stays for whoever asks rightly."""
    async with connected(stream_port) as client:
        await client.open("a", "sum")
        await lost(client, stream_port)
    again = message_frame(Resume(token=client.token, streams=[LastSeen(stream="a", last_seq=0)]))
    async with connected(stream_port) as other:
        await other.raw.send(message_frame(Models(id=1)) + again)
        assert (await other.received()).message.id == 1
        assert (await other.received()).message.code == "resume_failed"
    async with connected(stream_port) as third:
        await third.raw.send(again + again)
        assert isinstance((await third.received()).message, Resumed)
        assert (await third.received()).message.code == "resume_failed"
        await third.step("a", 1, 1.0)
        assert await third.hear() == [("result", "a", 1, 1, 1.0)]


@pytest.mark.parametrize("form", Form)
async def test_many_streams_with_long_names(bundled_server: ServerProcess, form: Form) -> None:
    """As many as a ``resume`` can name go on, though the answer is too long for a header; any model may be opened so."""
    names = [f"{number:064}" for number in range(600)]
    image = {"image": np.ones((1, 8, 8), np.float32)}
    async with connected(bundled_server.port, form) as client:
        await client.raw.send(b"".join(message_frame(Open(id=name, stream=name, model_name="digits")) for name in names))
        for _ in names:
            await client.received()
        await client.send(Step(stream=names[-1], step=1), image)
        await client.received()
        await lost(client, bundled_server.port)
    async with connected(bundled_server.port, form) as other:
        resumed = await other.resume(client.token, **dict.fromkeys(names, 0))
        assert ([each.stream for each in resumed.streams], resumed.lost) == (names, [])
        assert {each.next_step for each in resumed.streams[:-1]} == {1}
        (again,) = [await other.received()]
        assert (again.message.stream, again.message.seq, again.form) == (names[-1], 1, form)
        await other.raw.send(b"".join(message_frame(Close(stream=name)) for name in names))
        assert sorted(await other.hear(len(names))) == [("closed", name, "closed") for name in names]


async def test_what_is_not_named_is_dropped(stream_port: int) -> None:
    """A ``resume`` names what it goes on with: other streams of the session end, and names that mean nothing are lost."""
    async with connected(stream_port) as client:
        for name in "ab":
            await client.open(name, "sum")
        await lost(client, stream_port)
    async with connected(stream_port) as other:
        resumed = await other.resume(client.token, a=0, c=0)
        assert ([each.stream for each in resumed.streams], resumed.lost) == (["a"], ["c"])
        await other.step("b", 1, 1.0)
        assert await other.hear() == [("error", "b", None, 1, "unknown_stream", None)]
        assert (await other.open("b", "sum")).next_step == 1


async def test_more_than_is_kept(stream_port: int) -> None:
    """Who never says what it has seen gets a gap for what is not kept any more, and then everything that is."""
    async with connected(stream_port) as client:
        opened = await client.open("a", "sum")
        steps = opened.results + 40
        for start in range(1, steps + 1, 20):
            end = min(start + 19, steps)
            await client.steps("a", start, end)
            await client.hear(end - start + 1)
        await lost(client, stream_port)
    async with connected(stream_port) as other:
        (found,) = (await other.resume(client.token, a=0)).streams
        assert (found.next_step, found.seq) == (steps + 1, steps)
        first = found.replay_from
        assert steps - opened.results < first <= steps - opened.results + 2
        told = await other.hear(2 + steps - first)
        assert told == [("gap", "a", 1, first - 1), *[("result", "a", n, n, float(n)) for n in range(first, steps + 1)]]


async def test_steps_run_while_nobody_listens(stream_port: int) -> None:
    """What was accepted is run when the connection is gone; credit that was granted stays."""
    async with connected(stream_port) as client:
        await client.open("a", "sum", until=4)
        ok = (await until(stream_port, bool))("stream_steps_total", model="sum", outcome="ok")
        await client.steps("a", 1, 10)
        await until(stream_port, lambda found: found("stream_steps_total", model="sum", outcome="ok") >= ok + 10)
        await client.hear(1)
        await lost(client, stream_port)
    async with connected(stream_port) as other:
        (found,) = (await other.resume(client.token, a=1)).streams
        assert (found.next_step, found.replay_from, found.seq) == (11, 2, 10)
        await other.steps("a", 9, 11)  # two of them were accepted before
        assert await other.hear(3) == [("result", "a", n, n, float(n)) for n in range(2, 5)]
        await other.grant("a", 11, 4)
        assert await other.hear(7) == [("result", "a", n, n, float(n)) for n in range(5, 12)]


async def test_a_window_that_is_over(serve: Serve, stream_models: Path) -> None:
    """When the time for resuming has passed, streams have expired and are told as lost."""
    server = serve(stream_models, "--resume-window-s", 0.2)
    async with connected(server.port) as client:
        assert client.hello.resume_window_ms == 200
        await client.open("a", "sum")
        await client.raw.hang_up()
    await until(server.port, lambda found: found("streams_closed_total", model="sum", reason="expired") == 1)
    async with connected(server.port) as other:
        error = await other.resume(client.token, a=0)
        assert (error.code, error.lost) == ("resume_failed", ["a"])


async def test_no_window_at_all(serve: Serve, stream_models: Path) -> None:
    """With a window of 0 streams end with their connection."""
    server = serve(stream_models, "--resume-window-s", 0)
    async with connected(server.port) as client:
        await client.open("a", "sum")
        await client.step("a", 1, 1.0)
        await client.hear()
        await client.raw.hang_up()
    await until(server.port, lambda found: found("streams_closed_total", model="sum", reason="expired") == 1)
    async with connected(server.port) as other:
        assert (await other.resume(client.token, a=0)).code == "resume_failed"
