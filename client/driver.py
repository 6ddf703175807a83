"""Runs a session over real connections: the only part of the client that knows tasks, timers and futures. It decides nothing.

One task dials and dials again; everything else happens in plain calls from the event loop. Messages go from the socket to
the waiting future, and from ``submit`` to the socket, without a task or a queue between.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from tidegate.codecs.errors import CodecError
from tidegate.codecs.limits import Limits
from tidegate.codecs.messages import ModelList, Models
from tidegate.codecs.reader import server_messages
from tidegate.errors import ConnectionLost, TidegateError

from .catalogue import Catalogue
from .exchange import Phase, Question
from .failure import is_terminal, lost_reason, open_failure
from .inbox import Inbox
from .link import open_link
from .session import Session
from .states import Closed, Connecting, Open, Reconnecting
from .stream_driver import StreamDriver
from .url import without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .backoff import Backoff
    from .exchange import Exchange, Request
    from .link import Link
    from .options import Options

_log = logging.getLogger("tidegate.client")
_NEVER = float("inf")


class Driver:
    """One client on its event loop.

    Attributes:
        session: what decides.
        catalogue: what is known of the models.
        streams: what programs do with streams.
    """

    def __init__(self, url: str, options: Options, backoff: Backoff | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.catalogue = Catalogue()
        self.session = Session(options, now=self.loop.time(), is_pure=self._is_pure, backoff=backoff)
        self.streams = StreamDriver(self)
        self._url = url
        self._shown_url = without_secrets(url)
        self._options = options
        limit = options.max_answer_bytes
        self._reader = server_messages(Limits(message_bytes=limit, text_bytes=limit))
        self._link: Link | None = None
        self._greeted: asyncio.Future[None] = self.loop.create_future()
        self._gone: asyncio.Future[None] = self.loop.create_future()
        self._ready: asyncio.Future[None] = self.loop.create_future()
        self._runner: asyncio.Task[None] | None = None
        self._hanging_up: asyncio.Task[None] | None = None  # of the last link that was hung up
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER

    # What the face of the client calls.

    async def open(self) -> None:
        """Connect for the first time. Cancelling it closes everything.

        Raises:
            ConnectionLost: it could not be done.
        """
        self._runner = self.loop.create_task(self._run(), name=f"tidegate client of {self._shown_url}")
        try:
            await self._ready
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End everything within the time that the options give; safe to call twice."""
        farewell = self.session.close()
        if self._link is not None:
            self._link.write(farewell, at_once=True)
        self.act()
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        if self._link is not None:
            await self._link.hang_up(self._options.close_timeout)
        if self._timer is not None:
            self._timer.cancel()

    def submit(self, request: Request, *, copy: bool = False) -> None:
        """Start a request; its waiter, a future, gets the outcome.

        Args:
            request: what to run.
            copy: whether its arrays may be changed as soon as this returns.

        Raises:
            Overloaded: too many wait already, or there is no memory for a copy.
            ConnectionLost: the connection is closed.
        """
        self.session.submit(request)
        self.act()
        if copy and request.phase is Phase.WAITING:
            self.session.ledger.hold(request)

    def cancel_request(self, request: Request) -> None:
        """Ask for the end of a request."""
        self.session.cancel(request, self.loop.time())
        self.act()

    def abandon(self, exchange: Exchange) -> None:
        """Forget an exchange that nobody waits for."""
        self.session.abandon(exchange)
        self.act()

    async def ask(self, message_type: type[Any], timeout: float, *, repeatable: bool) -> Any:
        """Ask a question and wait for its answer; cancelling is safe."""
        future: asyncio.Future[Any] = self.loop.create_future()
        message = message_type(id=self.session.next_id())
        question = Question(message, now=self.loop.time(), timeout=timeout, waiter=future, repeatable=repeatable)
        self.session.ask(question)
        self.act()
        try:
            return await future
        finally:
            if future.cancelled():
                self.abandon(question)

    async def learn(self, timeout: float, *, repeatable: bool = False) -> Sequence[dict[str, Any]]:
        """Fetch the list of models and remember what matters of it."""
        answer: ModelList = await self.ask(Models, timeout, repeatable=repeatable)
        self.catalogue.learn(answer.models)
        return answer.models

    def act(self) -> None:
        """Do what the session wants done: send, complete futures, hang up, set the timer."""
        session = self.session
        if self._link is not None:
            # What comes first goes at once, for the sake of a single request; what comes while it runs goes together.
            idle = session.idle
            out = session.dispatch(self.loop.time(), self._link.room_bytes)
            if out:
                self._link.write(out, at_once=idle)
            if session.may_hang_up and not self._link.hanging_up:
                self._hanging_up = self.loop.create_task(self._link.hang_up(self._options.close_timeout))
        for exchange, outcome in session.take_settled():
            _complete(exchange.waiter, outcome)
        for waiter, outcome in session.streams.take_told():
            if isinstance(waiter, Inbox):
                waiter.put(outcome)
            else:
                _complete(waiter, outcome)
        when = session.next_wakeup()
        if when < self._timer_at:
            self._set_timer(when)

    # What the link calls.

    def on_made(self, link: Link) -> None:
        """Take note of the socket that an attempt has opened."""
        self._link = link

    def on_message(self, link: Link, data: bytes, *, text: bool) -> None:
        """Take a message."""
        if link is not self._link:
            return
        try:
            received = self._reader.text(data) if text else self._reader.binary(data)
            self.session.receive(received, self.loop.time())
            if not self._greeted.done() and isinstance(self.session.state, Open):
                self._greeted.set_result(None)
        except CodecError as error:
            if not self.session.unreadable(error):
                self._cut(f"the gateway sent what is not a message: {error}")
        except ConnectionLost as error:
            self._cut(error.message, final=True)

    def on_batch(self, link: Link) -> None:
        """Act on the messages that came together."""
        if link is self._link:
            self.session.heard(self.loop.time())
            self.act()

    def on_writable(self, link: Link) -> None:
        """Write more."""
        if link is self._link and self.session.wants_to_send:
            self.act()

    def on_lost(self, link: Link, code: int, reason: str, *, by_us: bool) -> None:
        """Take note that the connection is gone."""
        if link is self._link:
            self._lost(lost_reason(code, reason, by_us=by_us), final=is_terminal(code))

    # The rest is private.

    async def _run(self) -> None:
        try:
            while not isinstance(state := self.session.state, Closed):
                if isinstance(state, Reconnecting):
                    await asyncio.sleep(max(0.0, state.at - self.loop.time()))
                    self.session.dial()
                elif isinstance(state, Connecting):
                    await self._dial()
                else:
                    await asyncio.wait([self._gone])
        except Exception:
            # A defect of ours must not leave anybody waiting.
            _log.exception("the client stopped")
        finally:
            self.session.close()
            self.act()
            assert isinstance(self.session.state, Closed)
            if not self._ready.done():
                self._ready.set_exception(ConnectionLost(self.session.state.reason))

    async def _dial(self) -> None:
        self._greeted, self._gone = self.loop.create_future(), self.loop.create_future()
        limit = self._options.open_timeout
        try:
            async with asyncio.timeout(limit):
                await open_link(self._url, self._options, self)
                await self._greeted
        except Exception as error:
            reason, final = open_failure(self._shown_url, error, limit)
            _log.info("%s", reason)
            self._drop_link()
            self.session.failed(reason, self.loop.time(), final=final)
            self.act()
            return
        try:
            await self.learn(limit)
        except TidegateError as error:
            _log.warning("the gateway at %s did not list its models: %s", self._shown_url, error)
        if not self._ready.done() and not isinstance(self.session.state, Closed):
            self._ready.set_result(None)

    def _is_pure(self, request: Request) -> bool:
        return self.catalogue.facts(request.model, request.version).pure

    def _cut(self, reason: str, *, final: bool = False) -> None:
        link = self._link
        self._lost(reason, final=final)
        if link is not None:
            link.cut()

    def _lost(self, reason: str, *, final: bool = False) -> None:
        self._link = None
        if not self._greeted.done():
            error = ConnectionLost(reason)
            error.retryable = not final
            self._greeted.set_exception(error)
            self._greeted.exception()  # so that nobody complains when the attempt was given up meanwhile
            return
        if not isinstance(self.session.state, Closed):
            _log.warning("%s: %s", self._shown_url, reason)
        self.session.lost(reason, self.loop.time(), final=final)
        self.act()
        if not self._gone.done():
            self._gone.set_result(None)

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.cut()

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, _NEVER
        delivered, backlog = (self._link.delivered_bytes, self._link.backlog_bytes) if self._link is not None else (0, 0)
        reason = self.session.tick(self.loop.time(), delivered_bytes=delivered, backlog_bytes=backlog)
        if reason is not None:
            self._cut(reason)
        self.act()


def _complete(waiter: asyncio.Future[Any], outcome: Any) -> None:
    if waiter.done():
        return
    if isinstance(outcome, TidegateError):
        waiter.set_exception(outcome)
        waiter.exception()  # a task that nobody awaits is not worth a complaint
    else:
        waiter.set_result(outcome)
