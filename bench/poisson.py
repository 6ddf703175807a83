"""Arrivals that do not wait for answers, and the accounts of what became of them. Pure: it knows no clock and no socket.

The account goes by when a request was due: what was due within the window counts, wherever its answer fell.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .stats import quantile, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REFUSED = "overloaded"


def schedule(rate: float, start: float, seed: int) -> Iterator[float]:
    """Yield the times of a Poisson process with ``rate`` arrivals a second, without end."""
    draw, at = random.Random(seed).expovariate, start
    while True:
        at += draw(rate)
        yield at


class Fate(NamedTuple):
    """One request: when it was due, sent and answered, in seconds of one clock, and with which error code, if any."""

    due: float
    sent: float
    answered: float
    code: str


@dataclass(slots=True, kw_only=True)
class Account:
    """What became of the requests of a window; rates per second, times in milliseconds.

    Attributes:
        good: results within the limit, counted from the send; ``good_from_due``: counted from when they were due.
        kept: results within the limit by all requests that were not refused.
        lateness_p99_ms: how late the generator itself was.
        codes: errors by code.
    """

    offered: float
    good: float
    good_from_due: float
    kept: float
    refused_share: float
    result_p50_ms: float
    result_p99_ms: float
    result_p99_from_due_ms: float
    refusal_p50_ms: float
    refusal_p99_ms: float
    lateness_p50_ms: float
    lateness_p99_ms: float
    lateness_max_ms: float
    codes: dict[str, int] = field(default_factory=dict)


def account(fates: Iterable[Fate], start: float, end: float, limit_s: float) -> Account:
    """Account for the requests that were due from ``start`` to ``end``."""
    due = [fate for fate in fates if start <= fate.due < end]
    results = [fate for fate in due if not fate.code]
    refusals = [fate.answered - fate.sent for fate in due if fate.code == REFUSED]
    took = [fate.answered - fate.sent for fate in results]
    lateness = [fate.sent - fate.due for fate in due]
    in_time = sum(seconds <= limit_s for seconds in took)
    codes = [fate.code for fate in due if fate.code]
    return Account(
        offered=len(due) / (end - start),
        good=in_time / (end - start),
        good_from_due=sum(fate.answered - fate.due <= limit_s for fate in results) / (end - start),
        kept=ratio(in_time, len(due) - len(refusals)),
        refused_share=ratio(len(refusals), len(due)),
        result_p50_ms=quantile(took, 0.5) * 1e3,
        result_p99_ms=quantile(took, 0.99) * 1e3,
        result_p99_from_due_ms=quantile([fate.answered - fate.due for fate in results], 0.99) * 1e3,
        refusal_p50_ms=quantile(refusals, 0.5) * 1e3,
        refusal_p99_ms=quantile(refusals, 0.99) * 1e3,
        lateness_p50_ms=quantile(lateness, 0.5) * 1e3,
        lateness_p99_ms=quantile(lateness, 0.99) * 1e3,
        lateness_max_ms=max(lateness, default=float("nan")) * 1e3,
        codes={code: codes.count(code) for code in sorted(set(codes))},
    )
