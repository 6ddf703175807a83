"""Where the outcomes of steps lie until the program takes them. It knows neither the steps nor the connection.

Bound: the window of the stream; the server sends no more results than that beyond those that were taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from tidegate.errors import TidegateError
from tidegate.results import StreamResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from .desk import Missed

    Outcome = StreamResult | Missed | TidegateError


class Inbox:
    """The outcomes of some steps of one stream, in order.

    Args:
        read: told how many results were taken, or thrown away.

    Attributes:
        failed: whether an error came, be it taken or not.
    """

    __slots__ = ("_outcomes", "_read", "_waiter", "failed")

    def __init__(self, read: Callable[[int], None]) -> None:
        self.failed = False
        self._outcomes: deque[Outcome] = deque()
        self._read = read
        self._waiter: asyncio.Future[None] | None = None

    def put(self, outcome: Outcome) -> None:
        """Take in an outcome."""
        self._outcomes.append(outcome)
        self.failed = self.failed or isinstance(outcome, TidegateError)
        self.wake()

    def take(self) -> Outcome | None:
        """Return the first outcome, if there is one."""
        if not self._outcomes:
            return None
        outcome = self._outcomes.popleft()
        if isinstance(outcome, StreamResult):
            self._read(1)
        return outcome

    def wake(self) -> None:
        """Let who waits for a change look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def change(self) -> None:
        """Wait for an outcome, or for ``wake``; cancelling is safe. Only one may wait."""
        if not self._outcomes:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def clear(self) -> None:
        """Throw away what lies here."""
        results = sum(isinstance(outcome, StreamResult) for outcome in self._outcomes)
        self._outcomes.clear()
        self._read(results)
