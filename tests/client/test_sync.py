"""The synchronous twin."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tidegate import errors
from tidegate.client import sync
from tidegate.client.testing import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.results import Array

X = np.arange(4, dtype="<f4")


async def double(tensors: dict[str, Array]) -> dict[str, Array]:
    return {"y": tensors["x"] * 2}


async def never(tensors: dict[str, Array]) -> dict[str, Array]:
    await asyncio.Event().wait()
    return {}


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """Run a gateway in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    fake = FakeGateway({"double": double, "never": never})
    asyncio.run_coroutine_threadsafe(fake.start(), loop).result(5)
    yield fake
    asyncio.run_coroutine_threadsafe(fake.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tidegate client")]


def test_the_same_calls_without_await(gateway: FakeGateway) -> None:
    """infer, submit, as_completed, models and ping do what the others do."""
    with sync.connect(gateway.url) as gw:
        np.testing.assert_array_equal(gw.infer("double", x=X)["y"], X * 2)
        task = gw.submit("double", x=X)
        np.testing.assert_array_equal(task.result()["y"], X * 2)
        assert (task.status, task.done(), task.model) == ("done", True, "double")
        assert task.timing is not None
        assert repr(task) == f"<SyncTask {task.id} double done>"
        tasks = [gw.submit("double", x=X + number) for number in range(20)]
        assert set(gw.as_completed(tasks)) == set(tasks)
        assert list(gw.as_completed([])) == []
        assert gw.models() == gateway.listing
        assert gw.ping() > 0
        assert repr(gw).startswith(f"<SyncConnection {gateway.url} open")


def test_errors_and_time_limits(gateway: FakeGateway) -> None:
    """Errors are raised where the call is made, and every wait ends."""
    with sync.connect(gateway.url, timeout=0.05) as gw:
        with pytest.raises(errors.UnknownModel):
            gw.infer("nothing", x=X)
        with pytest.raises(errors.DeadlineExceeded):
            gw.infer("never", x=X)
        with pytest.raises(errors.DeadlineExceeded):
            gw.submit("never", x=X).result()


def test_cancel(gateway: FakeGateway) -> None:
    """Cancel says what became of the task."""
    with sync.connect(gateway.url) as gw:
        task = gw.submit("never", x=X)
        assert task.cancel() == "dropped"
        with pytest.raises(errors.Cancelled):
            task.result()


def test_closing_ends_the_thread(gateway: FakeGateway) -> None:
    """Close fails what is unfinished, ends the thread, and may be called again; later calls say that it is closed."""
    gw = sync.connect(gateway.url)
    task = gw.submit("never", x=X)
    gw.close()
    gw.close()
    assert not threads()
    with pytest.raises(errors.ConnectionLost):
        task.result()
    with pytest.raises(errors.ConnectionLost):
        gw.infer("double", x=X)


def test_a_forgotten_connection_is_closed(gateway: FakeGateway) -> None:
    """A connection that is dropped without close, as in notebooks, ends by itself."""
    gw: Any = sync.connect(gateway.url)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == f"tidegate client of {gateway.url}"]
    del gw
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


def test_a_failed_connection_leaves_no_thread() -> None:
    """If nobody answers the error is raised, and the thread is gone."""
    with pytest.raises(errors.ConnectionLost, match="cannot reach"):
        sync.connect("ws://127.0.0.1:1")
    assert not threads()


def test_many_threads_share_a_connection(gateway: FakeGateway) -> None:
    """A connection may be used from several threads at once."""
    results: list[float] = []
    with sync.connect(gateway.url) as gw:

        def work(number: int) -> None:
            results.append(float(gw.infer("double", x=X + number)["y"][0]))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(5)
    assert sorted(results) == [2.0 * number for number in range(8)]


def test_a_time_limit_that_is_none(gateway: FakeGateway) -> None:
    """A time limit of 0 is refused as by the asynchronous twin, and no call is left half begun."""
    with sync.connect(gateway.url) as gw:
        for call in (gw.infer, gw.submit):
            with pytest.raises(ValueError, match="timeout must be more than 0 seconds, not 0"):
                call("double", x=X, timeout=0)
        gc.collect()
        assert len(gateway.received) == 1  # the question for the models
