"""One stream of a gateway without models, for tests. Plain calls, no I/O and no clock; it knows no session.

What it is not is said in ``testing_streams``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from tidegate.codecs.messages import Error, Gap, Result, Step
from tidegate.codecs.parts import Timing
from tidegate.errors import Cancelled, ResumeFailed, StepConflict, TidegateError, UnexpectedStep
from tidegate.results import Array

if TYPE_CHECKING:
    from tidegate.codecs.messages import ServerMessage
    from tidegate.codecs.parts import Id

Tensors = dict[str, Array]
Parameters = Mapping[str, bool | int | float | str]
Behaviour = Callable[[Tensors, Parameters], "Iterable[Tensors] | Tensors"]
"""What one stream does with a step: its result, or its results one by one. It may raise a ``TidegateError``."""

NO_LIMIT = 2**62
_TIMING = Timing(queue_us=1, compute_us=2, batch_size=1)


class FakeStream:
    """One stream.

    Attributes:
        name: its name.
        seq: the last number that it gave to a result.
        next_step: the number that its next step must have.
        ran: numbers of the steps that began to run, in order.
        told: all results and errors that it ever made, in order.
    """

    def __init__(self, name: Id, model: str, behaviour: Behaviour, *, overflow: str, until: int | None, results: int) -> None:
        self.name = name
        self.model = model
        self.behaviour = behaviour
        self.overflow = overflow
        self.until = NO_LIMIT if until is None else until
        self.seq = 0
        self.next_step = 1
        self.ran: list[int] = []
        self.told: list[tuple[ServerMessage, Tensors]] = []
        self.closing = False
        self.known: dict[int, bytes] = {}
        self._results = results
        self._sent = 0
        self._waiting: deque[tuple[Step, Tensors] | Callable[[], None]] = deque()
        self._running: _Running | None = None
        self._stopped: set[int] = set()
        self._kept: deque[tuple[ServerMessage, Tensors]] = deque()
        self._unsent: deque[tuple[ServerMessage, Tensors]] = deque()

    @property
    def busy(self) -> bool:
        """Whether a step waits or runs."""
        return bool(self._waiting or self._running)

    def step(self, message: Step, tensors: Tensors) -> None:
        """Take in a step; a repetition is ignored."""
        content = _content(message, tensors)
        if message.step < self.next_step and message.step in self.known:
            if self.known[message.step] != content:
                raise StepConflict(f"step {message.step} came before with other content")
            return
        if message.step != self.next_step or self.closing:
            raise UnexpectedStep(f"step {message.step} came, not step {self.next_step}", expected_step=self.next_step)
        self.known[message.step] = content
        self.next_step += 1
        self._waiting.append((message, tensors))

    def then(self, errand: Callable[[], None]) -> None:
        """Do something after the steps that were accepted so far."""
        self._waiting.append(errand)

    def cancel(self, number: int) -> None:
        """Stop a step after the result that it is at, or before it begins."""
        self._stopped.add(number)

    def grant(self, until: int, seen: int | None) -> None:
        """Let results up to ``until`` go out, and forget those up to ``seen``."""
        self.until = until if self.until == NO_LIMIT else max(until, self.until)
        while self._kept and _seq(self._kept[0][0]) <= (seen or 0):
            self._kept.popleft()

    def advance(self) -> bool:
        """Make one result, or do one errand; return whether there was anything to do and room for it."""
        if self.overflow == "block" and len(self._kept) + len(self._unsent) >= self._results:
            return False
        if self._running is not None:
            self._go_on(self._running)
        elif self._waiting:
            entry = self._waiting.popleft()
            if callable(entry):
                entry()
            else:
                self._begin(*entry)
        else:
            return False
        return True

    def take(self) -> list[tuple[ServerMessage, Tensors]]:
        """Return what may be sent now; what was dropped uses no credit, of which the client cannot know yet."""
        taken = []
        while self._unsent:
            head = self._unsent[0][0]
            if isinstance(head, Gap) and head.last > self._sent:
                if _seq(self._unsent[1][0]) > self.until + head.last - max(head.first - 1, self._sent):
                    break
                self.until += head.last - max(head.first - 1, self._sent)
            elif _seq(head) > self.until:
                break
            self._sent = max(self._sent, _seq(head))
            taken.append(self._unsent.popleft())
        self._kept.extend(taken)
        while len(self._kept) > self._results:
            self._kept.popleft()
        return taken

    def rewind(self, last_seq: int) -> int:
        """Let what comes after ``last_seq`` be sent once more; return the number of the first."""
        everything = [*self._kept, *self._unsent]
        self._kept.clear()
        self._unsent = deque(entry for entry in everything if _seq(entry[0]) > last_seq)
        first = _first(self._unsent[0][0]) if self._unsent else self.seq + 1
        if first > last_seq + 1:
            self._unsent.appendleft((Gap(stream=self.name, first=last_seq + 1, last=first - 1), {}))
        return first

    def _begin(self, message: Step, tensors: Tensors) -> None:
        if message.step in self._stopped:
            self._fail(message.step, Cancelled("cancelled", outcome="removed"))
            return
        self.ran.append(message.step)
        try:
            made = self.behaviour(tensors, message.parameters or {})
        except TidegateError as error:
            self._fail(message.step, error)
        else:
            self._running = _Running(message.step, [cast("Tensors", made)] if isinstance(made, dict) else made)
            self._go_on(self._running)

    def _go_on(self, running: _Running) -> None:
        stopped = running.number in self._stopped and running.has_more
        try:
            tensors = running.take(ahead=not stopped)
        except TidegateError as error:
            self._fail(running.number, error)
            return
        final = stopped or not running.has_more
        if final:
            self._running = None
        self.seq += 1
        result = Result(
            stream=self.name,
            step=running.number,
            seq=self.seq,
            final=final,
            timing=_TIMING,
            reason="cancelled" if stopped else None,
        )
        self._tell(result, tensors)

    def _fail(self, number: int, error: TidegateError) -> None:
        self._running = None
        self.next_step = number
        self._tell_failed(number, error)
        behind, self._waiting = self._waiting, deque()
        for entry in behind:
            if callable(entry):
                self._waiting.append(entry)
            else:
                self._tell_failed(entry[0].step, UnexpectedStep("a step before it failed", expected_step=number))
        self.known = {step: content for step, content in self.known.items() if step < number}
        self._stopped.clear()

    def _tell_failed(self, number: int, error: TidegateError) -> None:
        self.seq += 1
        self._tell(failure(error, stream=self.name, step=number, seq=self.seq, expected_step=self.next_step), {})

    def _tell(self, message: ServerMessage, tensors: Tensors) -> None:
        self.told.append((message, tensors))
        self._unsent.append((message, tensors))
        most = {"latest": 1, "drop_oldest": self._results}.get(self.overflow, NO_LIMIT)
        whole = [entry for entry in self._unsent if not isinstance(entry[0], Gap)]
        if len(whole) > most:
            first = _first(self._unsent[0][0])
            last = _seq(whole[-most - 1][0])
            self._unsent = deque([(Gap(stream=self.name, first=first, last=last), {}), *whole[-most:]])


def failure(error: TidegateError, **fields: Any) -> Error:
    """Word an error as a message."""
    if isinstance(error, UnexpectedStep):
        fields.setdefault("expected_step", error.expected_step)
    if isinstance(error, ResumeFailed):
        fields["lost"] = error.lost
    if isinstance(error, Cancelled):
        fields["outcome"] = error.outcome
    return Error(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        param=error.param,
        expected=error.expected,
        **fields,
    )


class _Running:
    """A step that runs: its results, of which one is made ahead, to know which is the last."""

    def __init__(self, number: int, results: Iterable[Tensors]) -> None:
        self.number = number
        self._results = iter(results)
        self._next: Tensors | TidegateError | None = {}
        self._make()
        if self._next is None:
            self._next = {}

    @property
    def has_more(self) -> bool:
        """Whether there is another result."""
        return self._next is not None

    def take(self, *, ahead: bool) -> Tensors:
        """Return the next result, or raise what came instead; make another one if ``ahead``."""
        taken = self._next
        assert taken is not None
        if isinstance(taken, TidegateError):
            raise taken
        if ahead:
            self._make()
        return taken

    def _make(self) -> None:
        try:
            self._next = next(self._results, None)
        except TidegateError as error:
            self._next = error


def _content(message: Step, tensors: Tensors) -> bytes:
    parts = [(name, array.dtype.str, array.shape, array.tolist()) for name, array in sorted(tensors.items())]
    return repr((parts, sorted((message.parameters or {}).items()))).encode()


def _seq(message: Any) -> int:
    return int(message.last if isinstance(message, Gap) else message.seq)


def _first(message: Any) -> int:
    return int(message.first if isinstance(message, Gap) else message.seq)
