"""More work than fits, over the wire: refused at once or answered in time, never run in vain, and nobody left waiting."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
from good_requests import quick, slow
from in_process import eventually, on_uvloop, running
from model_folders import FEATURES, TURNS_PER_MS
from raw_client import RawClient

import tidegate
from tidegate.codecs.messages import Result
from tidegate.errors import DeadlineExceeded, Overloaded

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.gateway.gateway import Gateway

RUN_MS = 20


def inputs(ms: float) -> dict[str, object]:
    return {"x": np.ones((1, FEATURES), np.float32), "turns": round(ms * TURNS_PER_MS)}


def computes(gateway: Gateway) -> bool:
    before = gateway.engine.busy_s()
    return gateway.engine.busy_s() > before


@on_uvloop
async def test_what_cannot_be_in_time_is_refused_at_once(slow_models: Path) -> None:
    """Sixty requests with room for a few: each has one end, the refused say when to return, and a lone retry gets in."""
    async with running(models=slow_models, compute_slots=1) as gateway, tidegate.connect(gateway.url) as client:
        for _ in range(20):
            await client.infer("slow", inputs(RUN_MS))
        tasks = [client.submit("slow", inputs(RUN_MS), timeout=10 * RUN_MS / 1000) for _ in range(60)]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [end for end in ends if isinstance(end, Overloaded)]
        assert all(end.retry_after_ms is not None and end.retry_after_ms > 0 for end in refused)
        assert len(refused) >= 30
        assert sum(isinstance(end, DeadlineExceeded) for end in ends) <= 10
        assert sum(not isinstance(end, BaseException) for end in ends) >= 1
        assert gateway.metrics.refused.values["deadline"] == len(refused)
        await client.infer("slow", inputs(RUN_MS), timeout=10 * RUN_MS / 1000)


@on_uvloop
async def test_who_leaves_stops_what_runs_for_him(slow_models: Path) -> None:
    """A connection that is cut during a run of ten seconds gives the only slot back long before that."""
    async with running(models=slow_models, compute_slots=1) as gateway, await RawClient.open(gateway.port) as other:
        client = await RawClient.open(gateway.port)
        await client.send(slow(1, 10_000))
        await eventually(lambda: computes(gateway))
        await client.hang_up()
        began = time.monotonic()
        await other.send(quick(1))
        assert isinstance((await other.message()).message, Result)
        assert time.monotonic() - began < 5
        assert gateway.metrics.model("slow").stopped == 1
        assert gateway.metrics.model("slow").rows == 0


@on_uvloop
async def test_a_flood_does_not_lock_a_light_client_out(slow_models: Path) -> None:
    """With all places of the queue taken by one client, another one's single request is admitted and served soon."""
    settings = {"compute_slots": 1, "queue_requests": 20}
    async with (
        running(models=slow_models, **settings) as gateway,
        await RawClient.open(gateway.port) as flood,
        await RawClient.open(gateway.port) as light,
    ):
        await flood.send(b"".join(slow(number, RUN_MS) for number in range(100)))
        await eventually(lambda: gateway.metrics.refused.values["queue_requests"] > 0)
        await light.send(slow(1, RUN_MS))
        assert isinstance((await light.message()).message, Result)
        answered = gateway.metrics.model("slow").requests.values["ok"]
        assert answered < 21
