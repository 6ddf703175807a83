"""Where there are several slots, long runs are computed on threads that yield to others; every job comes back."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from tidegate.models.slots import ComputeSlots


@dataclass
class Noted:
    """A job that writes down where it ran."""

    is_short: bool
    thread: str = ""
    nice: int = 0
    settled: str = ""

    def execute(self) -> None:
        self.thread = threading.current_thread().name
        self.nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) if sys.platform == "linux" else 0

    def settle(self) -> None:
        self.settled = threading.current_thread().name


async def executed(count: int, *jobs: Noted) -> None:
    """Execute jobs one after the other, then end the slots."""
    done: asyncio.Queue[Noted] = asyncio.Queue()
    slots: ComputeSlots[Noted] = ComputeSlots(count, asyncio.get_running_loop(), done.put_nowait)
    for job in jobs:
        slots.submit(job)
        assert await asyncio.wait_for(done.get(), 10) is job
    slots.stop()


async def test_one_slot_computes_everything_itself() -> None:
    """With one slot nothing could go first, so a long run stays on the slot's thread."""
    long = Noted(is_short=False)
    await executed(1, long)
    assert long.thread == "tidegate-slot-0"


async def test_what_nobody_waits_for_is_done_after_the_telling() -> None:
    """A job settles on the thread that executed it, when the loop was told that it is done."""
    events: list[str] = []
    done: asyncio.Queue[Noted] = asyncio.Queue()

    class Loop:
        call = staticmethod(asyncio.get_running_loop().call_soon_threadsafe)

        def call_soon_threadsafe(self, *call: Any) -> None:
            events.append("told")
            self.call(*call)

    class Ordered(Noted):
        def settle(self) -> None:
            super().settle()
            events.append("settled")

    slots: ComputeSlots[Noted] = ComputeSlots(1, Loop(), done.put_nowait)  # type: ignore[arg-type]
    first, second = Ordered(is_short=True), Ordered(is_short=True)
    for job in (first, second):
        slots.submit(job)
        assert await asyncio.wait_for(done.get(), 10) is job
    slots.stop()
    assert events[:3] == ["told", "settled", "told"]
    assert first.settled == first.thread == "tidegate-slot-0"


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")
async def test_long_runs_yield() -> None:
    """With two slots a long run is nicer than a short one, and short ones are as before."""
    jobs = [Noted(is_short=short) for short in (True, False, True, False, True)]
    before = os.getpriority(os.PRIO_PROCESS, 0)
    await executed(2, *jobs)
    assert [job.nice > before for job in jobs] == [not job.is_short for job in jobs] or before == 19
    assert [job.thread.startswith("tidegate-long-") for job in jobs] == [not job.is_short for job in jobs]
