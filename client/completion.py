"""Tasks in the order in which they end. It knows tasks only by their callbacks, and nothing of connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from .task import InferenceTask


class Completion:
    """Draws tasks from an iterable and gives them out as they end.

    A collection is watched as a whole. An iterator (a generator of ``submit`` calls, say) is drawn from only while
    ``has_room(n)`` holds for the n tasks that were drawn and not given out yet, or there are none: it may be endless.
    """

    def __init__(self, tasks: Iterable[InferenceTask], has_room: Callable[[int], bool]) -> None:
        lazy = isinstance(tasks, Iterator)
        self._source: Iterator[InferenceTask] | None = iter(tasks if lazy else dict.fromkeys(tasks))
        self._has_room: Callable[[int], bool] = has_room if lazy else lambda _drawn: True
        self._running: set[InferenceTask] = set()
        self._ended: deque[InferenceTask] = deque()
        self._waiter: asyncio.Future[None] | None = None

    async def in_order(self) -> AsyncIterator[InferenceTask]:
        """Yield each task once, soon after it ended."""
        while True:
            self._draw()
            if self._ended:
                yield self._ended.popleft()
            elif self._running:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            else:
                return

    def _draw(self) -> None:
        while self._source is not None:
            drawn = len(self._running) + len(self._ended)
            if drawn and not self._has_room(drawn):
                return
            task = next(self._source, None)
            if task is None:
                self._source = None
            elif task not in self._running:
                self._running.add(task)
                task.add_done_callback(self._on_done)

    def _on_done(self, task: InferenceTask) -> None:
        self._running.discard(task)
        self._ended.append(task)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
