"""Which requests there are, where each one is, and its one outcome. Pure; it knows neither connection states nor messages.

Promises:

1. Every request that was added gets exactly one outcome, except one that was abandoned: nobody waits for that one.
2. A request that is at the server keeps its place there until it is answered or the connection is cut, even when this
   client has given it up: the server counts it, too.
3. Requests are sent in the order in which they came; those that are sent again come first, in their old order.
4. ``held_bytes`` is the memory that unfinished requests keep here. A request gets more of it only within the limit (give or
   take the header of one message) or alone.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from tidegate.errors import Cancelled, ConnectionLost, DeadlineExceeded, Overloaded

from .deadlines import Deadlines
from .exchange import Exchange, Phase, Question, Request
from .memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.codecs.messages import ModelList, Pong
    from tidegate.errors import TidegateError
    from tidegate.results import Result

    Outcome = Result | ModelList | Pong | TidegateError

GRACE_S = 0.25
"""A sent request is given this long beyond its time limit, so that the server's own verdict can still arrive."""
CANCEL_WAIT_S = 10.0
"""How long a cancel may go unanswered before the request counts as dropped."""
MAX_SENDS = 3
"""A request that kills its server, or the way there, must not do so for ever."""


class Ledger:
    """The unfinished requests and questions of one client.

    Attributes:
        waiting: requests to be sent, by id, in order.
        sent: requests that are at the server, by id.
        questions: control messages without an answer, by id.
        deadlines: when to look at each of them.
        memory: see promise 4; streams share it.
    """

    def __init__(self, *, max_pending: int, max_buffer_bytes: int) -> None:
        self.waiting: OrderedDict[int, Request] = OrderedDict()
        self.sent: dict[int, Request] = {}
        self.questions: dict[int, Question] = {}
        self.deadlines: Deadlines[Exchange] = Deadlines()
        self.memory = Memory(max_buffer_bytes)
        self._max_pending = max_pending
        self._settled: list[tuple[Exchange, Outcome]] = []

    @property
    def held_bytes(self) -> int:
        """The memory that is kept here; see promise 4."""
        return self.memory.held

    # Coming in.

    def add(self, request: Request) -> None:
        """Let a request wait for its turn.

        Raises:
            Overloaded: too many wait already.
        """
        if len(self.waiting) >= self._max_pending:
            raise Overloaded(f"{len(self.waiting)} requests wait in this client already (option max_pending)")
        self.waiting[request.id] = request
        self.deadlines.add(request.expires, request)

    def ask(self, question: Question) -> None:
        """Take in a question."""
        self.questions[question.id] = question
        self.deadlines.add(question.expires, question)

    def hold(self, request: Request) -> None:
        """Copy the tensors of a request that has to wait, so that its caller may change them meanwhile.

        Raises:
            Overloaded: there is no memory for that; the request is withdrawn.
        """
        if not self.memory.has_room(request):
            self._remove(request)
            raise Overloaded(
                f"{self.held_bytes} bytes of requests are kept in this client already (option max_buffer_bytes); "
                "`await infer(…)` waits for room"
            )
        request.copy_tensors()
        self.memory.count(request, request.nbytes)

    # Going out.

    def next_to_send(self, now: float) -> Request | None:
        """Return the first request that waits, if there is memory for its message."""
        while self.waiting:
            request = next(iter(self.waiting.values()))
            if request.deadline <= now:
                self.settle(request, _too_late(request, "it waited for its turn"))
            else:
                return request if self.memory.has_room(request) else None
        return None

    def mark_sent(self, request: Request) -> None:
        """Take note that the message of a request was handed to the network."""
        del self.waiting[request.id]
        self.sent[request.id] = request
        self.memory.count(request, request.nbytes)
        request.phase = Phase.SENT
        request.sends += 1
        request.expires = request.deadline + GRACE_S

    # Ending.

    def take_settled(self) -> list[tuple[Exchange, Outcome]]:
        """Return what got an outcome since the last call."""
        settled, self._settled = self._settled, []
        return settled

    def settle(self, exchange: Exchange, outcome: Outcome) -> None:
        """End an exchange with its outcome; one that was abandoned just ends."""
        if exchange.phase is not Phase.ABANDONED:
            self._settled.append((exchange, outcome))
        self._remove(exchange)

    def cancel(self, request: Request, now: float) -> bool:
        """Begin to cancel a request; its outcome will say what became of it. Return whether to tell the server."""
        if request.phase is Phase.WAITING:
            self.settle(request, Cancelled("cancelled before it was sent", outcome="removed"))
        if request.phase is not Phase.SENT:
            return False
        request.phase = Phase.CANCELLING
        request.expires = min(request.expires, now + CANCEL_WAIT_S)
        self.deadlines.add(request.expires, request)
        return True

    def abandon(self, exchange: Exchange) -> bool:
        """Forget an exchange that nobody waits for any more. Return whether to tell the server."""
        if exchange.id not in self.sent:
            self._remove(exchange)
            return False
        tell = exchange.phase is Phase.SENT
        exchange.phase = Phase.ABANDONED
        return tell

    def expire(self, now: float, connection: str) -> list[Request]:
        """Give up what has run out of time; ``connection`` goes into the message. Return what to cancel at the server."""
        owed = []
        for exchange in self.deadlines.due(now):
            if exchange.phase is Phase.FINISHED or exchange.phase is Phase.ABANDONED:
                continue  # it was in the list twice, or only the server has to do with it
            if exchange.expires > now:
                self.deadlines.add(exchange.expires, exchange)
            elif exchange.id in self.sent:
                owed += self._give_up_sent(self.sent[exchange.id])
            else:
                self.settle(exchange, _too_late(exchange, f"it was not sent; {connection}"))
        return owed

    def cut(self, reason: str, is_pure: Callable[[Request], bool]) -> None:
        """The connection is gone: put back what may be sent again, and end the rest."""
        for request in reversed(list(self.sent.values())):
            del self.sent[request.id]
            if request.phase is Phase.SENT and request.sends < MAX_SENDS and is_pure(request):
                self._put_back(request)
            elif request.phase is Phase.CANCELLING:
                self.settle(request, Cancelled(f"cancelled by the loss of the connection: {reason}", outcome="dropped"))
            else:
                self.settle(request, ConnectionLost(f"connection lost: {reason}", maybe_executed=True))
        for question in [question for question in self.questions.values() if question.phase is Phase.SENT]:
            question.phase = Phase.WAITING
            if not question.repeatable:
                self.settle(question, ConnectionLost(f"connection lost: {reason}"))

    def put_back(self, request: Request) -> None:
        """Let a request that the server certainly did not execute wait again, before the others."""
        del self.sent[request.id]
        self._put_back(request)

    def end(self, reason: str) -> None:
        """End everything."""
        for request in list(self.sent.values()):
            self.settle(request, ConnectionLost(reason, maybe_executed=True))
        for exchange in [*self.waiting.values(), *self.questions.values()]:
            self.settle(exchange, ConnectionLost(reason))

    def _give_up_sent(self, request: Request) -> list[Request]:
        cancelling = request.phase is Phase.CANCELLING
        lost = Cancelled("the server did not answer the cancel", outcome="dropped")
        self._settled.append((request, lost if cancelling else _too_late(request, "the gateway did not answer")))
        request.phase = Phase.ABANDONED
        return [] if cancelling else [request]

    def _put_back(self, request: Request) -> None:
        request.phase = Phase.WAITING
        request.expires = request.deadline
        self.waiting[request.id] = request
        self.waiting.move_to_end(request.id, last=False)
        self.deadlines.add(request.expires, request)

    def _remove(self, exchange: Exchange) -> None:
        exchange.phase = Phase.FINISHED
        if isinstance(exchange, Request):
            self.memory.count(exchange, 0)
            exchange.release()
            if self.sent.pop(exchange.id, None) is None:
                self.waiting.pop(exchange.id, None)
        else:
            self.questions.pop(exchange.id, None)


def _too_late(exchange: Exchange, why: str) -> DeadlineExceeded:
    return DeadlineExceeded(f"no answer within {exchange.timeout:g} s: {why}")
