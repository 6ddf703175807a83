"""``Engine``: the models of a folder, served in this process. Its face is the same as the client's, without a socket.

Knows how models are loaded and handed to the scheduler; knows nothing of WebSocket, messages or who asks.
"""

from __future__ import annotations

import itertools
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tidegate.arguments import check_timeout, merge_tensors, output_names
from tidegate.coerce import coerce
from tidegate.errors import CancelOutcome, InvalidInput, ModelUnavailable

from .bounds import Bounds
from .catalogue import Catalogue
from .client import Client
from .loading import load_all
from .processes.pool import ProcessPool
from .repository import nothing_to_serve
from .request import NEVER, Request
from .scheduler import Observer, Scheduler
from .slots import available_cores
from .streams.host import StreamHost
from .streams.local import LocalStream
from .streams.population import StreamBounds
from .task import InferenceTask
from .worker import Worker

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from tidegate.results import Result, StreamResult

    from .processes.keeper import ProcessState
    from .streams.ring import Overflow

MiB = 1024 * 1024
_PRIORITIES = 8  # below and above the usual; over a socket, clients can only lower theirs


class Engine:
    """Models of a folder, run concurrently and in batches::

        async with tidegate.Engine("models/") as engine:
            out = await engine.infer("digits", image=x)

    Args:
        folder: folder with ``.onnx`` files or model folders; None for the bundled models.
        compute_slots: how many threads compute at once; None for one per core that this process may use.
        queue_requests: most requests that wait for one model; more are refused as ``overloaded``.
        queue_bytes: most bytes of input tensors that wait or run in the whole process; more are refused.
        model_bytes: most bytes of input tensors that wait for one model; None for no bound of its own.
        client_bytes: most bytes of input tensors that one client has waiting or running; None for no bound of its own.
        max_requests: most requests that wait or run in the whole process; None for one for each 16 KiB of ``queue_bytes``.
        stream_bounds: how many streams there may be, and what they may keep; None for the usual bounds.
        observer: told of every run.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        compute_slots: int | None = None,
        queue_requests: int = 8192,
        queue_bytes: int = 1024 * MiB,
        model_bytes: int | None = None,
        client_bytes: int | None = None,
        max_requests: int | None = None,
        stream_bounds: StreamBounds | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.compute_slots = compute_slots or available_cores()
        self._folder = None if folder is None else Path(folder)
        self._bounds = Bounds(queue_requests, queue_bytes, model_bytes, client_bytes, max_requests)
        self._observer = observer
        self._client = Client()
        self._numbers = itertools.count(1)
        self._catalogue = Catalogue((), ())
        self._scheduler: Scheduler | None = None
        self._stream_bounds = stream_bounds or StreamBounds()
        self._streams: StreamHost | None = None
        self._pool = ProcessPool(self.compute_slots)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Load every model, in a thread of its own or in processes, then serve.

        Raises:
            ModelUnavailable: no model could be loaded; the message names each with its reason.
        """
        try:
            await self._start_all()
        except BaseException:
            self._new_pool().close()  # whether it failed or was given up
            raise

    async def _start_all(self) -> None:
        models, bad = await load_all(self._folder, self._pool)
        if not models:
            raise ModelUnavailable(nothing_to_serve(self._folder, [source.describe() for source in bad]))
        self._catalogue = Catalogue([Worker(model) for model in models], bad)
        self._scheduler = Scheduler(
            self._catalogue,
            slots=self.compute_slots,
            bounds=self._bounds,
            observer=self._observer,
            processes=self._pool.live,
        )
        self._streams = StreamHost(self._catalogue, self._scheduler, self._stream_bounds)
        self._pool.changed = self._scheduler.wake

    async def aclose(self, grace_s: float = 10.0) -> None:
        """End: what is queued is refused as ``shutting_down``, what runs has ``grace_s`` seconds, then is ``cancelled``."""
        try:
            if self._streams is not None:
                self._streams.close()
            if self._scheduler is not None:
                await self._scheduler.aclose(grace_s)
        finally:
            await self._new_pool().aclose()

    def _new_pool(self) -> ProcessPool:
        """Return the pool that was in use, to be closed; an engine may be started again."""
        used, self._pool = self._pool, ProcessPool(self.compute_slots)
        return used

    def models(self) -> list[dict[str, Any]]:
        """Describe every model as JSON-able data: signature, whether it is batched and why, or its error."""
        return self._catalogue.describe()

    @property
    def catalogue(self) -> Catalogue:
        """The models, for whoever needs more than their description."""
        return self._catalogue

    def busy_s(self) -> float:
        """Return the seconds that all compute slots together have been busy."""
        return self._scheduler.slots.busy_s() if self._scheduler else 0.0

    def processes(self) -> tuple[ProcessState, ...]:
        """Return what is known of each worker process; none if no model wants them."""
        return self._pool.states()

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
        """Run a model and wait for its outputs.

        Args:
            model: its name.
            inputs: tensors by name, where names are no identifiers or collide with an argument here.
            version: which version; None for the newest.
            outputs: the output, or the outputs, that are wanted; None for all.
            timeout: seconds after which the answer is no longer wanted.
            priority: larger is served first; 0 if not given.
            **tensors: tensors by name: arrays, numbers or nested lists.

        Raises:
            TidegateError: any of its children; see ``tidegate.errors``.
            TypeError: a tensor was passed twice, in the mapping and by keyword.
            ValueError: ``timeout`` is not more than 0.

        Cancellation: cancelling the awaiting task cancels the inference.
        """
        # No copies, unlike submit: the caller waits.
        return await self._start(model, merge_tensors(inputs, tensors), version, outputs, timeout, priority)

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
        """Start an inference and return at once. Takes what ``infer`` takes, and raises what can be known at once.

        Arrays are copied, so they may be changed as soon as this returns.
        """
        given = merge_tensors(inputs, tensors)
        copies = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in given.items()}
        return self._start(model, copies, version, outputs, timeout, priority)

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
        snapshot: bytes | None = None,
        **constants: Any,
    ) -> LocalStream:
        """Return a stream, an ordered conversation whose state the engine keeps; ``async with`` opens and closes it::

            async with engine.stream("silero_vad", sr=16000) as stream:
                async for result in stream.run(chunks): ...

        Args:
            model: its name.
            inputs: constants by name, where names are no identifiers or collide with an argument here.
            version: which version; None for the newest.
            outputs: the output, or the outputs, that are wanted; None for those that are not states.
            overflow: what happens when results are not read: ``block`` waits, ``latest`` keeps the newest, ``drop_oldest``.
            window: how many results may lie unread.
            timeout: seconds after which a step is no longer wanted.
            priority: larger is served first; 0 if not given.
            snapshot: a state to begin with, from ``snapshot()`` of a stream of the same model.
            **constants: tensors that are given once, by name.
        """
        streams, given = self.streams, merge_tensors(inputs, constants)
        return LocalStream(
            streams,
            self._client,
            model,
            version,
            given,
            outputs=outputs,
            overflow=overflow,
            window=window,
            timeout=timeout,
            priority=priority,
            snapshot=snapshot,
        )

    async def generate(
        self,
        model: str,
        prompt: Any,
        *,
        version: str | None = None,
        outputs: str | Sequence[str] | None = None,
        timeout: float | None = None,
        priority: int | None = None,
        max_steps: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> AsyncGenerator[StreamResult]:
        """Let a model go on from a prompt, and yield each token as it is made.

        Args:
            model: its name.
            prompt: token ids, INT64 [L].
            version: which version; None for the newest.
            outputs: what is wanted beside the tokens.
            timeout: seconds for the whole of it.
            priority: larger is served first; 0 if not given.
            max_steps: most tokens to make; None for as many as the model allows.
            temperature: how boldly to choose; 0 takes the likeliest.
            top_k: choose among so many of the likeliest.
            top_p: choose among the likeliest that make up this share together.
            seed: of the random numbers; the same one makes the same text.

        Raises:
            TidegateError: any of its children.
        """
        wishes = {"max_steps": max_steps, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        stream = self.stream(model, version=version, outputs=outputs, timeout=timeout, priority=priority)
        async with stream, aclosing(stream.generate(prompt, **wishes)) as results:  # type: ignore[arg-type]
            async for result in results:
                yield result

    def _start(
        self,
        model: str,
        given: Mapping[str, Any],
        version: str | None,
        outputs: str | Sequence[str] | None,
        timeout: float | None,
        priority: int | None,
    ) -> InferenceTask:
        check_timeout(timeout)
        enqueue = self.enqueue  # first of all: an engine that was never entered says so
        if priority is not None and (type(priority) is not int or abs(priority) > _PRIORITIES):
            expected = f"an integer from -{_PRIORITIES} to {_PRIORITIES}"
            raise InvalidInput(f"priority is {priority!r}", param="priority", expected=expected)
        worker = self._catalogue.find(model, version)
        datatypes = {spec.name: spec.datatype for spec in worker.model.inputs}
        arrays, kind = worker.admission.check(
            {name: coerce(value, datatypes.get(name)) for name, value in given.items()},
            output_names(outputs) or None,
            priority or 0,
        )
        now = time.monotonic()
        deadline = NEVER if timeout is None else now + timeout
        task = InferenceTask(next(self._numbers), model, self.cancel)
        request = Request(kind, task.id, arrays, task, self._client, now, deadline)
        task.started(request)
        enqueue(request)
        return task

    @property
    def enqueue(self) -> Callable[..., None]:
        """What queues a request whose kind came from ``worker.admission``: ``Scheduler.add``. Its sink is told of the answer.

        This is the synchronous way in, for the gateway. The arrays must not change while the request lives.

        Raises:
            ModelUnavailable: the engine was never started. What is returned raises Overloaded if a bound was reached,
                and ShuttingDown when the engine is closing.
        """
        if self._scheduler is None:
            raise ModelUnavailable("the engine has not been started: use 'async with Engine(…)'")
        return self._scheduler.add

    @property
    def streams(self) -> StreamHost:
        """The streams, for whoever drives them himself.

        Raises:
            ModelUnavailable: the engine was never started.
        """
        if self._streams is None:
            raise ModelUnavailable("the engine has not been started: use 'async with Engine(…)'")
        return self._streams

    def cancel(self, request: Request) -> CancelOutcome:
        """Cancel a request; see ``InferenceTask.cancel`` for what the outcome means."""
        return self._scheduler.cancel(request) if self._scheduler else "too_late"
