"""What streams have to send, in turn: openings first, then one step of each. Pure; it takes nothing in and tells nothing.

A step is sent only if there is memory to keep it until its end. What cannot be written fails.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tidegate.codecs.errors import Form
from tidegate.errors import TidegateError, TooLarge

from .exchange import Phase
from .stream_requests import Errand, StepRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .desk import Desk
    from .stream_log import StreamLog


class StreamQueue:
    """What waits to be sent, and the errands that were.

    Args:
        desk: what the streams share.
        form: how messages are written.
        fail: ends what cannot be written, with the error.

    Attributes:
        opening: streams that are to be asked for.
        ready: streams that may have something to send, in turn.
        asked: errands that were sent, by id.
    """

    def __init__(self, desk: Desk, form: Form, fail: Callable[[StepRequest | Errand, TidegateError], None]) -> None:
        self.opening: deque[Errand] = deque()
        self.ready: dict[StreamLog, None] = {}
        self.asked: dict[int, Errand] = {}
        self._desk = desk
        self._form = form
        self._fail = fail

    def next(self, now: float, limit: int, *, may_open: bool) -> bytes | None:
        """Return the next message to send, or None if there is none that may be sent now.

        Args:
            now: the time.
            limit: most bytes of it.
            may_open: whether new streams may be asked for.
        """
        while may_open and self.opening:
            errand = self.opening[0]
            data = self._write(errand, now, limit)
            if data is not None:
                self.opening.popleft()
                errand.phase = Phase.SENT
                self.asked[errand.id] = errand
                return data
        while self.ready:
            log = next(iter(self.ready))
            entry = log.next()
            if entry is None:
                del self.ready[log]
            elif isinstance(entry, StepRequest) and not self._desk.memory.has_room(entry):
                return None
            else:
                data = self._write(entry, now, limit)
                if data is not None:
                    self._mark_sent(log, entry)
                    return data
        return None

    def _mark_sent(self, log: StreamLog, entry: StepRequest | Errand) -> None:
        log.mark_sent(entry)
        if isinstance(entry, Errand):
            self.asked[entry.id] = entry
        del self.ready[log]  # to the end
        self.ready[log] = None

    def _write(self, entry: StepRequest | Errand, now: float, limit: int) -> bytes | None:
        try:
            # Not even written, if the tensors alone are too large.
            if entry.nbytes <= limit or self._form is Form.TEXT:
                data = entry.encode(self._form, now)
                if len(data) <= limit:
                    return data
            expected = f"at most {limit} bytes"
            raise TooLarge(f"the message has {entry.nbytes} bytes; the gateway takes {expected}", expected=expected)
        except TidegateError as error:
            self._fail(entry, error)
            return None
