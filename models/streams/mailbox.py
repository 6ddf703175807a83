"""What one stream tells a program in this process, sorted by the step that it belongs to. Knows no model.

Bound: as many results lie here unread as the program's window allows; the others stay in the stream's ring, where their
number is bounded and the model waits for room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from tidegate.errors import Cancelled, UnknownStream
from tidegate.results import StreamResult

from .items import Ended, Failed, Gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.errors import TidegateError

    from .items import Item, Produced
    from .stream import Stream


_FEW = 8  # tasks that wait for one stream


class Awaited:
    """A step whose results are read.

    Attributes:
        after: the number of the last item that came before the step was sent: a number is used again when its step failed.
        items: what came of it and was not read.
        ended: whether nothing more comes of it.
    """

    __slots__ = ("after", "ended", "items", "number")

    def __init__(self, number: int, after: int) -> None:
        self.number = number
        self.after = after
        self.items: deque[StreamResult | TidegateError] = deque()
        self.ended = False


class Mailbox:
    """The results of one stream that its program has not read yet (see ``Receiver``).

    Attributes:
        dropped: how many results were dropped, as gaps tell.
        ended: why the stream has ended; None while it has not.
    """

    def __init__(self, window: int) -> None:
        self.dropped = 0
        self.ended: str | None = None
        self._window = window
        self._unread = 0
        self._steps: dict[int, list[Awaited]] = {}
        self._order: deque[Awaited] = deque()  # those of which something may come, as they were sent
        self._loop = asyncio.get_running_loop()
        self._waiting: list[asyncio.Future[None]] = []  # those who wait for a change
        self._stream: Stream | None = None

    def expect(self, stream: Stream, number: int) -> Awaited:
        """Keep what will come of a step that is about to be sent; of others nothing is kept."""
        awaited = Awaited(number, stream.ring.seq)
        self._steps.setdefault(number, []).append(awaited)
        self._order.append(awaited)
        return awaited

    def forget(self, awaited: Awaited) -> None:
        """Keep nothing more of a step."""
        same = self._steps.get(awaited.number, [])
        if awaited in same:
            same.remove(awaited)
            self._unread -= len(awaited.items)
            if not same:
                del self._steps[awaited.number]
            self._take()

    def stream_has(self, stream: Stream) -> None:
        """Take what there is room for (see ``Receiver``)."""
        self._stream = stream
        self._take()

    def streams_made(self, made: Sequence[tuple[Stream, Produced]]) -> None:
        """Take what there is room for (see ``Receiver``)."""
        for stream, item in made:
            stream.ring.add(item)
            self.stream_has(stream)

    async def next(self, step: Awaited) -> StreamResult:
        """Return the next result of a step, when there is one.

        Raises:
            TidegateError: what ended the step.
            Cancelled: its result was dropped.

        Cancellation: safe, nothing is lost.
        """
        waiting = step.items
        while not waiting:
            if step.ended:
                raise Cancelled("the step's result was dropped, since it was not read in time", outcome="dropped")
            if self.ended is not None:
                raise UnknownStream(f"the stream has ended: {self.ended}")
            await self._change()
        item = waiting.popleft()
        self._unread -= 1
        if self._unread == self._window - 1:  # else everything that there was has been taken
            self._take()
        if isinstance(item, StreamResult):
            return item
        raise item

    async def next_or_lost(self, step: Awaited) -> StreamResult | None:
        """Do what ``next`` does, but return None for a step whose result was dropped."""
        while not step.items and not step.ended and self.ended is None:
            await self._change()
        return None if step.ended and not step.items else await self.next(step)

    async def end(self) -> None:
        """Wait for the end of the stream; what was not read is thrown away."""
        self._steps.clear()
        self._unread = 0
        self._take()
        while self.ended is None:
            await self._change()

    def _change(self) -> asyncio.Future[None]:
        """Return what is done when something has changed."""
        if len(self._waiting) >= _FEW:
            self._waiting = [future for future in self._waiting if not future.done()]
        future = self._loop.create_future()
        self._waiting.append(future)
        return future

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _take(self) -> None:
        stream = self._stream
        if stream is None:
            return
        while (room := self._window - self._unread) > 0:
            items = stream.take(room, keep=False)
            for item in items:
                self._sort(stream, item)
            if len(items) < room:
                break
        if self._waiting:
            self._changed()

    def _sort(self, stream: Stream, item: Item | Ended) -> None:
        if isinstance(item, Ended):
            self.ended = item.reason
        elif isinstance(item, Gap):
            self.dropped += item.last - item.first + 1
        elif (awaited := self._of(item)) is not None:
            self._unread += 1
            if self._order and self._order[0] is not awaited:
                self._end_before(awaited)
            if isinstance(item, Failed):
                awaited.items.append(item.error)
                awaited.ended = True
            else:
                awaited.items.append(_result(stream, item))
                awaited.ended = item.final

    def _end_before(self, awaited: Awaited) -> None:
        """Take note that nothing more comes of the steps before one of which something came."""
        while self._order and self._order[0] is not awaited:
            self._order.popleft().ended = True

    def _of(self, item: Produced | Failed) -> Awaited | None:
        """Return which step an item is of: of those with its number, the last that was sent before it came."""
        for each in reversed(self._steps.get(item.step, ())):
            if each.after < item.seq:
                return each
        return None


def _result(stream: Stream, item: Produced) -> StreamResult:
    model = stream.model
    return StreamResult(
        item.outputs,
        model=model.name,
        version=model.version,
        timing=item.timing,
        seq=item.seq,
        step=item.step,
        final=item.final,
        text=item.text,
        reason=item.reason,
    )
