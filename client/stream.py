"""A stream as the program sees it: steps to await, results to iterate over. It knows nothing of how they travel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tidegate.arguments import merge_tensors
from tidegate.errors import Cancelled, TidegateError

from .inputs import as_arrays, as_prompt, as_step
from .source import Source
from .stream_results import StreamResults
from .stream_steps import Steps

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping
    from types import TracebackType

    from tidegate.codecs.parts import Overflow
    from tidegate.results import StreamResult

    from .catalogue import ModelFacts
    from .driver import Driver
    from .learner import Learner
    from .options import Options
    from .stream_log import StreamLog

AHEAD = 8
"""Steps that ``run`` has at the server at a time: enough to hide the way there, and few enough to be cancelled soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a stream is opened with; see ``Connection.stream``."""

    model: str
    version: str | None = None
    constants: Mapping[str, Any]
    outputs: tuple[str, ...] = ()
    overflow: Overflow = "block"
    window: int = 256
    timeout: float | None = None
    priority: int = 0
    publish: str | None = None
    snapshot: bytes | None = None


class Stream:
    """An ordered conversation with one model, whose state the gateway keeps; made by ``Connection.stream``, for ``async with``.

    It outlives its connection: after a cut the stream goes on where it was on the next one. No step runs twice and no result
    is lost or comes twice; ``ResumeFailed`` says so if the gateway does not have the stream any more.

    Steps run in the order in which they were asked for, each on the state that the one before it left. A step that fails, or is
    given up before it runs, leaves the state as it was before it; those that were asked for behind it meanwhile fail with
    ``UnexpectedStep`` and do not run.

    Attributes:
        model: name of the model.
    """

    def __init__(self, driver: Driver, learner: Learner, options: Options, plan: Plan, log: StreamLog | None = None) -> None:
        self.model = plan.model
        self._driver = driver
        self._learner = learner
        self._options = options
        self._plan = plan
        self._log = log

    @property
    def version(self) -> str | None:
        """The model's version, once the stream is open."""
        return self._plan.version if self._log is None else self._log.version

    @property
    def dropped(self) -> int:
        """How many results were dropped, by ``overflow``."""
        return 0 if self._log is None else self._log.sequence.dropped

    async def open(self) -> Self:
        """Open the stream, unless that was done; ``async with`` does it. Cancelling it is safe.

        Raises:
            TidegateError: it could not be opened: no such model, a constant that it does not take, no connection in time.
        """
        if self._log is None:
            plan, limit = self._plan, self._options.time_limit(self._plan.timeout)
            await self._learner.learn(plan.model, plan.version, limit)
            if plan.snapshot is None:
                constants = as_arrays(plan.constants, self._facts)
            else:
                constants = {"snapshot": np.frombuffer(plan.snapshot, np.uint8)}
            self._log = await self._driver.streams.open(
                plan.model,
                constants,
                window=plan.window,
                timeout=limit,
                version=plan.version,
                outputs=plan.outputs,
                overflow=plan.overflow,
                priority=plan.priority,
                publish=plan.publish,
                from_snapshot=plan.snapshot is not None,
            )
        return self

    async def close(self) -> None:
        """Let the steps that were asked for come to their end, and end the stream.

        That is waited for at most for the option ``close_timeout``; after that it goes on by itself.
        """
        if self._log is not None:
            await self._driver.streams.close(self._log, self._options.close_timeout)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._log is None:
            return
        if error is not None:
            self._driver.streams.stop(self._log)
        # Who is cancelled is in a hurry.
        hurry = error is not None and not isinstance(error, Exception)
        await self._driver.streams.close(self._log, 0 if hurry else self._options.close_timeout)

    async def step(
        self, inputs: Mapping[str, Any] | None = None, /, *, timeout: float | None = None, **tensors: Any
    ) -> StreamResult:
        """Take one step and wait for its last result; ``run`` gives all of them.

        Several may be awaited at once: they run in the order in which they were asked for.

        Args:
            inputs: tensors by name; for names that are no identifiers, or that are names of these arguments.
            timeout: time limit in seconds for everything, waiting included, instead of the stream's.
            tensors: tensors by name, as for ``infer``; a tensor without the batch axis will do.

        Returns:
            The outputs by name, with ``step`` and ``seq``.

        Raises:
            TidegateError: the step failed, and the state is as it was before it; the stream goes on with the next one.
            UnknownStream: the stream has ended.
            Cancelled: it was cancelled, or its result was dropped by ``overflow``.

        Cancelling it gives the step up: it is not run, or if it is too late for that, its result is thrown away.
        """
        steps = Steps(self._driver.streams, self._opened())
        try:
            steps.begin(as_step(merge_tensors(inputs, tensors), self._facts), self._time_limit(timeout))
            last = None
            while (result := await steps.next()) is not None:
                last = result
            if last is None or not last.final:
                raise Cancelled("the step's result was dropped by the stream's overflow policy", outcome="dropped")
            return last
        finally:
            steps.close()

    def run(self, chunks: Iterable[Any] | AsyncIterable[Any], *, timeout: float | None = None) -> StreamResults:
        """Take a step for each chunk, and yield all their results in order::

            async for result in stream.run(chunks):
                ...

        Args:
            chunks: arrays, if the model's steps take one tensor, or mappings of tensors by name. They are drawn only as fast
                as results are taken, and may be changed as soon as the next one is drawn. What they raise is raised here, after
                the results of the chunks before.
            timeout: time limit of each step in seconds, instead of the stream's.

        Raises:
            TidegateError: a step failed; it is raised in its place, and those behind it are not run.

        Leaving the loop gives up the steps that have not begun; the stream goes on.
        """
        steps, begin, ahead = self.steps(timeout)
        return StreamResults(steps, Source(chunks, steps.wake), begin, ahead)

    def steps(self, timeout: float | None) -> tuple[Steps, Callable[[Any], None], int]:
        """Return what ``run`` is made of: steps, what begins one with a chunk, and how many to have under way."""
        limit, log = self._time_limit(timeout), self._opened()
        steps = Steps(self._driver.streams, log)

        def begin(chunk: Any) -> None:
            steps.begin(as_step(chunk, self._facts), limit, copy=True)

        return steps, begin, min(AHEAD, log.line.most_steps)

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
    ) -> StreamResults:
        """Let the model go on from a prompt, and yield a result for each token as it is made.

        Args:
            prompt: token ids [L].
            timeout: time limit of the whole in seconds, instead of the stream's.
            max_steps: most tokens to make; at most, and if not given, what the model allows.
            temperature: 0 for the most likely token each time; if not given, 1 with one of the next three and else 0.
            top_k: how many of the most likely tokens are chosen from.
            top_p: share of the probability that the tokens to choose from have together.
            seed: of the random numbers; the same one gives the same tokens.

        Raises:
            TidegateError: the generation failed; the state is as it was before it.

        Leaving the loop, and ``cancel``, end the generation after the token that is being made; the stream goes on from there.
        """
        wishes = {"max_steps": max_steps, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        parameters = {name: value for name, value in wishes.items() if value is not None}
        limit = self._time_limit(timeout)
        steps = Steps(self._driver.streams, self._opened())

        def begin(prompt: Any) -> None:
            steps.begin(as_prompt(prompt), limit, parameters=parameters, copy=True)

        return StreamResults(steps, Source([prompt], steps.wake), begin, 1)

    async def cancel(self) -> None:
        """Cancel the steps that were asked for, and wait until they have ended: a generation by its last result, others by
        ``Cancelled`` or, if it was too late, by their result. The stream goes on.
        """
        await self._driver.streams.cancel(self._opened())

    async def snapshot(self) -> bytes:
        """Return the state behind the steps that were asked for so far: ``gw.stream(model, snapshot=…)`` goes on from it.

        Raises:
            TidegateError: it cannot be had; TooLarge if no message can hold it.
        """
        return await self._driver.streams.snapshot(self._opened(), self._time_limit(None))

    async def fork(self) -> Stream:
        """Return another stream, open, that goes on from the state behind the steps that were asked for so far.

        It publishes nothing. It has to be closed, as this one: ``async with await stream.fork() as other``.

        Raises:
            TidegateError: it could not be opened.
        """
        log = await self._driver.streams.fork(self._opened(), self._time_limit(None))
        return Stream(self._driver, self._learner, self._options, self._plan, log)

    def __repr__(self) -> str:
        log = self._log
        if log is None:
            return f"<Stream of {self.model} not open>"
        how = "closed" if log.closing else "open" if log.ended is None else f"ended ({log.ended.code})"
        return f"<Stream of {self.model} {how}, {log.sequence.last} results, {log.sequence.dropped} dropped>"

    @property
    def _facts(self) -> ModelFacts:
        return self._driver.catalogue.facts(self._plan.model, self._plan.version)

    def _opened(self) -> StreamLog:
        if self._log is None:
            raise TidegateError("the stream is not open: use 'async with gw.stream(…)'")
        return self._log

    def _time_limit(self, timeout: float | None) -> float:
        return self._options.time_limit(self._plan.timeout if timeout is None else timeout)
