"""All streams of an engine: opened, driven, bounded and ended. The shell around ``Stream``; runs on the event loop.

Knows the scheduler that runs their steps and the clock; knows nothing of sockets, sessions or what streams are called.

For bounds see ``population``. A stream to which nothing happens for its model's ``idle_timeout_s`` is ended, about
a sixteenth of that later at most.
"""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import islice
from typing import TYPE_CHECKING

from tidegate.errors import ShuttingDown, TidegateError, UnknownStream

from ..request import NEVER
from . import snapshot as snapshots
from .audience import Attached
from .content import content
from .population import Population, StreamBounds
from .ring import ring_of
from .steps import Steps
from .stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegate.results import Array

    from ..batch import Run
    from ..catalogue import Catalogue
    from ..client import Client
    from ..model import Model
    from ..request import Answer, Request
    from ..scheduler import Scheduler
    from ..worker import Worker
    from .audience import Observer, Receiver
    from .items import Produced
    from .ring import Overflow, Watcher
    from .snapshot import Snapshot

    Scalar = bool | int | float | str

_log = logging.getLogger("tidegate.models")

_PER_TURN = 256
_WEIGHED_EVERY = 16  # results, while a step goes on at its slot


class StreamHost:
    """The streams of one engine."""

    def __init__(self, catalogue: Catalogue, scheduler: Scheduler, bounds: StreamBounds) -> None:
        self.observer: Observer | None = None
        self.population = Population(bounds)
        self.bounds = bounds
        self._catalogue = catalogue
        self._scheduler = scheduler
        self._loop = asyncio.get_running_loop()
        self._soon: dict[Stream, None] = {}
        self._due: asyncio.Handle | None = None
        self._closing = False

    @property
    def nbytes(self) -> int:
        """Bytes of memory that all streams take."""
        return self.population.nbytes

    def model(self, name: str, version: str | None = None) -> Model:
        """Return a model; raises as ``open`` does."""
        return self._catalogue.find(name, version).model

    # Streams come and go.

    def open(
        self,
        model: str,
        version: str | None = None,
        *,
        constants: Mapping[str, Array],
        receiver: Receiver,
        client: Client,
        now: float,
        snapshot: bytes | None = None,
        outputs: tuple[str, ...] | None = None,
        overflow: Overflow = "block",
        until: int | None = None,
        priority: int = 0,
        watcher: Watcher | None = None,
    ) -> Stream:
        """Open a stream.

        Args:
            model: the model's name.
            version: its version; None for the newest.
            constants: tensors that are given once, by name; from a snapshot they are taken out of it.
            receiver: who is told when there is something to take.
            client: whose share the stream's steps use.
            now: the time.
            snapshot: bytes of a state to begin with.
            outputs: names of the outputs that are wanted; None for the usual ones.
            overflow: what happens when results are not taken; see ``Ring``.
            until: number of the last result that may be taken; None for no limit.
            priority: larger is served first.
            watcher: told of each result and error as it comes to be, whoever takes them and when.

        Raises:
            UnknownModel, ModelUnavailable, InvalidInput: what was asked for cannot be had.
            Overloaded: a bound is reached.
            ShuttingDown: the engine is closing.
        """
        worker = self._catalogue.find(model, version)
        spec = worker.model.stream
        self._check_room(worker)
        if outputs is not None:
            spec.check_outputs(outputs)
        if snapshot is None:
            fixed, state = spec.begin(constants)
        else:
            found = snapshots.read(snapshot)
            found.check_origin(worker.model)
            fixed, state = spec.restore(found.constants, found.state)
        bounds = self.bounds
        stream = Stream(
            worker,
            fixed,
            state,
            Steps(bounds.steps, bounds.step_bytes),
            ring_of(watcher, overflow, bounds.results, bounds.result_bytes, until),
            runs=self,
            sink=self,
            client=client,
            outputs=outputs,
            priority=priority,
        )
        return self._add(stream, receiver, now)

    def _check_room(self, worker: Worker) -> None:
        if self._closing:
            raise ShuttingDown("the gateway is shutting down")
        self.population.check_room(worker)

    def _add(self, stream: Stream, receiver: Receiver, now: float) -> Stream:
        stream.receiver = receiver
        stream.touched = now
        self.population.add(stream)
        if self.observer is not None:
            self.observer.stream_opened(stream)
        return stream

    def drop(self, stream: Stream, reason: str) -> None:
        """End a stream at once; nobody is told any more."""
        stream.drop()
        self._forget(stream, reason)

    def _end(self, stream: Stream, reason: str) -> None:
        """End a stream at once, and tell its receiver."""
        stream.end(reason)
        self._forget(stream, reason)
        if stream.receiver is not None:
            self.soon(stream)

    def _forget(self, stream: Stream, reason: str) -> None:
        if self.population.remove(stream) and self.observer is not None:
            self.observer.stream_closed(stream, reason)

    def expire(self, now: float, most: int) -> bool:
        """End streams to which nothing happened for too long, at most so many; tell whether there may be more of them."""
        for stream in self.population.idle(now):
            if most <= 0:
                return True
            most -= 1
            self._end(stream, "idle")
        return False

    def close(self) -> None:
        """Open nothing more, and end all streams."""
        self._closing = True
        for stream in tuple(self.population):
            self._end(stream, "shutting_down")

    # What a stream is asked.

    def step(
        self,
        stream: Stream,
        number: int,
        inputs: Mapping[str, Array],
        *,
        now: float,
        timeout_s: float = NEVER,
        parameters: Mapping[str, Scalar] | None = None,
        known: int | None = None,
    ) -> None:
        """Take in a step; one that was taken in before is ignored.

        Args:
            stream: whose it is.
            number: its number, from 1.
            inputs: tensors by name.
            now: the time.
            timeout_s: seconds after which it is no longer wanted.
            parameters: see ``StreamSpec.agenda``.
            known: its ``content``, if that was found out before.

        Raises:
            UnknownStream, UnexpectedStep, StepConflict: it cannot be this stream's next one.
            InvalidInput: its inputs or parameters are not what the model takes.
            Overloaded: too much waits.
        """
        if known is None:
            known = content(inputs, parameters)
        if not stream.expects(number, known):
            return
        self.population.check_bytes()
        worker = stream.worker
        agenda = worker.model.stream.agenda(worker, stream.fixed, inputs, stream.outputs, parameters, stream.priority)
        if not stream.accept(agenda, known, now, now + timeout_s):
            self._settle(stream)
        elif stream.backlog:  # else what it makes is weighed
            self.population.weigh(stream)

    def cancel(self, stream: Stream, number: int, now: float) -> None:
        """Give up a step; its end tells what became of it."""
        stream.cancel(number, now)
        self._settle(stream)

    def credit(self, stream: Stream, until: int | None, seen: int | None, now: float) -> None:
        """Allow more results to be taken, and forget those that were seen."""
        stream.ring.grant(until, seen)
        stream.touched = now
        stream.go_on(now)
        self._settle(stream)

    def close_stream(self, stream: Stream, now: float) -> None:
        """Finish what was accepted, then end."""
        stream.close(now)
        self._settle(stream)

    def snapshot(self, stream: Stream, done: Callable[[Snapshot | TidegateError], None], now: float) -> None:
        """Hand over the state behind the steps that were accepted so far."""
        stream.when_done(lambda: done(stream.snapshot()), now)
        self._settle(stream)

    def fork(self, stream: Stream, receiver: Receiver, done: Callable[[Stream | TidegateError], None], now: float) -> None:
        """Open another stream with the state behind the steps that were accepted so far."""

        def split() -> None:
            try:
                done(self._forked(stream, receiver, now))
            except TidegateError as error:
                done(error)

        stream.when_done(split, now)
        self._settle(stream)

    def _forked(self, stream: Stream, receiver: Receiver, now: float) -> Stream:
        if stream.status == "closed":
            raise UnknownStream("the stream has ended")
        self._check_room(stream.worker)
        return self._add(stream.forked(), receiver, now)

    # Somebody leaves and comes back.

    def detach(self, stream: Stream) -> None:
        """Go on without anybody who listens, as far as there is room."""
        stream.receiver = None

    def attach(self, stream: Stream, receiver: Receiver, last_seq: int, now: float) -> Attached:
        """Let somebody listen who has seen everything up to a number; what came later is told once more."""
        replay_from = stream.ring.rewind(last_seq)
        stream.receiver = receiver
        stream.touched = now
        attached = Attached(stream.next_step, replay_from, stream.ring.seq, stream.status)
        stream.go_on(now)
        self._settle(stream)
        return attached

    # Runs, as streams see them.

    def run(self, request: Request) -> None:
        """Queue a request (see ``Runs``)."""
        self._scheduler.add(request)

    def give_up(self, request: Request) -> None:
        """Cancel a request (see ``Runs``)."""
        self._scheduler.cancel(request)

    def soon(self, stream: Stream) -> None:
        """Let a stream go on in the next turn of the loop (see ``Runs``)."""
        self._soon[stream] = None
        self._wake()

    def step_ended(self, stream: Stream, code: str) -> None:
        """Count the end of a step (see ``Runs``)."""
        if self.observer is not None:
            self.observer.steps_ended(stream.model, code)

    def finished(self, run: Run, answers: Sequence[Answer]) -> None:
        """Take what came of steps (see ``Sink``)."""
        now = time.monotonic()
        if len(answers) == run.size > 1:
            run.apart = {}
        made: dict[Receiver | None, list[tuple[Stream, Produced]]] = {}
        others: list[Answer] = []
        for request, start, stop in answers:
            stream: Stream = request.tag
            item = stream.stepped(request, run, start, now) if run.stays else stream.finished(request, run, start, stop, now)
            if item is None:
                others.append((request, start, stop))
            else:
                made.setdefault(stream.receiver, []).append((stream, item))
        # Whatever else goes wrong, what was made is told first: it lies nowhere but here.
        for receiver, items in made.items():
            self._keep_made(receiver, items)
        for items in made.values():
            self._made_told(items, now)
        for request, start, stop in others:
            request.tag.ran(request, run, start, stop, now)
            self._settle(request.tag)
        if made and not run.stays and self.observer is not None:
            self.observer.steps_ended(run.model, "ok", sum(map(len, made.values())))

    def _keep_made(self, receiver: Receiver | None, made: Sequence[tuple[Stream, Produced]]) -> None:
        """Tell what streams have made, or keep it if nobody listens."""
        if receiver is None:
            for stream, item in made:
                stream.ring.add(item)
            return
        try:
            receiver.streams_made(made)
        except Exception:
            _log.exception("what streams have made could not be handed over")
            for stream, _ in made:
                self._end_untold(stream)

    def _made_told(self, made: Sequence[tuple[Stream, Produced]], now: float) -> None:
        """Let those go on for which steps wait."""
        for stream, item in made:
            if item.final and stream.backlog:
                try:
                    stream.go_on(now)
                    self._settle(stream)
                except Exception:
                    _log.exception("a stream could not go on")
                    self._end_untold(stream)
            elif (item.final or not item.seq % _WEIGHED_EVERY) and stream.status != "closed":
                self.population.weigh(stream)

    def failed(self, request: Request, error: TidegateError) -> None:
        """Take the error of a step (see ``Sink``)."""
        stream: Stream = request.tag
        stream.failed(request, error, time.monotonic())
        self._settle(stream)

    def _settle(self, stream: Stream) -> None:
        """Take note of what has changed; what there is to tell is told soon."""
        if stream.status == "closed":
            self._forget(stream, "closed")
        else:
            self.population.weigh(stream)
        if stream.receiver is not None and stream.ready:
            self.soon(stream)

    def _wake(self) -> None:
        if self._due is None:
            self._due = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Let streams go on, and tell who listens to them; what is too much for one turn of the loop waits."""
        self._due = None
        now = time.monotonic()
        for stream in tuple(islice(self._soon, _PER_TURN)):
            del self._soon[stream]
            stream.go_on(now)
            if stream.status == "closed":
                self._forget(stream, "closed")
            if stream.receiver is not None and stream.ready:
                self._tell(stream)
        if self._soon:
            self._wake()

    def _tell(self, stream: Stream) -> None:
        try:
            stream.receiver.stream_has(stream)
        except Exception:
            _log.exception("what a stream has could not be handed over")
            self._end_untold(stream)

    def _end_untold(self, stream: Stream) -> None:
        if stream in self.population:
            self._end(stream, "internal")
        else:
            stream.drop()
