"""Streams without ``await``: the synchronous twin of ``stream``. It has no logic of its own.

What the program hands in is drawn from in the program's own thread, what the loop does has a time limit.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from tidegate.errors import ConnectionLost, TidegateError

from .source import Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
    from types import TracebackType

    from tidegate.results import StreamResult

    from .options import Options
    from .stream import Stream
    from .stream_steps import Steps

_T = TypeVar("_T")


class Loop(Protocol):
    """Who runs things in the loop's thread."""

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function there."""
        ...

    def run(self, coroutine: Coroutine[Any, Any, _T], limit: float) -> _T:
        """Run a coroutine there, which ends within ``limit`` seconds."""
        ...


class SyncStream:
    """An ordered conversation with one model, for ``with``. See ``tidegate.client.stream.Stream`` for what it promises.

    Attributes:
        model: name of the model.
    """

    def __init__(self, loop: Loop, stream: Stream, options: Options, timeout: float | None) -> None:
        self.model = stream.model
        self._loop = loop
        self._stream = stream
        self._options = options
        self._timeout = timeout

    @property
    def version(self) -> str | None:
        """The model's version, once the stream is open."""
        return self._stream.version

    @property
    def dropped(self) -> int:
        """How many results were dropped, by ``overflow``."""
        return self._stream.dropped

    def open(self) -> Self:
        """Open the stream, unless that was done; ``with`` does it."""
        self._loop.run(self._stream.open(), 2 * self._limit(None))  # it may ask for the list of models before
        return self

    def close(self) -> None:
        """Let the steps that were asked for come to their end, and end the stream."""
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        with suppress(ConnectionLost):  # then the stream has ended
            self._loop.run(self._stream.__aexit__(kind, error, traceback), self._options.close_timeout)

    def step(self, inputs: Mapping[str, Any] | None = None, /, *, timeout: float | None = None, **tensors: Any) -> StreamResult:
        """Take one step and wait for its last result; interrupting the wait gives the step up."""
        limit = self._limit(timeout)
        return self._loop.run(self._stream.step(inputs, timeout=timeout, **tensors), limit)

    def run(self, chunks: Iterable[Any], *, timeout: float | None = None) -> Iterator[StreamResult]:
        """Take a step for each chunk, and yield all their results in order.

        Chunks are drawn in this thread. If they are waited for, a result comes no sooner than the next chunk: ``step`` is
        better for what is recorded just now.
        """
        limit, source = self._limit(timeout), Source(chunks, _nothing)
        steps, begin, ahead = self._loop.call(lambda: self._stream.steps(timeout))
        try:
            while True:
                while steps.ahead < ahead and not steps.waits and not steps.failed and source.draw():
                    yield from self._begin(steps, source, begin)
                if steps.ahead:
                    result = self._loop.run(steps.next(), limit)
                    if result is not None:
                        yield result
                elif source.error is not None:
                    raise source.error
                else:
                    return
        finally:
            with suppress(ConnectionLost):  # closed meanwhile
                self._loop.call(steps.close)

    def generate(
        self,
        prompt: Any,
        *,
        timeout: float | None = None,
        max_steps: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Iterator[StreamResult]:
        """Let the model go on from a prompt, and yield a result for each token as it is made. See ``Stream.generate``."""

        def begin() -> AsyncIterator[StreamResult]:
            return self._stream.generate(
                prompt, timeout=timeout, max_steps=max_steps, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
            )

        return each(self._loop, begin, self._limit(timeout))

    def cancel(self) -> None:
        """Cancel the steps that were asked for, and wait until they have ended."""
        self._loop.run(self._stream.cancel(), self._limit(None))

    def snapshot(self) -> bytes:
        """Return the state behind the steps that were asked for so far."""
        return self._loop.run(self._stream.snapshot(), self._limit(None))

    def fork(self) -> SyncStream:
        """Return another stream, open, that goes on from the state behind the steps that were asked for so far."""
        stream = self._loop.run(self._stream.fork(), self._limit(None))
        return SyncStream(self._loop, stream, self._options, self._timeout)

    def __repr__(self) -> str:
        return f"<Sync{repr(self._stream)[1:]}"

    def _begin(self, steps: Steps, source: Source, begin: Callable[[Any], None]) -> Iterator[StreamResult]:
        """Begin the next step, and yield what has come meanwhile."""

        def begin_and_take() -> StreamResult | None:
            try:
                if not steps.failed:  # for the loop goes on while a chunk is drawn here
                    begin(source.take())
            except TidegateError as error:
                source.fail(error)
            return steps.take()

        result = self._loop.call(begin_and_take)
        while result is not None:
            yield result
            result = self._loop.call(steps.take)

    def _limit(self, timeout: float | None) -> float:
        return self._options.time_limit(self._timeout if timeout is None else timeout)


def each(loop: Loop, begin: Callable[[], Any], limit: float) -> Iterator[StreamResult]:
    """Yield what comes of an asynchronous iterator, which is closed in the end; each takes ``limit`` seconds at most."""
    results = loop.call(begin)
    try:
        while (result := loop.run(_next(results), limit)) is not None:
            yield result
    finally:
        with suppress(ConnectionLost):  # closed meanwhile
            loop.run(results.aclose(), limit)


def _nothing() -> None:
    """Wake nobody: chunks are not waited for."""


async def _next(results: AsyncIterator[StreamResult]) -> StreamResult | None:
    return await anext(results, None)
