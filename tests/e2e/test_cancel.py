"""Cancelling over the wire tells the truth: what never ran is removed, what ran is dropped, what was done is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from good_requests import quick, slow
from in_process import eventually, on_uvloop, running
from model_folders import FEATURES, TURNS_PER_MS
from raw_client import RawClient, frame, message_frame

import tidegate
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Cancel, Error, Result
from tidegate.errors import Cancelled

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.gateway.gateway import Gateway

LONG_MS = 300


def runs(gateway: Gateway) -> bool:
    """Tell whether a slot computes."""
    before = gateway.engine.busy_s()
    return gateway.engine.busy_s() > before


@pytest.mark.parametrize("form", Form)
@on_uvloop
async def test_outcomes(form: Form, slow_models: Path) -> None:
    """Of two requests the running one is dropped and the waiting one removed, each at once and in the form of its request."""
    async with running(models=slow_models, compute_slots=1) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(slow(1, LONG_MS, form=form))
        await eventually(lambda: runs(gateway))
        await client.send(
            slow(2, LONG_MS, form=form) + message_frame(Cancel(id=2)) + message_frame(Cancel(id=1), form=Form.TEXT)
        )
        second, first = await client.message(), await client.message()
        assert (second.message.id, second.message.code, second.message.outcome) == (2, "cancelled", "removed")
        assert (first.message.id, first.message.code, first.message.outcome) == (1, "cancelled", "dropped")
        assert (first.form, second.form) == (form, form)
        assert not first.message.retryable
        await client.send(quick(3))
        assert isinstance((await client.message()).message, Result)
        counts = gateway.metrics.model("slow").cancelled.values
        assert counts["removed"] == counts["dropped"] == 1
        await eventually(lambda: not runs(gateway))
        assert gateway.metrics.model("slow").rows <= 1


@on_uvloop
async def test_too_late(slow_models: Path) -> None:
    """A cancel for an id that has its answer, or that nobody ever used, changes nothing and is not answered."""
    async with running(models=slow_models) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(quick(1))
        assert isinstance((await client.message()).message, Result)
        await client.send(message_frame(Cancel(id=1)) + message_frame(Cancel(id="1")) + frame(b'{"op":"ping","id":9}', 1))
        assert type((await client.message()).message).__name__ == "Pong"
        assert gateway.metrics.model("other").cancelled.values["too_late"] == 2


@on_uvloop
async def test_an_id_may_be_used_again_after_its_end(slow_models: Path) -> None:
    """The id of a dropped request is free at once: a new one with it gets its own answer, the dropped run's is never seen."""
    async with running(models=slow_models, compute_slots=1) as gateway, await RawClient.open(gateway.port) as client:
        await client.send(slow(1, LONG_MS))
        await eventually(lambda: runs(gateway))
        await client.send(message_frame(Cancel(id=1)) + quick(1))
        cancelled, answer = (await client.message()).message, (await client.message()).message
        assert isinstance(cancelled, Error)
        assert isinstance(answer, Result)
        assert (answer.id, answer.model_name) == (1, "mlp")
        await client.send(frame(b'{"op":"ping","id":"last"}', 1))
        assert (await client.message()).message.id == "last"


@on_uvloop
async def test_another_client_cannot_cancel(slow_models: Path) -> None:
    """Ids belong to their connection: the same id cancelled on another one is nobody's."""
    async with (
        running(models=slow_models, compute_slots=1) as gateway,
        await RawClient.open(gateway.port) as mine,
        await RawClient.open(gateway.port) as theirs,
    ):
        await mine.send(slow(1))
        await eventually(lambda: runs(gateway))
        await theirs.send(message_frame(Cancel(id=1)))
        assert isinstance((await mine.message()).message, Result)


@on_uvloop
async def test_a_cut_connection_cancels_its_requests(slow_models: Path) -> None:
    """When a client goes away what it had waiting is removed and what runs is dropped; the others' requests go on."""
    async with running(models=slow_models, compute_slots=1) as gateway, await RawClient.open(gateway.port) as other:
        client = await RawClient.open(gateway.port)
        await client.send(b"".join(slow(number, LONG_MS) for number in range(30)))
        await eventually(lambda: runs(gateway))
        await other.send(slow(0))
        await client.hang_up()
        answer = (await other.message()).message
        assert isinstance(answer, Result)
        counts = gateway.metrics.model("slow").cancelled.values
        assert counts["removed"] + counts["dropped"] == 30
        assert counts["dropped"] in (1, 2)
        assert gateway.metrics.model("slow").rows <= 3
        assert gateway.metrics.model("slow").requests.values["cancelled"] == 30


@on_uvloop
async def test_the_sdk_says_the_same(slow_models: Path) -> None:
    """``InferenceTask.cancel`` of the SDK gives the gateway's outcome, and the task ends with it."""
    inputs = {"x": np.ones((1, FEATURES), np.float32), "turns": LONG_MS * TURNS_PER_MS}
    async with running(models=slow_models, compute_slots=1) as gateway, tidegate.connect(gateway.url) as client:
        await client.infer("mlp", x=np.ones((1, 4), np.float32))
        first = client.submit("slow", inputs)
        await eventually(lambda: runs(gateway))
        second = client.submit("slow", inputs)
        assert await second.cancel() == "removed"
        assert await first.cancel() == "dropped"
        for task, outcome in ((first, "dropped"), (second, "removed")):
            with pytest.raises(Cancelled) as caught:
                await task
            assert caught.value.outcome == outcome
        done = client.submit("mlp", x=np.ones((1, 4), np.float32))
        await done
        assert await done.cancel() == "too_late"
