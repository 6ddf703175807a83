"""The answer of a request that was served in parts."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from fakes import Answers, model, request

from tidegate.errors import ModelFailed
from tidegate.models.batch import Run
from tidegate.models.bounds import Bounds
from tidegate.models.merging import Merge
from tidegate.models.scheduler import Scheduler
from tidegate.models.worker import Worker


def split(outputs: list[np.ndarray[Any, Any]]) -> Merge:
    """Build a request whose parts are these outputs, which came in the opposite order."""
    worker = Worker(model())
    one = request("big", rows=sum(map(len, outputs)), worker=worker)
    starts = np.cumsum([0, *map(len, outputs)]).tolist()
    one.parts = {
        start: (Run(worker.model, len(output), [output], float(start), 0.5), 0, len(output))
        for start, output in reversed(list(zip(starts, outputs, strict=False)))
    }
    return Merge(one)


def test_parts_are_put_together_in_order() -> None:
    """Whatever order parts came in, rows are in the request's order, and what it cost is the sum."""
    merge = split([np.full((2, 2), 1), np.full((3, 2), 2), np.full((1, 2), 3)])
    merge.execute()
    assert merge.run is not None
    assert merge.run.outputs[0][:, 0].tolist() == [1, 1, 2, 2, 2, 3]
    assert (merge.run.size, merge.run.started, merge.run.compute_s) == (3, 0.0, 1.5)


def test_parts_that_do_not_fit_are_an_error() -> None:
    """Outputs of different widths are the model's fault, and are told as such."""
    merge = split([np.zeros((2, 2)), np.zeros((2, 3))])
    merge.execute()
    assert merge.run is None
    assert isinstance(merge.error, ModelFailed)


def test_a_job_of_a_compute_slot_never_raises() -> None:
    """Whatever is wrong with the parts, there is an error with a code; a slot's thread that ended would end all service."""
    merge = split([np.zeros((2, 2)), np.zeros((2, 2))])
    for run, _, _ in merge.request.parts.values():  # type: ignore[union-attr]
        run.outputs = []
    merge.execute()
    assert merge.run is None
    assert merge.error is not None
    assert merge.error.code == "internal"


def test_only_large_answers_leave_the_loop() -> None:
    """A few rows are put together at once; a quarter of a megabyte and more is work for a compute slot."""
    assert split([np.zeros((2, 2)), np.zeros((2, 2))]).is_small()
    assert not split([np.zeros((2, 20_000)), np.zeros((2, 20_000))]).is_small()


async def test_a_large_answer_comes_whole() -> None:
    """A request of many batches with wide outputs is answered once, in order, by way of a compute slot."""

    def widen(arrays: list[Any]) -> list[Any]:
        return [np.repeat(arrays[0][:, :1], 4000, axis=1)]

    sink, worker = Answers(), Worker(model(compute=widen))
    scheduler = Scheduler([worker], slots=1, bounds=Bounds(), observer=None)
    big = request("big", rows=60, worker=worker, sink=sink)
    big.arrays[0][:, 0] = np.arange(60)
    scheduler.add(big)
    async with asyncio.timeout(10):
        while not sink.outputs and not sink.errors:  # noqa: ASYNC110 (a slot's thread sets no event)
            await asyncio.sleep(0.001)
    await scheduler.aclose(1.0)
    assert sink.errors == {}
    assert sink.outputs["big"][:, 0].tolist() == list(range(60))
    assert sink.outputs["big"].shape == (60, 4000)
