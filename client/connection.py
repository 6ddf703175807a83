"""The face of the Python SDK: a connection to a gateway. It turns calls into requests and knows nothing of how they travel."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from tidegate.arguments import merge_tensors, output_names
from tidegate.codecs.messages import Ping
from tidegate.errors import TidegateError

from .completion import Completion
from .driver import Driver
from .exchange import Request
from .inputs import as_arrays
from .task import InferenceTask
from .url import without_secrets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from tidegate.results import Result

    from .backoff import Backoff
    from .options import Options

_RELEARN_S = 1.0
"""A model that is not in the list is looked for again at most this often."""


class Connection:
    """A connection to a gateway; made by ``tidegate.connect``, used from one event loop.

    A lost connection is opened again by itself, and requests wait for that within their time limits. After a cut, a request
    is sent again if it certainly was not executed or if its model is pure, at most three times in all; otherwise it fails
    with ``ConnectionLost(maybe_executed=True)``.

    Every request has a time limit (option ``timeout``, 60 s, unless it names its own) and ends by then with
    ``tidegate.errors.DeadlineExceeded``. That is no ``TimeoutError``: with ``asyncio.timeout()`` you get that one, and the
    request is cancelled.

    Attributes:
        url: where the gateway is.
    """

    def __init__(self, url: str, options: Options, backoff: Backoff | None = None) -> None:
        self.url = url
        self._options = options
        self._driver = Driver(url, options, backoff)
        self._learning: asyncio.Task[None] | None = None
        self._learned_at = float("-inf")

    async def open(self) -> None:
        """Connect; ``tidegate.connect`` does it.

        Raises:
            ConnectionLost: no gateway could be reached.
        """
        await self._driver.open()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        version: str | None = None,
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        priority: int | None = None,
        **tensors: Any,
    ) -> Result:
        """Run a model once and wait for its result.

        When the window of the server or the memory of this client is full, it waits for its turn. Cancelling it cancels the
        request, here and on the server.

        Args:
            model: name of the model.
            inputs: tensors by name; for names that are no identifiers, or that are names of these arguments.
            version: a version of the model, instead of the one that the server would choose.
            outputs: the output, or the outputs, that are wanted, instead of all.
            timeout: time limit in seconds for everything, waiting included, instead of the connection's.
            priority: -8 … 0; a larger one is served first.
            tensors: tensors by name: arrays, numbers, nested lists, whatever numpy takes. Python numbers take the datatype of
                the model if they fit it; arrays are converted where nothing is lost, and floats to shorter floats.

        Returns:
            The outputs by name, as arrays that are yours, with ``timing``.

        Raises:
            TidegateError: one of ``tidegate.errors``, the same that an ``Engine`` raises, or ``ConnectionLost``.
            TypeError: a tensor was passed twice, in the mapping and by keyword.
            ValueError: ``timeout`` is not more than 0.
        """
        driver = self._driver
        start = driver.loop.time()
        limit = self._options.time_limit(timeout)
        if not driver.catalogue.knows(model, version):
            await self._learn(limit)
        arrays = as_arrays(merge_tensors(inputs, tensors), driver.catalogue.facts(model, version))
        request, future = self._request(model, arrays, start, limit, version, outputs, priority)
        driver.submit(request)
        try:
            return await future
        except asyncio.CancelledError:
            driver.abandon(request)
            raise

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
        **tensors: Any,
    ) -> InferenceTask:
        """Start an inference without waiting for anything; the arguments are those of ``infer``.

        The arrays may be changed as soon as it returns.

        Raises:
            Overloaded: too many requests, or too many bytes of them, wait in this client already; ``await infer(…)`` would
                wait for room for its bytes.
            InvalidInput: a tensor cannot be sent.
            ConnectionLost: the connection is closed.
        """
        driver = self._driver
        limit = self._options.time_limit(timeout)
        if not driver.catalogue.knows(model, version):
            self._learn_soon(limit)  # for the next time
        arrays = as_arrays(merge_tensors(inputs, tensors), driver.catalogue.facts(model, version))
        request, future = self._request(model, arrays, driver.loop.time(), limit, version, outputs, priority)
        driver.submit(request, copy=True)
        return InferenceTask(request, future, driver)

    def as_completed(self, tasks: Iterable[InferenceTask]) -> AsyncIterator[InferenceTask]:
        """Yield tasks as they end: ``async for task in gw.as_completed(tasks): out = await task``.

        A generator of ``submit`` calls is drawn from only as fast as tasks end and are taken, so it may be endless.
        """
        return Completion(tasks, self._has_room).in_order()

    async def models(self) -> list[dict[str, Any]]:
        """Ask which models are served: name, version, inputs and outputs with datatypes and shapes, and more."""
        return list(await self._driver.learn(self._options.timeout, repeatable=True))

    async def ping(self) -> float:
        """Ask whether the gateway is there; return the seconds until its answer.

        Raises:
            ConnectionLost: the connection was lost meanwhile.
            DeadlineExceeded: there was no answer within the connection's ``timeout``.
        """
        start = self._driver.loop.time()
        await self._driver.ask(Ping, self._options.timeout, repeatable=False)
        return self._driver.loop.time() - start

    async def close(self) -> None:
        """Close the connection, within the option ``close_timeout``. What is unfinished fails with ``ConnectionLost``."""
        await self._driver.close()
        if self._learning is not None:
            await asyncio.wait([self._learning])  # it has just failed

    def __repr__(self) -> str:
        ledger = self._driver.session.ledger
        counts = f"{len(ledger.sent)} in flight, {len(ledger.waiting)} waiting, {ledger.held_bytes} bytes held"
        return f"<Connection {without_secrets(self.url)} {self._driver.session.state}: {counts}>"

    def _request(
        self,
        model: str,
        arrays: dict[str, Any],
        start: float,
        limit: float,
        version: str | None,
        outputs: str | Sequence[str] | None,
        priority: int | None,
    ) -> tuple[Request, asyncio.Future[Result]]:
        future: asyncio.Future[Result] = self._driver.loop.create_future()
        request = Request(
            self._driver.session.next_id(),
            model,
            arrays,
            now=start,
            timeout=limit,
            version=version,
            outputs=output_names(outputs),
            priority=priority or 0,
            waiter=future,
        )
        return request, future

    def _has_room(self, drawn: int) -> bool:
        session = self._driver.session
        # Half of the memory: the next request may be as large as all others together.
        return drawn < 2 * (session.in_flight_limit or 0) and session.ledger.held_bytes < self._options.max_buffer_bytes / 2

    async def _learn(self, limit: float) -> None:
        self._learn_soon(limit)
        if self._learning is not None and not self._learning.done():
            await asyncio.wait([self._learning], timeout=limit)

    def _learn_soon(self, limit: float) -> None:
        now = self._driver.loop.time()
        if (self._learning is None or self._learning.done()) and now - self._learned_at >= _RELEARN_S:
            self._learned_at = now
            self._learning = self._driver.loop.create_task(self._try_to_learn(limit))

    async def _try_to_learn(self, limit: float) -> None:
        # If it fails, inputs are sent as they are, and the server says what it expected.
        with suppress(TidegateError):
            await self._driver.learn(limit, repeatable=True)
