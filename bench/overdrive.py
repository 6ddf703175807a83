"""A server under more than it can do: its peak, twice that in the open, and the questions that follow."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from . import measure, series
from .measure import Load
from .stats import ratio, table
from .verdict import Verdict

if TYPE_CHECKING:
    from .command import Bench
    from .open_load import OpenWindow
    from .servers import Server
    from .turns import Plan
    from .window import Window

LIMIT_MS = 100.0
OVER = 2.0
SETTLING_S = 1.0
"""Time under the open load before its window: as many limits as the queue needs to become what it will be."""


class Overdrive:
    """One server, one model, and the two loads: the closed one for the peak, and the open one."""

    def __init__(self, bench: Bench, server: Server, model: str) -> None:
        self.bench, self.server, self.model = bench, server, model
        self._closed = Load(model=model, core=bench.cores[1], connections=16, in_flight=4)
        self._open = Load(model=model, core=bench.cores[1], connections=256)

    def peak(self) -> Window:
        """Return a window of the closed loop: what fits."""
        return measure.load(self.server, self.bench.space, self.bench.plan, self._closed)

    def over(self, peak: float, seconds: float) -> OpenWindow:
        """Return a window of twice ``peak``."""
        return measure.open_load(
            self.server, self.bench.space, self._plan(seconds), self._open, rate=OVER * peak, limit_ms=LIMIT_MS
        )

    def memory(self, seconds: float) -> list[Verdict]:
        """Overload for long and look at the server's memory."""
        peak = self.peak().rate
        with series.watched(self.server.pid) as samples:
            over = self.over(peak, seconds)
        good = ratio(over.account.good, (peak + self.peak().rate) / 2)
        heads = ["seconds", "RSS MiB first", "most", "last", "slope MiB/min", "goodput / peak", "in time", "CPU us each"]
        mib = [sample.rss_mib for sample in samples]
        slope = series.slope_mib_per_minute(samples)
        line = (seconds, mib[0], max(mib), mib[-1], slope, good, over.account.kept, over.server_us)
        print(f"\n{table(heads, [line])}")
        return [Verdict(f"{self.model}: memory, last quarter / second quarter", series.growth(samples), 1.05, False)]

    def retries(self, seconds: float) -> list[Verdict]:
        """Ask whether refusals say truly when to come again."""
        peak = self.peak().rate
        found = measure.retries(
            self.server, self.bench.space, self._plan(seconds), self._open, rate=OVER * peak, limit_ms=LIMIT_MS
        )
        heads = ["a client comes again when", "how often", "admitted", "in time", "told p50 ms", "p99"]
        heads += ["told nothing", "never refused"]
        keys = ("admitted_share", "in_time_share", "told_p50_ms", "told_p99_ms")
        lines = [
            (name, int(f["retries"]), *(f[key] for key in keys), int(f["mute"]), int(f["never"]))
            for name, f in (("the others have stopped", found["lone"]), ("the others go on", found["crowded"]))
        ]
        print(f"\n{table(heads, lines)}")
        return [Verdict(f"{self.model}: lone retries admitted", found["lone"]["admitted_share"], 0.9, True)]

    def _plan(self, seconds: float) -> Plan:
        return dataclasses.replace(self.bench.plan, warm_up_s=SETTLING_S, window_s=seconds)
