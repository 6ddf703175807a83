"""Steps that one call has begun, and what comes of them in order. It knows neither messages nor connections."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tidegate.errors import TidegateError

from .desk import Missed
from .exchange import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.results import Array, StreamResult

    from .stream_driver import StreamDriver
    from .stream_log import StreamLog
    from .stream_requests import Scalar, StepRequest


class Steps:
    """The steps of one call of ``step``, ``run`` or ``generate``.

    Attributes:
        ahead: how many were begun, and their ends were not taken yet.
    """

    def __init__(self, streams: StreamDriver, log: StreamLog) -> None:
        self.ahead = 0
        self._streams = streams
        self._log = log
        self._inbox = streams.inbox(log)
        self._begun: deque[StepRequest] = deque()

    @property
    def failed(self) -> bool:
        """Whether one of them has failed: those that would be begun now were not meant to follow."""
        return self._inbox.failed

    @property
    def waits(self) -> bool:
        """Whether the last one waits here for its turn."""
        return bool(self._begun) and self._begun[-1].phase is Phase.WAITING

    def begin(
        self,
        tensors: dict[str, Array],
        timeout: float,
        *,
        parameters: Mapping[str, Scalar] | None = None,
        copy: bool = False,
    ) -> None:
        """Begin another one; see ``StreamDriver.begin``."""
        while self._begun and self._begun[0].phase is Phase.FINISHED:
            self._begun.popleft()
        step = self._streams.begin(self._log, tensors, self._inbox, timeout=timeout, parameters=parameters, copy=copy)
        self._begun.append(step)
        self.ahead += 1

    def take(self) -> StreamResult | None:
        """Return the next result, if it is there; results that were dropped are passed over.

        Raises:
            TidegateError: a step ended with it.
        """
        while (outcome := self._inbox.take()) is not None:
            if isinstance(outcome, TidegateError):
                self.ahead -= 1
                raise outcome
            if isinstance(outcome, Missed):
                self.ahead -= 1
                continue
            self.ahead -= outcome.final
            return outcome
        return None

    async def next(self) -> StreamResult | None:
        """Return the next result when it is there; None if there will be none. Cancelling is safe.

        Raises:
            TidegateError: a step ended with it.
        """
        while (result := self.take()) is None and self.ahead:
            await self._inbox.change()
        return result

    async def change(self) -> None:
        """Wait for a result, or for ``wake``; cancelling is safe."""
        await self._inbox.change()

    def wake(self) -> None:
        """Let who waits for a change look again."""
        self._inbox.wake()

    def close(self) -> None:
        """Give up what has not ended."""
        for step in reversed(self._begun):
            if step.phase in (Phase.WAITING, Phase.SENT):
                self._streams.give_up(step)
        self._inbox.clear()
