"""Draws chunks from an iterable of either kind, one at a time and only when it is told to. It knows nothing of streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

_NOTHING = object()


class Source:
    """The chunks of one call of ``run``.

    Args:
        chunks: where they come from.
        wake: called when a chunk has come that had to be waited for.

    Attributes:
        ended: whether there are no more.
        error: what they ended with, if it was an error.
    """

    def __init__(self, chunks: Iterable[Any] | AsyncIterable[Any], wake: Callable[[], None]) -> None:
        self.ended = False
        self.error: Exception | None = None
        self._wake = wake
        self._chunk: Any = _NOTHING
        self._iterator: Iterator[Any] | None = None
        self._async_iterator: AsyncIterator[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        if isinstance(chunks, AsyncIterable):
            self._async_iterator = aiter(chunks)
        else:
            self._iterator = iter(chunks)

    def draw(self) -> bool:
        """Return whether there is a chunk to be taken; if there is none, draw one, or begin to."""
        if self._chunk is _NOTHING and self._task is None and not self.ended:
            if self._iterator is not None:
                self._draw(self._iterator)
            else:
                self._task = asyncio.create_task(self._wait())
        return self._chunk is not _NOTHING

    def take(self) -> Any:
        """Return the chunk that was drawn."""
        chunk, self._chunk = self._chunk, _NOTHING
        return chunk

    def fail(self, error: Exception) -> None:
        """Draw no more: a chunk was no good."""
        self.ended = True
        self.error = error

    def close(self) -> None:
        """Draw no more; a chunk that is being waited for is given up."""
        self.ended = True
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing goes on any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _draw(self, iterator: Iterator[Any]) -> None:
        try:
            self._chunk = next(iterator, _NOTHING)
            self.ended = self._chunk is _NOTHING
        except Exception as error:
            self.fail(error)

    async def _wait(self) -> None:
        assert self._async_iterator is not None
        try:
            self._chunk = await anext(self._async_iterator, _NOTHING)
            self.ended = self.ended or self._chunk is _NOTHING
        except Exception as error:
            self.fail(error)
        finally:
            self._task = None
            self._wake()
