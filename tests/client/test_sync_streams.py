"""Streams without async."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from stream_story import Summing
from test_stream_face import SUM, Counting
from waiting import Soon

from tidegate import errors
from tidegate.client import backoff, sync
from tidegate.client.testing import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    """Run a gateway in a thread of its own."""
    monkeypatch.setattr(backoff.random, "SystemRandom", Soon)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    fake = FakeGateway(streams={"sum": Summing, "count": Counting}, listing=[SUM])
    asyncio.run_coroutine_threadsafe(fake.start(), loop).result(5)
    fake.cut = lambda: loop.call_soon_threadsafe(fake.drop)  # type: ignore[attr-defined]
    yield fake
    asyncio.run_coroutine_threadsafe(fake.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def test_the_same_calls_without_await(gateway: FakeGateway) -> None:
    """Everything that a stream can do is there, and does the same."""
    with sync.connect(gateway.url) as gw, gw.stream("sum", start=3) as stream:
        assert int(stream.step(x=1)["sum"]) == 4
        assert [int(result["sum"]) for result in stream.run([1, 2, 3])] == [5, 7, 10]
        state = stream.snapshot()
        with stream.fork() as other:
            assert int(other.step(x=1)["sum"]) == 11
        with gw.stream("sum", snapshot=state) as copy:
            assert int(copy.step(x=2)["sum"]) == 12
        stream.cancel()
        assert (stream.model, stream.version, stream.dropped) == ("sum", "1", 0)
        assert repr(stream) == "<SyncStream of sum open, 4 results, 0 dropped>"
    assert "closed" in repr(stream)


def test_generate(gateway: FakeGateway) -> None:
    """Tokens come as they are made; leaving the loop ends the generation, and the stream goes on."""
    with sync.connect(gateway.url) as gw:
        assert [int(result["token"]) for result in gw.generate("count", [1], max_steps=3)] == [1, 2, 3]
        for result in gw.generate("count", prompt=[1]):
            if result.seq == 10:
                break
        with gw.stream("count") as stream:
            for result in stream.generate([1]):
                if result.seq == 10:
                    break
            (last,) = stream.generate([1], max_steps=1)
            assert int(last["token"]) > 10
            stream.close()


def test_a_loop_does_not_notice_that_the_connection_died(gateway: FakeGateway) -> None:
    """Nor does one without async."""
    with sync.connect(gateway.url) as gw, gw.stream("sum") as stream:
        seen = []
        for result in stream.run(range(100)):
            seen.append(int(result["sum"]))
            if len(seen) % 30 == 0:
                gateway.cut()  # type: ignore[attr-defined]
        assert seen == [*np.cumsum(range(100))]


def test_errors_come_in_their_place(gateway: FakeGateway) -> None:
    """Results of the chunks before it come first; chunks are drawn in the program's own thread."""

    def chunks() -> Iterator[int]:
        yield from (1, 1)
        raise KeyError(threading.current_thread().name)

    with sync.connect(gateway.url) as gw, gw.stream("sum") as stream:
        results = stream.run([1, 1, -1, 1])
        assert [int(next(results)["sum"]) for _ in range(2)] == [1, 2]
        with pytest.raises(errors.ModelFailed):
            next(results)
        results = stream.run([1, np.zeros(1, "c8")])
        assert int(next(results)["sum"]) == 3
        with pytest.raises(errors.InvalidInput):
            next(results)
        results = stream.run(chunks())
        assert [int(next(results)["sum"]) for _ in range(2)] == [4, 5]
        with pytest.raises(KeyError, match=threading.current_thread().name):
            next(results)


def test_leaving_a_loop(gateway: FakeGateway) -> None:
    """What has not begun is given up, and the stream goes on."""
    with sync.connect(gateway.url) as gw, gw.stream("sum") as stream:
        for _ in stream.run([1] * 100):
            break
        assert 1 <= int(stream.step(x=0)["sum"]) <= 9
