"""The face of the Python SDK: a connection to a gateway. It turns calls into requests and knows nothing of how they travel."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self

from tidegate.arguments import merge_tensors, output_names
from tidegate.codecs.messages import Ping
from tidegate.codecs.topics import TOPIC_RULES, is_topic

from .completion import Completion
from .driver import Driver
from .exchange import Request
from .inputs import as_arrays
from .learner import Learner
from .stream import Plan, Stream
from .subscription import Subscription
from .task import InferenceTask
from .url import without_secrets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from tidegate.codecs.parts import Conflation, Overflow
    from tidegate.results import Result, StreamResult

    from .backoff import Backoff
    from .options import Options


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
        self._learner = Learner(self._driver)

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
        publish: str | None = None,
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
            publish: a topic, such as ``room/42``, of which the answer is an event for whoever subscribes to it.
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
        await self._learner.learn(model, version, limit)
        arrays = as_arrays(merge_tensors(inputs, tensors), driver.catalogue.facts(model, version))
        request, future = self._request(model, arrays, start, limit, version, outputs, priority, publish)
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
        publish: str | None = None,
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
        self._learner.learn_soon(model, version, limit)  # for the next time
        arrays = as_arrays(merge_tensors(inputs, tensors), driver.catalogue.facts(model, version))
        request, future = self._request(model, arrays, driver.loop.time(), limit, version, outputs, priority, publish)
        driver.submit(request, copy=True)
        return InferenceTask(request, future, driver)

    def as_completed(self, tasks: Iterable[InferenceTask]) -> AsyncIterator[InferenceTask]:
        """Yield tasks as they end: ``async for task in gw.as_completed(tasks): out = await task``.

        A generator of ``submit`` calls is drawn from only as fast as tasks end and are taken, so it may be endless.
        """
        return Completion(tasks, self._has_room).in_order()

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
    ) -> Stream:
        """Return a stream, an ordered conversation whose state the gateway keeps; ``async with`` opens and closes it::

            async with gw.stream("silero_vad", sr=16000) as stream:
                async for result in stream.run(chunks):
                    ...

        Args:
            model: name of the model.
            inputs: constants by name; for names that are no identifiers, or that are names of these arguments.
            version: a version of the model, instead of the one that the server would choose.
            outputs: the output, or the outputs, that are wanted, instead of those that are no state.
            overflow: what happens to results that are not taken in time: ``block`` lets the model wait, ``latest`` keeps the
                newest, ``drop_oldest`` the newest that there is room for. ``Stream.dropped`` counts those that were dropped.
            window: how many results may lie here and wait to be taken.
            timeout: time limit in seconds of the opening and of each step, instead of the connection's.
            priority: -8 … 0; a larger one is served first.
            publish: a topic, such as ``room/42``, of which the results are events for whoever subscribes to it.
            snapshot: a state to begin with, from ``Stream.snapshot`` of the same model; then there are no constants to give.
            constants: tensors by name that stay the same in all steps, such as a sampling rate.

        Raises:
            TypeError: a constant was passed twice, or beside a snapshot.
            ValueError: ``timeout`` is not more than 0, or ``window`` less than 1.
        """
        self._options.time_limit(timeout)
        given = merge_tensors(inputs, constants)
        if window < 1:
            raise ValueError(f"window must be at least 1, not {window!r}")
        if snapshot is not None and given:
            raise TypeError(f"a snapshot has its constants with it: {', '.join(sorted(given))}")
        plan = Plan(
            model=model,
            version=version,
            constants=given,
            outputs=output_names(outputs),
            overflow=overflow,
            window=window,
            timeout=timeout,
            priority=priority or 0,
            publish=_topic(publish),
            snapshot=snapshot,
        )
        return Stream(self._driver, self._learner, self._options, plan)

    async def generate(
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
    ) -> AsyncGenerator[StreamResult, None]:
        """Let a model go on from a prompt, and yield a result for each token as it is made::

            async for result in gw.generate("chars", prompt, max_steps=200, temperature=0.8, seed=7):
                print(result.text, end="")

        It has a stream of its own, which is closed afterwards. The other arguments are those of ``stream``; ``timeout`` is for
        all of it. See ``Stream.generate`` for the parameters, and for what leaving the loop does.

        Raises:
            TidegateError: it failed.
        """
        stream = self.stream(model, version=version, outputs=outputs, timeout=timeout, priority=priority, publish=publish)
        async with (
            stream,
            aclosing(
                stream.generate(prompt, max_steps=max_steps, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
            ) as results,
        ):
            async for result in results:
                yield result

    def subscribe(self, pattern: str, *, overflow: Conflation = "latest") -> Subscription:
        """Return the events of all topics that a pattern means, for ``async for``::

            async for event in gw.subscribe("server/stats"):
                print(event.data["requests_per_s"])

        The last event of each topic comes first. It goes on over lost connections, until it is closed or let go.

        Args:
            pattern: a topic such as ``room/42``, in which a whole segment may be ``*``, any one, and the last one ``**``, any
                that follow. The gateway's own topics are ``server/stats`` and ``server/events``.
            overflow: what happens to events that are not taken in time: ``latest`` keeps the newest, ``drop_oldest`` the
                newest 64 of each topic. ``Event.missed`` counts those that were left out.

        Raises:
            ValueError: that is no pattern, or no ``overflow``.
        """
        return Subscription(self._driver, pattern, overflow)

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
        await self._learner.close()

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
        publish: str | None,
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
            publish=_topic(publish),
            waiter=future,
        )
        return request, future

    def _has_room(self, drawn: int) -> bool:
        session = self._driver.session
        # Half of the memory: the next request may be as large as all others together.
        return drawn < 2 * (session.in_flight_limit or 0) and session.ledger.held_bytes < self._options.max_buffer_bytes / 2


def _topic(publish: str | None) -> str | None:
    if publish is not None and not is_topic(publish):
        raise ValueError(f"{publish!r} is no topic: expected {TOPIC_RULES}")
    return publish
