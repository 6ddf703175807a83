"""A stream as a program in this process sees it: steps to await, results to iterate over. Its face is the SDK's.

Knows the host that drives streams; knows nothing of batches or runs. Bounds: see ``Mailbox`` and ``StreamBounds``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tidegate.arguments import check_timeout, merge_tensors, output_names
from tidegate.coerce import coerce
from tidegate.errors import InvalidInput, TidegateError

from ..request import NEVER
from . import snapshot as snapshots
from .mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence

    from tidegate.results import Array, StreamResult

    from ..client import Client
    from ..model import Model
    from .host import StreamHost
    from .mailbox import Awaited
    from .ring import Overflow
    from .snapshot import Snapshot
    from .stream import Stream

_AHEAD = 8  # steps of ``run`` that are under way; results are then never waited for
_CLOSE_S = 10.0


class LocalStream:
    """An ordered conversation with one model, whose state the engine keeps; made by ``Engine.stream``.

    Attributes:
        model: the model's name.
    """

    def __init__(
        self,
        host: StreamHost,
        client: Client,
        model: str,
        version: str | None,
        constants: Mapping[str, Any],
        *,
        outputs: str | Sequence[str] | None = None,
        overflow: Overflow = "block",
        window: int = 256,
        timeout: float | None = None,
        priority: int | None = None,
        snapshot: bytes | None = None,
    ) -> None:
        check_timeout(timeout)
        if window < 1:
            raise ValueError(f"window must be at least 1, not {window!r}")
        if snapshot is not None and constants:
            raise TypeError(f"a snapshot has its constants with it: {', '.join(sorted(constants))}")
        self.model = model
        self._host = host
        self._client = client
        self._version = version
        self._constants = constants
        self._snapshot = snapshot
        self._options: dict[str, Any] = {"overflow": overflow, "priority": priority or 0}
        self._options["outputs"] = output_names(outputs) or None
        self._timeout = timeout
        self._window = window
        self._mail = Mailbox(window)
        self._stream: Stream | None = None
        self._step = 0

    async def __aenter__(self) -> Self:
        if self._stream is None:
            self._stream = self._host.open(
                self.model,
                self._version,
                constants=_arrays(self._host.model(self.model, self._version), self._constants),
                snapshot=self._snapshot,
                receiver=self._mail,
                client=self._client,
                now=time.monotonic(),
                **self._options,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def dropped(self) -> int:
        """How many results were dropped, by ``overflow``."""
        return self._mail.dropped

    async def close(self) -> None:
        """End the stream when the steps that were sent have ended; results that were not read are thrown away."""
        stream = self._stream
        if stream is None or self._mail.ended is not None:
            return
        self._host.close_stream(stream, time.monotonic())
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._mail.end()
        finally:
            self._host.drop(stream, "closed")

    async def step(
        self, inputs: Mapping[str, Any] | None = None, /, *, timeout: float | None = None, **tensors: Any
    ) -> StreamResult:
        """Take one step and wait for its last result.

        Args:
            inputs: tensors by name, where names are no identifiers or collide with an argument here.
            timeout: seconds after which the step is no longer wanted, instead of the stream's.
            **tensors: tensors by name.

        Raises:
            TidegateError: the step failed; the state is as before it, and the next step may follow.

        Cancellation: the step is given up; if it runs already, its state stays.
        """
        step = self._send(merge_tensors(inputs, tensors), timeout)
        try:
            while not (result := await self._mail.next(step)).final:
                pass
        except asyncio.CancelledError:
            self._give_up(step)
            raise
        finally:
            self._mail.forget(step)
        return result

    async def run(
        self, chunks: Iterable[Any] | AsyncIterable[Any], *, timeout: float | None = None
    ) -> AsyncGenerator[StreamResult]:
        """Take a step for each chunk, and yield all their results in order.

        Args:
            chunks: arrays, for a model with one input, or tensors by name; drawn only as fast as results are taken.
            timeout: seconds for each step, instead of the stream's.

        Raises:
            TidegateError: a step failed; it is raised in its place, and those behind it are not run.

        Leaving the loop gives up the steps that have not begun, unless others were sent meanwhile; the stream lives on.
        """
        under_way: deque[Awaited] = deque()
        source, more = _drawn(chunks), True
        try:
            while more or under_way:
                while more and len(under_way) < _AHEAD:
                    try:
                        under_way.append(self._send(self._named(await anext(source)), timeout))
                    except StopAsyncIteration:
                        more = False
                if under_way and (result := await self._mail.next_or_lost(under_way[0])) is not None:
                    if result.final:
                        self._mail.forget(under_way.popleft())
                    yield result
                elif under_way:
                    self._mail.forget(under_way.popleft())
        finally:
            self._abandon(under_way)

    async def generate(
        self,
        prompt: Any,
        *,
        timeout: float | None = None,
        max_steps: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> AsyncGenerator[StreamResult]:
        """Let the model go on from a prompt, and yield each token as it is made.

        Args:
            prompt: token ids, INT64 [L].
            timeout: seconds for the whole of it, instead of the stream's.
            max_steps: most tokens to make; None for as many as the model allows.
            temperature: how boldly to choose; 0 takes the likeliest.
            top_k: choose among so many of the likeliest.
            top_p: choose among the likeliest that make up this share together.
            seed: of the random numbers; the same one makes the same text.

        Leaving the loop ends the generation after the token that is being made; the stream lives on.
        """
        wishes = {"max_steps": max_steps, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        given = {name: value for name, value in wishes.items() if value is not None}
        step = self._send({"prompt": prompt}, timeout, given)
        final = False
        try:
            while not final:
                result = await self._mail.next(step)
                final = result.final
                yield result
        finally:
            self._give_up(step)

    async def cancel(self) -> None:
        """Give up the steps that were sent and have not ended; the stream lives on."""
        stream, now = self._opened(), time.monotonic()
        for number in range(stream.step_done + 1, stream.next_step):
            self._host.cancel(stream, number, now)

    async def snapshot(self) -> bytes:
        """Return the state behind the steps that were sent so far, to open a stream from it later."""
        taken: Snapshot = await self._asked(lambda done: self._host.snapshot(self._opened(), done, time.monotonic()))
        return snapshots.write(taken)

    async def fork(self) -> LocalStream:
        """Return another stream that goes on from the state behind the steps that were sent so far."""
        other = LocalStream(self._host, self._client, self.model, self._version, self._constants, window=self._window)
        other._options, other._timeout = self._options, self._timeout
        other._stream = await self._asked(lambda done: self._host.fork(self._opened(), other._mail, done, time.monotonic()))
        return other

    async def _asked(self, ask: Callable[[Callable[[Any], None]], None]) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(answer: Any) -> None:
            if not future.done():
                future.set_result(answer)

        ask(done)
        answer = await future
        if isinstance(answer, TidegateError):
            raise answer
        return answer

    def _opened(self) -> Stream:
        if self._stream is None:
            raise TidegateError("the stream is not open: use 'async with engine.stream(…)'")
        return self._stream

    def _send(self, given: Mapping[str, Any], timeout: float | None, parameters: Mapping[str, Any] | None = None) -> Awaited:
        check_timeout(timeout)
        stream, limit = self._opened(), self._timeout if timeout is None else timeout
        number = stream.next_step
        step = self._mail.expect(stream, number)
        try:
            self._host.step(
                stream,
                number,
                _arrays(stream.model, given),
                now=time.monotonic(),
                timeout_s=NEVER if limit is None else limit,
                parameters=parameters,
            )
        except TidegateError:
            self._mail.forget(step)
            raise
        return step

    def _abandon(self, steps: Sequence[Awaited]) -> None:
        """Give steps up, unless others were sent behind them: those would fail as well."""
        last = bool(steps) and self._stream is not None and self._stream.next_step == steps[-1].number + 1
        for step in steps:
            if last:
                self._give_up(step)
            else:
                self._mail.forget(step)

    def _give_up(self, step: Awaited) -> None:
        self._mail.forget(step)
        if self._stream is not None and self._stream.status != "closed":
            self._host.cancel(self._stream, step.number, time.monotonic())

    def _named(self, chunk: Any) -> Mapping[str, Any]:
        """Return what a step brings, by name; a bare array belongs to the only input that there is."""
        if isinstance(chunk, Mapping):
            return chunk
        takes = self._opened().fixed.takes
        if len(takes) != 1:
            names = [take.name for take in takes]
            raise InvalidInput(f"a step brings {len(takes)} tensors", param="inputs", expected=f"a mapping with {names}")
        return {takes[0].name: chunk}


def _arrays(model: Model, given: Mapping[str, Any]) -> dict[str, Array]:
    """Return tensors as arrays, of the model's datatypes where that is possible without a surprise. They are copies."""
    datatypes: dict[str, str | None] = {spec.name: spec.datatype for spec in model.inputs}
    for name, value in given.items():
        if name == model.stream.int16 and getattr(value, "dtype", None) == np.int16:
            datatypes[name] = None  # it is scaled, not converted
    if model.stream.loop is not None:
        datatypes.setdefault("prompt", "INT64")
    return {name: np.array(coerce(value, datatypes.get(name))) for name, value in given.items()}


async def _drawn(chunks: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk
