"""``tidegate.Engine``: models in this process, run concurrently and in batches, with the truth about each request."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import model_folders
import numpy as np
import onnx_models
import pytest
from model_folders import FEATURES, TURNS_PER_MS

import tidegate
from tidegate.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    ModelUnavailable,
    Overloaded,
    ShuttingDown,
    UnknownModel,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tidegate.models.task import InferenceTask

X = np.arange(8, dtype=np.float32).reshape(2, 4)


class Runs:
    """An observer that notes when each run began and ended, and which were told to stop."""

    def __init__(self) -> None:
        self.intervals: list[tuple[str, float, float, int]] = []
        self.stops: list[str] = []

    def stopped(self, batch: Any) -> None:
        self.stops.append(batch.worker.model.name)

    def ran(self, _batch: Any, run: Any) -> None:
        self.intervals.append((run.model.name, run.started, run.started + run.compute_s, run.size))

    def of(self, name: str) -> list[tuple[float, float]]:
        return [(start, end) for model, start, end, _ in self.intervals if model == name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slow models, quick ones, and one that fails on a certain row."""
    folder = model_folders.quick(tmp_path_factory.mktemp("engine"))
    for name in ("slow", "sluggish"):
        model_folders.add_slow(folder, name)
    model_folders.add(folder, "poison", onnx_models.fails_on_poisoned_row())
    return folder


@asynccontextmanager
async def running(folder: Path | None, **options: Any) -> AsyncIterator[tidegate.Engine]:
    async with tidegate.Engine(folder, **options) as engine:
        yield engine


def slowly(ms: float) -> dict[str, Any]:
    """Inputs of the slow models for about so many milliseconds."""
    return {"x": np.ones((1, FEATURES), np.float32), "turns": round(ms * TURNS_PER_MS)}


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is looked at sets no event
            await asyncio.sleep(0.001)


def overlap(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Return the seconds in which both went on."""
    return min(one[1], two[1]) - max(one[0], two[0])


async def test_gather_over_models_runs_them_at_the_same_time(folder: Path) -> None:
    """With two slots the runs of two models intersect, for most of their time."""
    runs = Runs()
    async with running(folder, compute_slots=2, observer=runs) as engine:
        await asyncio.gather(engine.infer("slow", slowly(150)), engine.infer("sluggish", slowly(150)))
    (one,), (two,) = runs.of("slow"), runs.of("sluggish")
    assert overlap(one, two) > 0.3 * min(one[1] - one[0], two[1] - two[0])


async def test_one_slot_runs_one_at_a_time(folder: Path) -> None:
    """With one slot no two runs intersect, whatever is gathered."""
    runs = Runs()
    async with running(folder, compute_slots=1, observer=runs) as engine:
        await asyncio.gather(*[engine.infer(name, slowly(10)) for name in ("slow", "sluggish", "slow", "sluggish")])
    intervals = sorted((start, end) for _, start, end, _ in runs.intervals)
    assert len(intervals) == 4
    assert all(overlap(one, two) <= 0 for one, two in itertools.pairwise(intervals))


async def test_what_is_gathered_is_batched(folder: Path) -> None:
    """Requests that are made together share runs, and each gets its own rows."""
    runs = Runs()
    async with running(folder, compute_slots=1, observer=runs) as engine:
        inputs = [np.full((1 + number % 3, 4), number, np.float32) for number in range(100)]
        results = await asyncio.gather(*[engine.infer("poison", x=x) for x in inputs])
    assert all(np.array_equal(result["y"], 2 * x) for result, x in zip(results, inputs, strict=True))
    assert len(runs.intervals) < 50
    assert max(result.timing.batch_size for result in results) > 3


async def test_the_guilty_row_alone_fails(folder: Path) -> None:
    """A row with which the model fails is an error for its own request; its company gets answers."""
    async with running(folder, compute_slots=1) as engine:
        inputs = [np.full((1, 4), number, np.float32) for number in range(20)]
        inputs[7][0, 0] = onnx_models.MARKER
        outcomes = await asyncio.gather(*[engine.infer("poison", x=x) for x in inputs], return_exceptions=True)
    assert isinstance(outcomes.pop(7), ModelFailed)
    assert all(isinstance(outcome, tidegate.Result) for outcome in outcomes)


async def test_a_request_larger_than_a_batch(folder: Path) -> None:
    """A request with more rows than a batch may hold is split, and put together again in order."""
    async with running(folder) as engine:
        x = np.random.default_rng(3).random((1000, 4), np.float32)
        result = await engine.infer("poison", x=x)
        assert np.array_equal(result["y"], 2 * x)
        assert result.timing.batch_size <= max(model["batching"]["max_batch"] for model in engine.models())


async def test_a_task_tells_where_it_is(folder: Path) -> None:
    """A task is queued, then running, then done, with its timing and a result that can be awaited again."""
    async with running(folder, compute_slots=1) as engine:
        first, second = engine.submit("slow", slowly(50)), engine.submit("slow", slowly(1))
        assert (first.status, second.status) == ("queued", "queued")
        await until(lambda: first.status == "running")
        assert second.status == "queued"
        assert second.timing is None
        result = await second
        assert (first.status, second.status, second.done()) == ("done", "done", True)
        assert await second is result
        assert second.timing == result.timing
        assert result.timing.queue_us > 0
        assert (first.id, second.id, first.model) == (1, 2, "slow")


async def test_cancel_tells_the_truth(folder: Path) -> None:
    """A waiting request is removed and never runs; a running one is dropped and stopped; one that is done stays so."""
    runs = Runs()
    async with running(folder, compute_slots=1, observer=runs) as engine:
        first, second, third = [engine.submit("slow", slowly(30)) for _ in range(3)]
        await until(lambda: first.status == "running")
        assert await second.cancel() == "removed"
        assert await first.cancel() == "dropped"
        await third
        assert await third.cancel() == "too_late"
        for task, outcome in ((first, "dropped"), (second, "removed")):
            assert task.status == "cancelled"
            with pytest.raises(Cancelled) as caught:
                await task
            assert caught.value.outcome == outcome
    assert runs.stops == ["slow"]
    assert len(runs.intervals) == 1


async def test_cancelling_who_waits_cancels_the_inference(folder: Path) -> None:
    """When the awaiting asyncio task is cancelled, so is the request; a request that is not awaited goes on."""
    async with running(folder, compute_slots=1) as engine:
        busy, other = engine.submit("slow", slowly(30)), engine.submit("slow", slowly(1))
        task = engine.submit("slow", slowly(1))

        async def wait(one: InferenceTask) -> None:
            await one

        waiter = asyncio.create_task(wait(task))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert task.status == "cancelled"
        await asyncio.gather(wait(busy), wait(other))


async def test_a_time_limit(folder: Path) -> None:
    """A request whose time has passed while it waited is an error soon after, and never runs."""
    runs = Runs()
    async with running(folder, compute_slots=1, observer=runs) as engine:
        busy = engine.submit("slow", slowly(2000))  # much longer than could be foreseen
        await until(lambda: busy.status == "running")
        with pytest.raises(DeadlineExceeded, match="not executed"):
            await engine.infer("slow", slowly(1), timeout=0.5)
        assert not busy.done()
        await busy.cancel()
    assert runs.intervals == []


async def test_a_time_limit_that_cannot_be_met_is_refused_at_once(folder: Path) -> None:
    """What is before a request is known to take longer than it may wait: refused, with the time after which to try again."""
    async with running(folder, compute_slots=1) as engine:
        for _ in range(3):
            await engine.infer("slow", slowly(60))
        busy = engine.submit("slow", slowly(60))
        await until(lambda: busy.status == "running")
        with pytest.raises(Overloaded) as caught:
            engine.submit("slow", slowly(60), timeout=0.02)
        assert caught.value.bound == "deadline"
        assert caught.value.retry_after_ms is not None
        await busy


async def test_higher_priority_first(folder: Path) -> None:
    """Of what waits, the higher priority runs first."""
    order: list[int] = []

    async def go(engine: tidegate.Engine, priority: int) -> None:
        await engine.infer("slow", slowly(1), priority=priority)
        order.append(priority)

    async with running(folder, compute_slots=1) as engine:
        busy = engine.submit("slow", slowly(20))
        await until(lambda: busy.status == "running")
        await asyncio.gather(*[go(engine, priority) for priority in (-1, 3, 0, 3, 7)])
    assert order == [7, 3, 3, 0, -1]


async def test_inputs_as_people_write_them(folder: Path) -> None:
    """Lists, Python numbers, doubles and whole numbers are taken for what the model takes; texts too."""
    async with running(folder) as engine:
        expected = (await engine.infer("mlp", x=X))["y"]
        for x in (X.tolist(), X.astype(np.float64), X.astype(">f4"), np.asfortranarray(X)):
            assert np.array_equal((await engine.infer("mlp", x=x))["y"], expected)
        said = await engine.infer("text", text=["tide", "gate", "größer"])
        assert said["same"].tolist() == [b"tide", b"gate", "größer".encode()]
        assert said["number"].tolist() == [1.0, 2.0, 0.0]
        only = await engine.infer("text", {"text": ["tide"]}, outputs=["number"])
        assert list(only) == ["number"]


@pytest.mark.parametrize(
    ("name", "inputs", "options", "error", "phrase"),
    [
        ("nlp", {"x": X}, {}, UnknownModel, "did you mean 'mlp'?"),
        ("mlp", {"x": X}, {"version": "2"}, UnknownModel, "no such version"),
        ("mlp", {"y": X}, {}, InvalidInput, "missing ['x']"),
        ("mlp", {"x": X[:, :3]}, {}, InvalidInput, "[2, 3], the model takes [any, 4]"),
        ("mlp", {"x": X.astype(complex)}, {}, InvalidInput, "complex"),
        ("mlp", {"x": [[1, 2], [3]]}, {}, InvalidInput, "cannot be made an array"),
        ("mlp", {"x": X}, {"outputs": ["z"]}, InvalidInput, "'z'"),
        ("text", {"text": [b"\xff"]}, {}, InvalidInput, "not UTF-8"),
    ],
)
async def test_what_is_wrong_is_said(
    name: str, inputs: dict[str, Any], options: dict[str, Any], error: type[Exception], phrase: str, folder: Path
) -> None:
    """Each mistake is its own class of error, with words that help."""
    async with running(folder) as engine:
        with pytest.raises(error) as caught:
            await engine.infer(name, inputs, **options)
    assert phrase in str(caught.value)


async def test_bounds(folder: Path) -> None:
    """More requests, or more bytes, than may wait are refused as overloaded, at once; what was admitted is served."""
    async with running(folder, compute_slots=1, queue_requests=3, queue_bytes=20_000) as engine:
        busy = engine.submit("slow", slowly(20))
        await until(lambda: busy.status == "running")
        waiting = [engine.submit("slow", slowly(1)) for _ in range(3)]
        with pytest.raises(Overloaded) as caught:
            engine.submit("slow", slowly(1))
        assert caught.value.retryable
        assert caught.value.retry_after_ms
        with pytest.raises(Overloaded, match="bytes"):
            engine.submit("mlp", x=np.ones((2000, 4), np.float32))
        await asyncio.gather(*[one._wait() for one in (busy, *waiting)])
        await engine.infer("slow", slowly(1))


async def test_closing_answers_everybody(folder: Path) -> None:
    """On leaving the block what runs is finished and what waits is refused; nothing is taken later."""
    async with running(folder, compute_slots=1) as engine:
        first, second = engine.submit("slow", slowly(30)), engine.submit("slow", slowly(30))
        await until(lambda: first.status == "running")
    assert (first.status, second.status) == ("done", "failed")
    with pytest.raises(ShuttingDown):
        await second
    with pytest.raises(ShuttingDown):
        engine.submit("mlp", x=X)


async def test_an_engine_that_was_not_started(folder: Path) -> None:
    """An engine outside of its block says that it was not started."""
    with pytest.raises((ModelUnavailable, UnknownModel)):
        tidegate.Engine(folder).submit("mlp", x=X)


async def test_a_broken_model_is_listed(tmp_path: Path) -> None:
    """A model that does not load is listed with its error, and asking for it says why; the others serve."""
    folder = model_folders.quick(tmp_path / "models")
    model_folders.broken(folder, "torn")
    async with running(folder) as engine:
        states = {model["name"]: model["state"] for model in engine.models()}
        assert states == {"mlp": "ready", "wide": "ready", "text": "ready", "torn": "failed"}
        with pytest.raises(ModelUnavailable, match="torn"):
            engine.submit("torn")
        await engine.infer("mlp", x=X)


@pytest.mark.parametrize("name", ["empty", "missing", "broken"])
async def test_nothing_to_serve(name: str, tmp_path: Path) -> None:
    """A folder in which nothing loads is an error in one line, which names it."""
    (tmp_path / "empty").mkdir()
    model_folders.broken(tmp_path / "broken", "torn")
    with pytest.raises(ModelUnavailable) as caught:
        await tidegate.Engine(tmp_path / name).start()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_the_newest_version_is_the_default(tmp_path: Path) -> None:
    """Of several versions the highest number answers; the others are there for who names them."""
    for version, classes in (("2", 2), ("10", 5)):
        onnx_models.write(tmp_path / "m" / version, model=onnx_models.row_wise_mlp(classes=classes))
    async with running(tmp_path) as engine:
        newest, older = await engine.infer("m", x=X), await engine.infer("m", x=X, version="2")
    assert (newest.version, newest["y"].shape[1], older.version, older["y"].shape[1]) == ("10", 5, "2", 2)


async def test_results_are_the_callers_own(folder: Path) -> None:
    """A result may be written to, and shares no memory with another result of the same run, nor with the inputs."""
    async with running(folder, compute_slots=1) as engine:
        one, two = await asyncio.gather(engine.infer("poison", x=X), engine.infer("poison", x=X))
        one["y"][:] = -1
        assert np.array_equal(two["y"], 2 * X)


async def test_inputs_may_change_after_submit(folder: Path) -> None:
    """As in the SDK, a caller may fill its array anew as soon as ``submit`` has returned."""
    async with running(folder, compute_slots=1) as engine:
        busy = engine.submit("slow", slowly(20))
        x = X.copy()
        task = engine.submit("poison", x=x)
        x[:] = 0
        assert np.array_equal((await task)["y"], 2 * X)
        await busy
