"""When will an answer be there? The learned cost of what comes before a request, and of the batch that it would join.

Pure. A forecast is an estimate of the middle; ``Margin`` learns how much later answers really come, so that all but one
in a hundred requests that were admitted by it are answered in time.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from .costs import Costs

_WINDOW = 2048  # samples; of runs that were full, 256
_EACH_RUN = 8  # samples of each run, evenly spread over its members
_LATE_SHARE = 0.005  # of answers that may come later than forecast and margin
_CENSORED = 1.25  # by so much what ended at its limit would have been later
_FALL = 1 / 256  # of the margin, with each run, at most: else it would fall at once when the window forgets, and swing
_MOST = 0.5  # of the time that a request has: beyond, a margin would cost more answers than it saves


class Margin:
    """The delay beyond the forecast that all but a small share of answers stay within.

    An order statistic of a sliding window, which falls slowly. Requests that ended without an answer are samples as well,
    else the window would only show those that the margin saved (they are censored: it is not known how late their answers
    would have been).

    Bounds: the window; between two runs as many samples more as fit into it.

    Attributes:
        seconds: the margin.
    """

    __slots__ = ("_missed", "_ordered", "_recent", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._missed: list[float] = []
        self._recent: deque[float] = deque()
        self._ordered: list[float] = []

    def within(self, left_s: float) -> float:
        """Return the margin for a request that has so much time."""
        return min(self.seconds, _MOST * left_s)

    def missed(self, slack_s: float) -> None:
        """Take note of a request that ended without an answer so many seconds after its forecast."""
        if len(self._missed) < _WINDOW:
            self._missed.append(_CENSORED * slack_s)

    def observe(self, behind_s: Sequence[float]) -> None:
        """Learn from the members of a run that came back: how far behind its forecast each of them is answered."""
        every = -(-len(behind_s) // _EACH_RUN) or 1
        for sample_s in (*behind_s[::every], *self._missed[::every]):
            self._add(sample_s)
        self._missed.clear()
        if self._ordered:
            self.seconds = max((1.0 - _FALL) * self.seconds, self._ordered[-1 - int(_LATE_SHARE * len(self._ordered))])

    def _add(self, sample_s: float) -> None:
        self._recent.append(sample_s)
        insort(self._ordered, sample_s)
        if len(self._recent) > _WINDOW:
            del self._ordered[bisect_left(self._ordered, self._recent.popleft())]


def expected_s(costs: Costs, key: Hashable, *, cap: int, before: int, waiting: int, rows: int, share: float) -> float:
    """Return the seconds from a free slot to the answer of a request.

    Args:
        costs: of its model.
        key: its batch key.
        cap: the largest batch.
        before: rows that are served before it.
        waiting: all rows that wait; those that are not before it may still fill its batch.
        rows: its own rows.
        share: how many runs of the model go on at a time.
    """
    batches, rest = divmod(before, cap)
    own = min(cap, max(rest, waiting - batches * cap) + rows)
    expected = batches * costs.estimate_s(cap, key) / share + costs.estimate_s(own, key)
    beyond = rest + rows - cap
    return expected if beyond <= 0 else expected + costs.estimate_s(beyond, key) / share
