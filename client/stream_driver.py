"""Does with a session's streams what a program asks for: from calls to the pure ``Streams`` and back. It decides nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .exchange import Phase
from .inbox import Inbox
from .stream_requests import StepRequest, to_close, to_fork, to_open, to_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.codecs.parts import Overflow
    from tidegate.results import Array

    from .driver import Driver
    from .stream_log import StreamLog
    from .stream_requests import Errand, Scalar


class StreamDriver:
    """The streams of one connection, on its event loop; cancelling what waits here is safe."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._streams = driver.session.streams

    async def open(
        self,
        model: str,
        constants: Mapping[str, Array],
        *,
        window: int,
        timeout: float,
        version: str | None,
        outputs: tuple[str, ...],
        overflow: Overflow,
        priority: int,
        publish: str | None,
        from_snapshot: bool,
    ) -> StreamLog:
        """Open a stream.

        Raises:
            TidegateError: it could not be opened.
        """
        self._driver.session.check_not_closed()
        log, waiter = self._streams.new(model, window), self._future()
        errand = to_open(
            self._driver.session.next_id(),
            log,
            constants,
            now=self._now(),
            timeout=timeout,
            version=version,
            outputs=outputs,
            overflow=overflow,
            priority=priority,
            publish=publish,
            from_snapshot=from_snapshot,
            waiter=waiter,
        )
        self._streams.open(errand)
        await self._answer(errand)
        return log

    async def fork(self, log: StreamLog, timeout: float) -> StreamLog:
        """Open a stream that goes on from the state of another; raises a ``TidegateError`` if that cannot be done."""
        made, waiter = self._streams.new(log.model, log.sequence.window), self._future()
        errand = to_fork(self._driver.session.next_id(), log, made, now=self._now(), timeout=timeout, waiter=waiter)
        self._streams.ask(errand)
        await self._answer(errand)
        return made

    async def snapshot(self, log: StreamLog, timeout: float) -> bytes:
        """Return the state of a stream; raises a ``TidegateError`` if it cannot be had."""
        errand = to_snapshot(self._driver.session.next_id(), log, now=self._now(), timeout=timeout, waiter=self._future())
        self._streams.ask(errand)
        data: bytes = await self._answer(errand)
        return data

    async def close(self, log: StreamLog, wait: float) -> None:
        """Close a stream, and wait for its end so many seconds at most; it ends by itself otherwise."""
        if log.ended is not None or log.closing:
            return
        waiter = self._future()
        self._streams.close(to_close(self._driver.session.next_id(), log, now=self._now(), waiter=waiter))
        self._driver.act()
        if wait > 0:
            await asyncio.wait([waiter], timeout=wait)

    async def cancel(self, log: StreamLog) -> None:
        """Cancel the steps of a stream, and wait until they have ended."""
        waiter = self._future()
        self._streams.cancel(log, waiter, self._now())
        self._driver.act()
        await waiter

    def stop(self, log: StreamLog) -> None:
        """Cancel the steps of a stream."""
        self._streams.cancel(log, self._future(), self._now())
        self._driver.act()

    def inbox(self, log: StreamLog) -> Inbox:
        """Make a place for the outcomes of some steps."""

        def read(count: int) -> None:
            log.read(count)
            if self._streams.has_out:
                self._driver.act()

        return Inbox(read)

    def begin(
        self,
        log: StreamLog,
        tensors: dict[str, Array],
        inbox: Inbox,
        *,
        timeout: float,
        parameters: Mapping[str, Scalar] | None = None,
        copy: bool,
    ) -> StepRequest:
        """Begin a step; ``copy`` if the tensors may change as soon as this returns.

        Raises:
            TidegateError: nothing can be asked of the stream any more, or too many steps wait.
        """
        step = StepRequest(log, tensors, now=self._now(), timeout=timeout, parameters=parameters, waiter=inbox)
        self._streams.submit(step)
        self._driver.act()
        if copy and step.phase is Phase.WAITING:
            self._streams.hold(step)
        return step

    def give_up(self, step: StepRequest) -> None:
        """Forget a step that nobody waits for any more."""
        self._streams.give_up(step)
        self._driver.act()

    async def _answer(self, errand: Errand) -> Any:
        self._driver.act()
        try:
            return await errand.waiter
        finally:
            if errand.waiter.cancelled():
                self._streams.abandon(errand)
                self._driver.act()

    def _future(self) -> asyncio.Future[Any]:
        return self._driver.loop.create_future()

    def _now(self) -> float:
        return self._driver.loop.time()
