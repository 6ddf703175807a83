"""One submitted inference, as its caller holds it: awaitable, can be cancelled, says how it stands. It knows no protocol."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Protocol

from tidegate.errors import Cancelled, TidegateError

from .exchange import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tidegate.errors import CancelOutcome
    from tidegate.results import Result, Timing

    from .exchange import Request

Status = Literal["queued", "sent", "done", "failed", "cancelled"]
"""``queued``: waits in this client; ``sent``: the server has it; then how it ended."""


class Canceller(Protocol):
    """Who can end a request."""

    def cancel_request(self, request: Request) -> None:
        """Ask for its end; its outcome will say what became of it."""

    def abandon(self, exchange: Request) -> None:
        """Forget it: nobody waits for it any more."""


class InferenceTask:
    """A submitted inference: ``await task`` gives its ``Result`` or raises its error, as often as you like.

    Like an ``asyncio.Task``: cancelling who awaits it cancels it, here and on the server. It always ends: by its answer, by
    an error, by its time limit, or because the connection was closed.

    Attributes:
        id: what names it on the connection.
        model: name of the model.
    """

    __slots__ = ("__weakref__", "_canceller", "_future", "_request", "id", "model")

    def __init__(self, request: Request, future: asyncio.Future[Result], canceller: Canceller) -> None:
        self.id = request.id
        self.model = request.model
        self._request = request
        self._future = future
        self._canceller = canceller

    def __await__(self) -> Generator[object, None, Result]:
        try:
            return (yield from self._future.__await__())
        except asyncio.CancelledError:
            if self._future.cancelled():
                self._canceller.abandon(self._request)
            current = asyncio.current_task()
            if current is not None and not current.cancelling():
                raise Cancelled("another task that awaited it was cancelled", outcome=self._abandoned_outcome()) from None
            raise

    @property
    def status(self) -> Status:
        """How it stands."""
        future = self._future
        if not future.done():
            return "queued" if self._request.phase is Phase.WAITING else "sent"
        if future.cancelled() or isinstance(future.exception(), Cancelled):
            return "cancelled"
        return "failed" if future.exception() else "done"

    @property
    def timing(self) -> Timing | None:
        """What it cost, once it is done."""
        return self._future.result().timing if self.status == "done" else None

    def done(self) -> bool:
        """Tell whether it has ended, one way or another."""
        return self._future.done()

    def result(self) -> Result:
        """Return its result, or raise its error.

        Raises:
            asyncio.InvalidStateError: it has not ended yet.
            asyncio.CancelledError: who awaited it was cancelled.
        """
        return self._future.result()

    def exception(self) -> BaseException | None:
        """Return its error, or None if there was none; raises as ``result`` does while it runs."""
        return self._future.exception()

    def add_done_callback(self, callback: Callable[[InferenceTask], object]) -> None:
        """Call ``callback(task)`` soon after it has ended."""
        self._future.add_done_callback(lambda _future: callback(self))

    async def cancel(self) -> CancelOutcome:
        """Cancel it, and say what became of it; whoever awaits it gets ``tidegate.errors.Cancelled``.

        Cancelling this coroutine is safe: the cancel has been sent, only its outcome is not heard.

        Returns:
            ``removed``: it never ran. ``dropped``: it had been started, its result is thrown away (the connection may have
            been lost meanwhile). ``too_late``: it had ended already, its result or error stands.
        """
        if not self._future.done():
            self._canceller.cancel_request(self._request)
            await asyncio.wait([self._future])
        if self._future.cancelled():
            return self._abandoned_outcome()
        error = self._future.exception()
        return error.outcome if isinstance(error, Cancelled) else "too_late"

    def _abandoned_outcome(self) -> CancelOutcome:
        return "dropped" if self._request.sends else "removed"

    def __repr__(self) -> str:
        error = self._future.exception() if self.status == "failed" else None
        told = f": {error.code}" if isinstance(error, TidegateError) else ""
        return f"<InferenceTask {self.id} {self.model} {self.status}{told}>"
