"""The synchronous twin of the SDK, for notebooks and scripts: the same calls, without ``await``. It has no logic of its own.

Each connection has a thread with an event loop, in which an ordinary ``Connection`` lives. It may be used from any number of
threads. Every wait ends: what runs in the loop has a time limit, and what waits for the loop waits a little longer than that.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from tidegate.errors import ConnectionLost, DeadlineExceeded

from .connection import Connection
from .options import ConnectOptions, Options
from .sync_stream import SyncStream, each
from .sync_subscription import SyncSubscription
from .url import DEFAULT_URL, complete, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from tidegate.codecs.parts import Conflation, Overflow
    from tidegate.errors import CancelOutcome
    from tidegate.results import Result, StreamResult, Timing

    from .task import InferenceTask, Status

_T = TypeVar("_T")
_MARGIN_S = 5.0
"""How much longer than what it runs the loop's thread is waited for; if that is not enough, the loop is stuck."""


class SyncTask:
    """A submitted inference; ``result()`` waits for it.

    Attributes:
        id: what names it on the connection.
        model: name of the model.
        limit: its time limit in seconds.
    """

    def __init__(self, connection: SyncConnection, task: InferenceTask, limit: float) -> None:
        self.id = task.id
        self.model = task.model
        self._connection = connection
        self._task = task
        self.limit = limit

    @property
    def status(self) -> Status:
        """How it stands."""
        return self._task.status

    @property
    def timing(self) -> Timing | None:
        """What it cost, once it is done."""
        return self._task.timing

    def done(self) -> bool:
        """Tell whether it has ended, one way or another."""
        return self._task.done()

    def result(self) -> Result:
        """Wait for its result, or raise its error; it has a time limit of its own. Interrupting the wait leaves it running."""
        return self._connection.run(_result(self._task), self.limit)

    def cancel(self) -> CancelOutcome:
        """Cancel it, and say what became of it: ``removed``, ``dropped`` or ``too_late``."""
        return self._connection.run(self._task.cancel(), self.limit)

    def when_done(self, put: SimpleQueue[SyncTask]) -> None:
        """Put this task into a queue as soon as it has ended."""
        self._connection.call(lambda: self._task.add_done_callback(lambda _task: put.put(self)))

    def __repr__(self) -> str:
        return repr(self._task).replace("InferenceTask", "SyncTask", 1)


class SyncConnection:
    """A connection to a gateway; made by ``connect``. See ``tidegate.client.connection.Connection`` for what it promises.

    Attributes:
        url: where the gateway is.
    """

    def __init__(self, url: str, options: Options) -> None:
        self.url = url
        self._options = options
        self._loop = asyncio.new_event_loop()
        name = f"tidegate client of {without_secrets(url)}"
        self._thread = threading.Thread(target=_run_loop, args=(self._loop,), name=name, daemon=True)
        self._thread.start()
        try:
            # The attempt that begins last may take its full time, and so may its list of models.
            limit = options.connect_timeout + 2 * options.open_timeout
            self._connection = self.run(_open(url, options), limit)
        except BaseException:
            self._end_thread()
            raise
        # In a notebook a connection is rather forgotten than closed.
        self._forget = weakref.finalize(self, _close_later, self._loop, self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        version: str | None = None,
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        priority: int | None = None,
        publish: str | None = None,
        **tensors: Any,
    ) -> Result:
        """Run a model once and wait for its result; interrupting the wait cancels the request."""
        limit = self._options.time_limit(timeout)  # first: if it raised later, the call would be left without a loop
        call = self._connection.infer(
            model, inputs, version=version, outputs=outputs, timeout=timeout, priority=priority, publish=publish, **tensors
        )
        return self.run(call, limit)

    def submit(
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        version: str | None = None,
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        priority: int | None = None,
        publish: str | None = None,
        **tensors: Any,
    ) -> SyncTask:
        """Start an inference without waiting for its result."""

        def start() -> InferenceTask:
            return self._connection.submit(
                model, inputs, version=version, outputs=outputs, timeout=timeout, priority=priority, publish=publish, **tensors
            )

        return SyncTask(self, self.call(start), self._options.time_limit(timeout))

    def as_completed(self, tasks: Iterable[SyncTask]) -> Iterator[SyncTask]:
        """Yield tasks as they end. Unlike the asynchronous one, it draws all tasks from a generator at once."""
        ended: SimpleQueue[SyncTask] = SimpleQueue()
        unique = list(dict.fromkeys(tasks))
        for task in unique:
            task.when_done(ended)
        limit = max((task.limit for task in unique), default=0.0) + _MARGIN_S
        for _ in unique:
            try:
                yield ended.get(timeout=limit)
            except Empty:
                raise DeadlineExceeded("the thread of the client does not answer") from None

    def stream(
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        version: str | None = None,
        outputs: str | Sequence[str] | None = None,
        overflow: Overflow = "block",
        window: int = 256,
        timeout: float | None = None,
        priority: int | None = None,
        publish: str | None = None,
        snapshot: bytes | None = None,
        **constants: Any,
    ) -> SyncStream:
        """Return a stream; ``with`` opens and closes it. See ``Connection.stream``."""
        stream = self._connection.stream(
            model,
            inputs,
            version=version,
            outputs=outputs,
            overflow=overflow,
            window=window,
            timeout=timeout,
            priority=priority,
            publish=publish,
            snapshot=snapshot,
            **constants,
        )
        return SyncStream(self, stream, self._options, timeout)

    def generate(
        self,
        model: str,
        prompt: Any,
        *,
        version: str | None = None,
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        priority: int | None = None,
        publish: str | None = None,
        max_steps: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Iterator[StreamResult]:
        """Let a model go on from a prompt, and yield a result for each token as it is made. See ``Connection.generate``."""
        results = self._connection.generate(
            model,
            prompt,
            version=version,
            outputs=outputs,
            timeout=timeout,
            priority=priority,
            publish=publish,
            max_steps=max_steps,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
        limit = self._options.time_limit(timeout)
        return each(self, lambda: results, 2 * limit + self._options.close_timeout)

    def subscribe(self, pattern: str, *, overflow: Conflation = "latest") -> SyncSubscription:
        """Return the events of all topics that a pattern means, for ``for``. See ``Connection.subscribe``."""
        return SyncSubscription(self, self._connection.subscribe(pattern, overflow=overflow))

    def models(self) -> list[dict[str, Any]]:
        """Ask which models are served."""
        return self.run(self._connection.models(), self._options.timeout)

    def ping(self) -> float:
        """Ask whether the gateway is there; return the seconds until its answer."""
        return self.run(self._connection.ping(), self._options.timeout)

    def close(self) -> None:
        """Close the connection and end its thread; what is unfinished fails with ``ConnectionLost``."""
        if self._forget.detach() is not None:
            try:
                self.run(self._connection.close(), 2 * self._options.close_timeout)
            finally:
                self._end_thread()

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function in the loop's thread."""
        return self.run(_call(function), 0)

    def run(self, coroutine: Coroutine[Any, Any, _T], limit: float) -> _T:
        """Run a coroutine in the loop's thread and wait for it; by itself it ends within ``limit`` seconds."""
        if self._loop.is_closed():
            coroutine.close()
            raise ConnectionLost("the connection is closed by this program")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(limit + _MARGIN_S)
        except TimeoutError:
            raise DeadlineExceeded("the thread of the client does not answer") from None
        finally:
            future.cancel()

    def __repr__(self) -> str:
        return f"<Sync{repr(self._connection)[1:]}"

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_MARGIN_S)


def connect(url: str = DEFAULT_URL, **options: Unpack[ConnectOptions]) -> SyncConnection:
    """Connect to a gateway; the arguments and errors are those of ``tidegate.connect``::

        from tidegate.client import sync

        with sync.connect() as gw:
            out = gw.infer("digits", image=x)

    In a notebook, ``gw = connect()`` and, some time, ``gw.close()``.
    """
    return SyncConnection(complete(url), Options(**options))


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _open(url: str, options: Options) -> Connection:
    connection = Connection(url, options)
    await connection.open()
    return connection


async def _result(task: InferenceTask) -> Result:
    # Waited for like this, an interrupted wait does not cancel the task.
    if not task.done():
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task.add_done_callback(lambda _task: None if ended.done() else ended.set_result(None))
        await ended
    return task.result()


async def _call(function: Callable[[], _T]) -> _T:
    return function()


def _close_later(loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
    # The collector may run in any thread, the loop's own included: so nothing is waited for.
    async def close() -> None:
        try:
            await connection.close()
        finally:
            loop.stop()

    if not loop.is_closed():
        asyncio.run_coroutine_threadsafe(close(), loop)
