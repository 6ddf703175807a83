"""One model's worker: its queue, what it learned of its costs, and what has to be run again. Pure; takes ``now``.

Knows nothing of threads, slots or other models. ``next_batch`` says what to run; ``settle`` says what came of it.

Rules for the size of a batch, each with a test:

1. Greedy: all that waits with one key, up to the size beyond which rows per second do not rise.
2. A batch whose members could miss their time limits because of its size is cut short (see ``triage``).
3. With a latency objective a batch takes at most a third of it: a request may wait for one batch and run in the next, and
   the rest is for what cannot be foreseen.
4. A client with much more waiting than others does not make them wait for it: while a light one (see ``light_rows``) has
   asked in the last second, a batch is no longer than one of the light clients' rows alone. Batches of less than a
   millisecond are in nobody's way, and none is cut so short that rows per second fall below two fifths of the best.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from tidegate.errors import ModelFailed

from .admission import Admission
from .backend import WorkerDied
from .batch import Batch
from .costs import Costs
from .forecast import Margin
from .planner import Sizes, cut, light_rows, split_failed, still_wanted, trim
from .queue import RequestQueue, rows_of
from .request import NEVER
from .triage import triage

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from .batch import Run
    from .model import Model
    from .request import Piece, Request

_USUAL_WEIGHT = 0.1  # of a new run
_SHORT_S = 0.001
_WORTHWHILE = 0.4  # of the best rate
_FEW_CLIENTS = 64  # to look through for each batch; where more wait, a batch holds about one request of each
_REMEMBERED_S = 1.0  # that a light client has asked


class Worker:
    """The serving side of one model.

    Attributes:
        model: what it serves.
        queue: requests that wait.
        costs: what a batch of each size costs.
        margin: how far answers come behind their forecast.
        admission: the check of its inputs.
        objective_s: seconds within which 99 % of answers should come; ``NEVER`` if nothing is declared.
        isolated: whether its runs need a worker process.
        units: compute slots that a run takes.
        weight: its share of compute time relative to other models.
        used_s: compute seconds used, divided by the weight: its place in the turns between models.
        running: batches at the slots.
        staying: those of them that may take more than one step (see ``burst``).
        late: pieces that were given up when a batch was made; whoever asked for the batch ends their requests.
    """

    __slots__ = (
        "_delay_s",
        "_light_until",
        "_patience_s",
        "_retries",
        "_sizes",
        "_usual_s",
        "admission",
        "costs",
        "isolated",
        "late",
        "margin",
        "model",
        "objective_s",
        "queue",
        "running",
        "staying",
        "units",
        "used_s",
        "weight",
    )

    def __init__(self, model: Model) -> None:
        config = model.config
        self.model = model
        self.queue = RequestQueue()
        self.costs = Costs(model.batching.sizes, model.batching.cost_s)
        self.margin = Margin()
        self.admission = Admission(self)
        self.objective_s = NEVER if config.objective_p99_ms is None else config.objective_p99_ms / 1000
        self.isolated = config.executor == "process"
        self.units = config.intra_op_threads
        self.weight = config.weight
        self.used_s = 0.0
        self.running = 0
        self.staying: dict[Batch, None] = {}
        self.late: list[Piece] = []
        self._sizes = Sizes(model.batching.sizes)
        self._delay_s = config.max_delay_ms / 1000
        self._patience_s = NEVER  # of light clients, for a batch
        self._light_until = -NEVER
        self._usual_s = 0.0
        # Bounded by what is at the slots: a batch goes in only when it comes back from one. The flag: it killed a worker.
        self._retries: deque[tuple[list[Piece], bool]] = deque()

    def has_work(self) -> bool:
        """Tell whether anything waits."""
        return bool(self.queue) or bool(self._retries)

    @property
    def delays(self) -> bool:
        """Whether its batches may wait for company."""
        return self._delay_s > 0

    def ready_at(self) -> float:
        """Return when the next batch may run; only meaningful when there is work.

        Without the opt-in ``max_delay_ms`` that is always at once. With it a batch waits until it is full, until its
        first request has waited that long, or until one of its requests could otherwise miss its time limit.
        """
        if not self._delay_s or self._retries:
            return 0.0
        key = self.queue.next_key()
        if self.queue.rows_with(key) >= self.cap(key):
            return 0.0
        firsts = self.queue.firsts(key)
        limit = min([request.deadline for request in firsts]) - 2 * self.costs.estimate_s(self.cap(key), key)
        return min(limit - self.margin.seconds, min([request.arrival for request in firsts]) + self._delay_s)

    def cap(self, key: Hashable = None, *, explore: bool = False) -> int:
        """Return the largest batch that is worth it (rules 1 and 3), or that should be tried now."""
        cap = self.costs.explore() if explore else self.costs.cap()
        return cap if self.objective_s == NEVER else self.costs.size_within(self.objective_s / 3, cap, key)

    def joins(self) -> bool:
        """Tell whether what is next goes on with a batch that stays at its slot, as soon as that was called back."""
        if not self.staying or self._retries:
            return False
        key = self.queue.next_key()
        rows, cap = self.queue.rows_with(key), self.cap(key)
        return any(batch.key == key and batch.rows + rows <= cap for batch in self.staying)

    def is_full(self) -> bool:
        """Tell whether a batch that is taken now would gain nothing by waiting."""
        return self.queue.rows >= self.cap()

    def estimate_s(self) -> float:
        """Return the seconds that the next batch is expected to take."""
        return self.costs.estimate_s(max(1, min(self.queue.rows, self.cap())))

    def remember(self, run_s: float) -> None:
        """Take note of what a run is expected to take."""
        self._usual_s += _USUAL_WEIGHT * (run_s - self._usual_s) if self._usual_s else run_s

    def usual_s(self) -> float:
        """Return the seconds that its runs have taken lately, or that the next one is expected to take if none has run."""
        return self._usual_s or self.estimate_s()

    def expects_light(self, now: float) -> bool:
        """Tell whether a light client has asked lately, beside one with much more (rule 4)."""
        return now <= self._light_until

    def lone_batch(self, request: Request) -> Batch | None:
        """Make a batch of a request that nobody could join; None if it has to be queued all the same."""
        if self._delay_s or self._sizes.floor(request.rows) != request.rows or request.rows > self.cap(request.kind.key):
            return None
        request.taken = request.rows
        return Batch(self, [(request, 0, request.rows)])

    def next_batch(self, now: float) -> Batch | None:
        """Take the next batch; None when all that waited was cancelled or given up meanwhile."""
        while self._retries:
            pieces, suspect = self._retries.popleft()
            if pieces := still_wanted(pieces):
                first, *others = cut(pieces, self._sizes)
                self._retries.extendleft((part, suspect) for part in reversed(others))
                return Batch(self, first, suspect=suspect)
        while self.queue:
            if pieces := self._take(now):
                return Batch(self, pieces)
        return None

    def _take(self, now: float) -> list[Piece]:
        """Take a batch out of the queue; empty when everything that was taken came too late."""
        queue, costs = self.queue, self.costs
        key = queue.next_key()
        limited = queue.limited > 0
        row_s = costs.row_s(key)
        rows = self._sizes.floor(self._fair(key, min(queue.rows_with(key), self.cap(key, explore=True)), now))
        pieces = queue.take(key, rows, row_s=row_s, may_split=not self._sizes.gapless)
        if limited and now + costs.estimate_s(rows, key) > min([request.deadline for request, _, _ in pieces]):
            pieces = self._in_time(pieces, key, now)
            for piece in trim(pieces, self._sizes):
                queue.put_back(piece, row_s)
        return pieces

    def _fair(self, key: Hashable, rows: int, now: float) -> int:
        """Return how many rows the next batch may have, so that no client waits for another's many (rule 4)."""
        costs, clients = self.costs, self.queue.clients()
        if costs.estimate_s(rows, key) <= _SHORT_S or not 1 < clients <= _FEW_CLIENTS:
            return rows if now > self._light_until else costs.size_within(self._patience_s, rows, key)
        if light := light_rows(self.queue.waiting(key), now):
            self._patience_s = max(costs.estimate_s(min(light, rows), key), costs.worthwhile_s(_WORTHWHILE, key), _SHORT_S)
            self._light_until = now + _REMEMBERED_S
        return rows if now > self._light_until else costs.size_within(self._patience_s, rows, key)

    def _in_time(self, pieces: list[Piece], key: Hashable, now: float) -> list[Piece]:
        """Return what of a batch runs now; the rest waits again or is given up, and others take its place (rule 2)."""
        queue, rows, row_s = self.queue, rows_of(pieces), self.costs.row_s(key)
        cost, within = partial(self.costs.estimate_s, key=key), partial(self.costs.size_within, key=key)
        late: Sequence[Piece] = pieces
        while pieces and late:
            crowded = queue.rows_with(key) > 0
            pieces, waits, late = triage(pieces, now, cost, within, crowded=crowded)
            self._give_up(late)
            if crowded and late:
                waits, pieces = [*pieces, *waits], []
            for piece in reversed(waits):
                queue.put_back(piece, row_s)
            if crowded and late:
                pieces = queue.take(key, rows, row_s=row_s, may_split=not self._sizes.gapless)
        return pieces

    def _give_up(self, late: Sequence[Piece]) -> None:
        for request, _, stop in late:
            if stop < request.rows:
                self.queue.remove(request)  # the rest of it is not taken any more
        self.late += late

    def waiting(self) -> list[Request]:
        """Return every request that is not at a slot."""
        again = (request for pieces, _ in self._retries for request, _, _ in pieces)
        return list(dict.fromkeys([*self.queue, *again]))

    def stepped(self, batch: Batch, run: Run) -> None:
        """Take note of a step of a batch that stays at its slot."""
        self.costs.observe(batch.rows, run.compute_s, batch.key)

    def settle(self, batch: Batch) -> list[Request]:
        """Take note of a batch that came back; return the requests for which its error is final."""
        if batch.run is not None:
            self.costs.observe(batch.rows, batch.run.compute_s, batch.key)
            return []
        wanted = still_wanted(batch.pieces)
        if isinstance(batch.error, WorkerDied):
            return self._settle_death(batch, batch.error, wanted)
        parts = split_failed(wanted, self._sizes)
        self._retries.extend((part, batch.suspect) for part in parts)
        return [] if parts else [request for request, _, _ in wanted[:1]]

    def _settle_death(self, batch: Batch, death: WorkerDied, wanted: list[Piece]) -> list[Request]:
        """Run each member again, alone: one that kills its worker twice is guilty, and nobody else can be."""
        if not death.began:
            self._retries.append((wanted, batch.suspect))
            return []
        if not self.model.config.pure:
            batch.error = ModelFailed(f"{death.message}; it may have been executed, so it is not run again")
        elif not batch.suspect:
            self._retries.extend(([piece], True) for piece in wanted)
            return []
        return [request for request, _, _ in wanted]
