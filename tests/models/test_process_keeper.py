"""A worker process is kept alive whatever a model does to it."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from onnx_models import row_wise_mlp
from process_helpers import source_of

from tidegate.models.backend import WorkerDied
from tidegate.models.processes.keeper import Keeper
from tidegate.models.processes.messages import Open, Opened, Source

if TYPE_CHECKING:
    from pathlib import Path


class FakeWorker:
    """A worker that dies when it opens certain models."""

    def __init__(self, deadly: set[int]) -> None:
        self.pid = 1
        self.orders: list[Open] = []
        self._deadly = deadly

    def ask(self, order: Open, _limit_s: float) -> Opened:
        self.orders.append(order)
        if order.model in self._deadly and not order.later:
            raise WorkerDied("its worker process was killed by SIGSEGV")
        return Opened()

    def death(self) -> str:
        return "was killed by SIGSEGV"


def test_a_model_that_kills_whoever_opens_it(tmp_path: Path) -> None:
    """After a death at a model, the next worker opens that one later, and serves the others; then all is tried again."""
    source = Source.of(source_of(tmp_path, row_wise_mlp()))
    orders = [Open(number, source, "", (), (), later=False) for number in range(3)]
    workers: list[FakeWorker] = []

    def begin() -> FakeWorker:
        workers.append(FakeWorker({1, 2}))
        return workers[-1]

    nothing = lambda *_: None  # noqa: E731
    fake: Any = SimpleNamespace(
        begin=begin, orders=lambda: orders, ready=nothing, lost=nothing, end=nothing, closing=threading.Event()
    )
    kept = Keeper(fake, 0)
    outcomes = []
    for _ in range(4):
        outcomes.append(kept._start() is not None)
        outcomes.append(kept.is_settled())
        kept._end()
    assert outcomes == [False, False, False, False, True, True, False, False]
    assert [[order.later for order in worker.orders] for worker in workers] == [
        [False, False],
        [False, True, False],
        [False, True, True],
        [False, False],
    ]
