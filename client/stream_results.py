"""The results of steps that are begun as they are taken, for ``async for``. It knows neither messages nor connections.

It is no generator: when a loop is left, Python closes a generator only some time later, and what the program asks of the stream
in between would come before the end of what it has just given up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from tidegate.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tidegate.results import StreamResult

    from .source import Source
    from .stream_steps import Steps


class StreamResults:
    """Results in order, each as soon as it is there.

    Leaving the loop gives up what has not ended, at once. If the program keeps a reference, that is only when it calls
    ``aclose``, as ``contextlib.aclosing`` does.
    """

    def __init__(self, steps: Steps, source: Source, begin: Callable[[Any], None], ahead: int) -> None:
        """Take what is needed.

        Args:
            steps: the steps that were begun.
            source: of what each step brings.
            begin: begins a step with that.
            ahead: how many steps there are at a time whose results were not taken.
        """
        self._steps = steps
        self._source = source
        self._begin = begin
        self._ahead = ahead
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamResult:
        while not self._closed:
            self._go_on()
            try:
                result = self._steps.take()
            except TidegateError:
                self._close()
                raise
            if result is not None:
                return result
            if self._steps.ahead or not self._source.ended:
                await self._steps.change()
            else:
                self._close()
                if self._source.error is not None:
                    raise self._source.error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give up what has not ended; nothing comes any more."""
        self._close()
        await self._source.wait_closed()

    def __del__(self) -> None:
        if self._closed or self._loop.is_closed():
            return
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._close()
        else:
            self._loop.call_soon_threadsafe(_close, self._steps, self._source)

    def _go_on(self) -> None:
        steps, source = self._steps, self._source
        while steps.ahead < self._ahead and not steps.waits and not steps.failed and source.draw():
            try:
                self._begin(source.take())
            except TidegateError as error:
                source.fail(error)

    def _close(self) -> None:
        self._closed = True
        _close(self._steps, self._source)


def _close(steps: Steps, source: Source) -> None:
    steps.close()
    source.close()
