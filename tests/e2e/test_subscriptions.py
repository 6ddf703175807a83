"""Dashboards watch what others ask for, and how the gateway does, over real sockets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from http_get import numbers, until
from raw_client import ANSWER_S, RawClient, message_frame
from solo_streams import silero, sound
from test_streams_sdk import Soon

import tidegate
from tidegate.client import sync
from tidegate.client.backoff import Backoff
from tidegate.client.connection import Connection
from tidegate.client.options import Options
from tidegate.codecs.errors import Form
from tidegate.codecs.event_messages import Event, Subscribe, Subscribed
from tidegate.codecs.messages import Infer, Open, Ping
from tidegate.errors import ConnectionLost, Forbidden, Overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server_process import Serve, ServerProcess

IMAGE = np.zeros((1, 8, 8), np.float32)


async def _collect(gw: Any, pattern: str, count: int, overflow: str = "latest") -> list[Any]:
    events = []
    async with asyncio.timeout(ANSWER_S), gw.subscribe(pattern, overflow=overflow) as subscription:
        while len(events) < count:
            events.append(await anext(subscription))
    return events


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Connect with a client that comes back at once after a cut."""
    connection = Connection(url, Options(), Backoff(Soon()))
    await connection.open()
    async with connection:
        yield connection


def _cut(gw: Connection) -> None:
    """Break the connection, as a network does."""
    link = gw._driver._link
    if link is not None:
        link.cut()


async def _watching(port: int, subscriptions: float) -> None:
    await until(port, lambda now: now("subscriptions") == subscriptions)


async def test_two_dashboards_watch_a_stream(bundled_server: ServerProcess) -> None:
    """Both see every result, bit for bit what its own client got, and its end, while the model runs once for each step."""
    chunks = sound(16000, 20, 1)
    before = await numbers(bundled_server.port)
    url = bundled_server.url
    async with (
        tidegate.connect(url) as mic,
        tidegate.connect(url, form="json") as one,
        tidegate.connect(url, form="text") as two,
    ):
        watching = [asyncio.create_task(_collect(gw, "room/two", 21)) for gw in (one, two)]
        await _watching(bundled_server.port, before("subscriptions") + 2)
        async with mic.stream("silero_vad", sr=16000, publish="room/two") as stream:
            results = [result async for result in stream.run(chunk[0] for chunk in chunks)]
        seen = await asyncio.gather(*watching)
    expected = [output for output, _ in silero(16000, chunks)]
    for events in seen:
        assert [event.seq for event in events] == [*range(1, 22)]
        assert [event.outputs["output"].tobytes() for event in events[:-1]] == expected
        assert [event.outputs.step for event in events[:-1]] == [result.step for result in results]
        assert (events[-1].closed, events[-1].missed) == ("closed", 0)
    after = await numbers(bundled_server.port)
    rows = "rows_total"
    assert after(rows, model="silero_vad") - before(rows, model="silero_vad") == 20
    assert after("events_published_total") - before("events_published_total") >= 21


async def test_a_late_joiner(bundled_server: ServerProcess) -> None:
    """Who comes later gets the last answer at once."""
    async with tidegate.connect(bundled_server.url) as gw:
        for _ in range(3):
            answer = await gw.infer("digits", image=IMAGE, publish="late/1")
        (event,) = await _collect(gw, "late/*", 1)
    assert (event.topic, event.seq, event.missed, event.outputs.model) == ("late/1", 3, 0, "digits")
    np.testing.assert_array_equal(event.outputs["probs"], answer["probs"])


async def test_numbers_agree_with_metrics(bundled_server: ServerProcess) -> None:
    """``server/stats`` counts what ``/metrics`` counts, and each second says what happened in it."""
    async with (
        tidegate.connect(bundled_server.url) as gw,
        asyncio.timeout(ANSWER_S),
        gw.subscribe("server/stats") as subscription,
    ):
        await anext(subscription)
        before = await numbers(bundled_server.port)
        await asyncio.gather(*[gw.infer("digits", image=IMAGE) for _ in range(50)])
        counted, data = 0.0, {}
        while counted < 45:  # a window may be a little longer than a second
            event = await anext(subscription)
            data = event.data
            counted += data["models"]["digits"]["requests_per_s"]
        after = await numbers(bundled_server.port)
    ok = "requests_total"
    assert after(ok, model="digits", outcome="ok") - before(ok, model="digits", outcome="ok") == 50
    assert counted == pytest.approx(50, rel=0.1)
    assert (data["connections"], data["models"]["digits"]["state"]) == (after("connections"), "ready")
    assert 0 < data["models"]["digits"]["p50_ms"] <= data["models"]["digits"]["p99_ms"]


async def test_what_has_happened(bundled_server: ServerProcess) -> None:
    """``server/events`` tells a late joiner what there is, as much as it wants."""
    async with tidegate.connect(bundled_server.url) as gw:
        events = await _collect(gw, "server/events", 4, "drop_oldest")
        (last,) = await _collect(gw, "server/events", 1)
    said = [(event.data["event"], event.data.get("model")) for event in events]
    assert ("model_ready", "digits") in said
    assert (last.data["event"], last.missed) == ("started", 0)


async def test_a_slow_dashboard_conflates(bundled_server: ServerProcess) -> None:
    """One that does not read misses events, and the last one is not among them; the others get every one."""
    port = bundled_server.port
    before = await numbers(port)
    async with await RawClient.open(port) as slow, tidegate.connect(bundled_server.url) as gw:
        await slow.send(message_frame(Subscribe(id=1, topic="slow/*")))
        assert isinstance((await slow.message()).message, Subscribed)
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
        others = asyncio.create_task(_collect(gw, "slow/1", 300, "drop_oldest"))
        await _watching(port, before("subscriptions") + 2)
        count = 300
        async with tidegate.connect(bundled_server.url) as asker:
            for _ in range(count // 50):
                images = np.zeros((1000, 8, 8), np.float32)  # an answer of 40 kB
                await asyncio.gather(*[asker.infer("digits", image=images, publish="slow/1") for _ in range(50)])
        assert [event.seq for event in await others] == [*range(1, count + 1)]
        slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
        seen = []
        while not seen or seen[-1] < count:
            message = (await slow.message()).message
            if isinstance(message, Event):
                seen.append(message.seq)
    assert seen == sorted(set(seen))
    assert len(seen) < count
    after = await numbers(port)
    assert after("events_conflated_total") - before("events_conflated_total") == count - len(seen)


async def test_it_subscribes_again_after_a_cut(bundled_server: ServerProcess) -> None:
    """A subscription goes on over the next connection, knows what it missed, and yields nothing twice."""
    url, port = bundled_server.url, bundled_server.port
    there = (await numbers(port))("subscriptions") + 1
    async with (
        tidegate.connect(url) as asker,
        connected(url) as gw,
        asyncio.timeout(ANSWER_S),
        gw.subscribe("cut/1") as subscription,
    ):
        first = asyncio.create_task(anext(subscription))
        await _watching(port, there)
        await asker.infer("digits", image=IMAGE, publish="cut/1")
        assert (await first).seq == 1
        for _ in range(3):
            _cut(gw)
            for _ in range(4):
                await asker.infer("digits", image=IMAGE, publish="cut/1")
            await _watching(port, there)
            await gw.ping()
        seen, missed = [1], 0
        while seen[-1] < 13:
            event = await anext(subscription)
            seen.append(event.seq)
            missed += event.missed
    assert seen == sorted(set(seen))
    assert missed == 13 - len(seen)


async def test_publishing_goes_on_through_a_resume(bundled_server: ServerProcess) -> None:
    """A stream whose client loses its connection again and again publishes each result once."""
    chunks = [chunk[0] for chunk in sound(16000, 40, 2)]
    async with tidegate.connect(bundled_server.url) as watcher:
        watching = asyncio.create_task(_collect(watcher, "cut/mic", 41, "drop_oldest"))
        async with connected(bundled_server.url) as mic, mic.stream("silero_vad", sr=16000, publish="cut/mic") as stream:
            results = []
            for number, chunk in enumerate(chunks):
                if number % 10 == 5:
                    _cut(mic)
                results.append(await stream.step(input=chunk))
        events = await watching
    assert [event.outputs.step for event in events[:-1]] == [*range(1, 41)]
    assert [event.outputs["output"].item() for event in events[:-1]] == [result["output"].item() for result in results]
    assert events[-1].closed == "closed"


@pytest.mark.parametrize("form", [*Form])
async def test_wrong_messages(bundled_server: ServerProcess, form: Form) -> None:
    """Each wrong message gets its documented error, and the connection serves on."""
    wrong: list[tuple[Any, Any, tuple[Any, ...]]] = [
        (Subscribe(id=1, topic="a//b"), None, (1, "invalid_message", "topic")),
        (Subscribe(id=2, topic="a/**/b"), None, (2, "invalid_message", "topic")),
        (Subscribe(id=3, topic="é" * 200), None, (3, "invalid_message", "topic")),
        (Infer(id=4, model_name="digits", publish="a/*"), {"image": IMAGE}, (4, "invalid_message", "publish")),
        (Infer(id=5, model_name="digits", publish="server/stats"), {"image": IMAGE}, (5, "forbidden", "publish")),
        (Open(id=6, stream="s", model_name="digits", publish="server"), {}, (6, "forbidden", "publish")),
        (Open(id=7, stream="s", model_name="nobody", publish="a"), {}, (7, "unknown_model", "model_name")),
    ]
    async with await RawClient.open(bundled_server.port) as client:
        for message, tensors, expected in wrong:
            await client.send(message_frame(message, tensors, form))
            answer = (await client.message()).message
            assert (answer.id, answer.code, answer.param) == expected
        for number in range(65):
            await client.send(message_frame(Subscribe(id=number, topic=f"t/{number}"), None, form))
            answer = (await client.message()).message
            assert isinstance(answer, Subscribed) == (number < 64), answer
        assert (answer.code, answer.retryable) == ("overloaded", True)
        await client.send(message_frame(Ping(id=9), None, form))
        assert (await client.message()).message.id == 9


async def test_the_sdk_says_what_is_wrong(bundled_server: ServerProcess) -> None:
    """What is no topic or pattern is refused at once; what the gateway refuses ends the loop with its error."""
    async with tidegate.connect(bundled_server.url) as gw:
        for wrong in ("", "a//b", "a*"):
            with pytest.raises(ValueError, match="is no pattern"):
                gw.subscribe(wrong)
            with pytest.raises(ValueError, match="is no topic"):
                await gw.infer("digits", image=IMAGE, publish=wrong)
        with pytest.raises(Forbidden):
            await gw.infer("digits", image=IMAGE, publish="server/x")
        with pytest.raises(Forbidden):
            async with gw.stream("digits", publish="server/x"):
                pass
        many = [gw.subscribe(f"many/{number}") for number in range(65)]
        waiting = [asyncio.create_task(anext(each)) for each in many]
        done, pending = await asyncio.wait(waiting, timeout=ANSWER_S, return_when=asyncio.FIRST_EXCEPTION)
        assert [type(task.exception()) for task in done] == [Overloaded]
        for task in pending:
            task.cancel()
        left = gw.subscribe("left")
        loop = asyncio.create_task(anext(left))
    with pytest.raises(ConnectionLost):
        await loop


async def test_a_loop_that_is_left(bundled_server: ServerProcess) -> None:
    """Whoever leaves a loop over events, or closes the subscription, is not subscribed any more."""
    before = (await numbers(bundled_server.port))("subscriptions")
    async with tidegate.connect(bundled_server.url) as gw:
        async for _ in gw.subscribe("server/events"):
            break
        subscription = gw.subscribe("server/stats")
        loop = asyncio.create_task(_all(subscription))
        await _watching(bundled_server.port, before + 1)
        subscription.close()
        assert await asyncio.wait_for(loop, ANSWER_S) >= 0
        await _watching(bundled_server.port, before)


async def _all(subscription: Any) -> int:
    return len([event async for event in subscription])


async def test_without_await(bundled_server: ServerProcess) -> None:
    """The synchronous client subscribes and publishes, too."""

    def watch() -> Any:
        with sync.connect(bundled_server.url) as gw:
            gw.infer("digits", image=IMAGE, publish="sync/1")
            with gw.subscribe("sync/*") as subscription:
                return next(subscription)

    event = await asyncio.to_thread(watch)
    assert (event.topic, event.seq, event.outputs.model) == ("sync/1", 1, "digits")


async def test_bounds_that_an_operator_sets(serve: Serve) -> None:
    """Settings bound subscriptions and topics; at the bound there is a clear error, and the rest goes on."""
    server = serve("--max-subscriptions", 3, "--subscriptions-per-connection", 2, "--max-topics", 3)
    async with tidegate.connect(server.url) as one, tidegate.connect(server.url) as two:
        held = [asyncio.create_task(anext(one.subscribe(name))) for name in ("a", "b")]
        await _watching(server.port, 2)
        with pytest.raises(Overloaded, match="of this connection"):
            await anext(one.subscribe("c"))
        held.append(asyncio.create_task(anext(two.subscribe("a"))))
        await _watching(server.port, 3)
        with pytest.raises(Overloaded, match="3 subscriptions are open"):
            await anext(two.subscribe("b"))
        async with one.stream("digits", publish="room/1"):
            with pytest.raises(Overloaded, match="topics"):
                await two.infer("digits", image=IMAGE, publish="room/2")
        await two.infer("digits", image=IMAGE, publish="room/2")
        refused = await numbers(server.port)
        assert refused("refused_total", reason="topics") == 1
        for task in held:
            task.cancel()
