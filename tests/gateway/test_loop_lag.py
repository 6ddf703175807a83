"""Claims about the measurement of the event loop's lag."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.loop_lag import LoopLag, LoopLagMonitor

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeLoop:
    """A loop whose only timer runs when the test says so, as late as it says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer: tuple[float, Callable[..., None], tuple[Any, ...]] | None = None

    def call_later(self, delay_s: float, callback: Callable[..., None], *args: Any) -> FakeLoop:
        self.timer = (self.now + delay_s, callback, args)
        return self

    def cancel(self) -> None:
        self.timer = None

    def run(self, late_s: float) -> None:
        assert self.timer is not None
        due, callback, args = self.timer
        self.now, self.timer = due + late_s, None
        callback(*args)


def test_nothing_recorded_reads_zero() -> None:
    """Before the first timer ran the readout is zeros."""
    assert LoopLag().readout() == (0.0, 0.0, 0.0)


def test_percentiles_are_of_what_was_recorded() -> None:
    """Of lags 1 to 100 ms the median is 50, the 99th percentile 99 and the maximum 100."""
    lag = LoopLag(interval_s=1.0, window_s=100.0)
    for lag_ms in range(100, 0, -1):
        lag.record(lag_ms / 1000)
    assert lag.readout() == (0.050, 0.099, 0.100)


def test_the_window_slides() -> None:
    """A long lag is forgotten by the readout after the window, and kept by the histogram for ever."""
    lag = LoopLag(interval_s=1.0, window_s=60.0)
    lag.record(0.9)
    for _ in range(59):
        lag.record(0.001)
    assert lag.readout().max_s == 0.9
    lag.record(0.001)
    assert lag.readout().max_s == 0.001
    assert lag.histogram.buckets()[-1] == (float("inf"), 61)
    assert lag.histogram.buckets()[-3] == (1.0, 61)
    assert lag.histogram.buckets()[-4] == (0.5, 60)


def test_a_long_stop_counts_for_the_timers_that_it_swallowed() -> None:
    """Half a second without a turn of the loop makes half of the last second late, not one sample in eleven."""
    lag = LoopLag(interval_s=0.05, window_s=1.0)
    for _ in range(10):
        lag.record(0.0)
    lag.record(0.45)
    assert lag.histogram.buckets()[-1][1] == 20
    assert lag.readout().p50_s == pytest.approx(0.0)
    assert sorted(lag._recent)[-10:] == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45])


@given(st.lists(st.floats(-1e3, 1e6), max_size=50))
def test_memory_and_values_stay_in_bounds(lags: list[float]) -> None:
    """However late the loop is, or however its clock jumps, the window holds a minute and the order of percentiles holds."""
    lag = LoopLag(interval_s=1.0, window_s=60.0)
    for lag_s in lags:
        lag.record(lag_s)
    read = lag.readout()
    assert len(lag._recent) <= 60
    assert 0.0 <= read.p50_s <= read.p99_s <= read.max_s <= max([0.0, *lags])


def test_the_monitor_measures_actual_minus_due_and_goes_on() -> None:
    """Each timer records how much later than due it ran, and sets the next one from then on, with no burst to catch up."""
    loop, lag = FakeLoop(), LoopLag()
    monitor = LoopLagMonitor(lag, clock=lambda: loop.now)
    monitor.start(cast("asyncio.AbstractEventLoop", loop))
    for late_s in (0.0, 0.003, 0.02):
        loop.run(late_s)
    assert list(lag._recent) == pytest.approx([0.0, 0.003, 0.02])
    assert loop.timer is not None
    assert loop.timer[0] == pytest.approx(loop.now + 0.05)


def test_a_stopped_monitor_leaves_no_timer() -> None:
    """After stop nothing is left on the loop, and stopping again is harmless."""
    loop = FakeLoop()
    monitor = LoopLagMonitor(LoopLag(), clock=lambda: loop.now)
    monitor.start(cast("asyncio.AbstractEventLoop", loop))
    monitor.stop()
    monitor.stop()
    assert loop.timer is None


def test_a_real_loop_is_measured() -> None:
    """On a real loop that something blocks for 30 ms a lag of about that is seen."""

    async def block() -> LoopLag:
        lag = LoopLag(interval_s=0.001)
        monitor = LoopLagMonitor(lag, interval_s=0.001)
        monitor.start()
        loop = asyncio.get_running_loop()
        until = loop.time() + 0.03
        while loop.time() < until:
            pass
        late = loop.create_future()
        loop.call_later(0.002, late.set_result, None)  # the monitor's timer was set before, so it has run by then
        await asyncio.wait_for(late, 10)
        monitor.stop()
        return lag

    assert 0.02 < asyncio.run(block()).readout().max_s < 10.0
