"""Copies of a stream: its state as bytes for the client (``snapshot``), or as another stream (``fork``).

Both are answered when the steps that were accepted before have ended; until then their id is live, and cannot be cancelled.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tidegate.codecs.errors import Form, Subject
from tidegate.codecs.messages import SnapshotTaken
from tidegate.codecs.writer import pieces
from tidegate.errors import TidegateError, TooLarge
from tidegate.models.streams import snapshot as snapshots

from .large_result import LARGE_BYTES
from .replies import why_not_written

if TYPE_CHECKING:
    from tidegate.codecs.messages import Fork, Snapshot
    from tidegate.codecs.parts import Id
    from tidegate.codecs.reader import Received
    from tidegate.models.streams.stream import Stream

    from .replies import Written
    from .residence import Residence
    from .stream_ops import StreamOps

_TEXT_LETTERS = 4  # of a byte as text, with its comma


def snapshot(ops: StreamOps, message: Snapshot, received: Received, now: float) -> None:
    """Answer with the state of a stream, once its steps have ended."""
    stream = ops.find(message.stream)
    ops.requests.ask(message.id)
    ops.host.snapshot(stream, partial(_snapshot_taken, ops, message, received.form, stream.model.name), now)


class TakenSnapshot:
    """A snapshot, not written yet.

    Attributes:
        nbytes: about how many bytes it takes.
        slow: whether it has to be written on another thread.
    """

    __slots__ = ("_form", "_message", "_snapshot", "nbytes", "slow")

    def __init__(self, message: Snapshot, form: Form, taken: snapshots.Snapshot) -> None:
        self._message = message
        self._form = form
        self._snapshot = taken
        held = sum(array.nbytes for array in (*taken.state.values(), *taken.constants.values()))
        self.nbytes = held * _TEXT_LETTERS if form is Form.TEXT else held
        self.slow = self.nbytes >= LARGE_BYTES // 4

    def pieces(self) -> Written:
        """Write it.

        Raises:
            TidegateError: the state cannot be written.
        """
        data = np.frombuffer(snapshots.write(self._snapshot), np.uint8)
        answer = SnapshotTaken(id=self._message.id, stream=self._message.stream, step=self._snapshot.step)
        return pieces(answer, self._form, {"snapshot": data}), 0


def _snapshot_taken(
    ops: StreamOps, message: Snapshot, form: Form, model: str, taken: snapshots.Snapshot | TidegateError
) -> None:
    if ops.replies.closed:
        return
    done = partial(_snapshot_written, ops, message.id, form, model)
    if isinstance(taken, TidegateError):
        done(taken)
        return
    job = TakenSnapshot(message, form, taken)
    try:
        _check_size(ops, job.nbytes)
        if job.slow:
            ops.replies.write_elsewhere(job, done)
            return
        made: Written | Exception = job.pieces()
    except TidegateError as error:
        made = error
    done(made)


def _snapshot_written(ops: StreamOps, id_: Id, form: Form, model: str, made: Written | Exception) -> None:
    ops.requests.answered(id_)
    try:
        if isinstance(made, Exception):
            raise made
        _check_size(ops, sum(map(len, made[0])))
        ops.replies.post_pieces(form, *made)
    except Exception as error:
        ops.replies.refuse(Subject(id_), form, why_not_written(error, model), model)


def _check_size(ops: StreamOps, nbytes: int) -> None:
    """Check that a client can send a snapshot back."""
    most = ops.hub.settings.message_bytes
    if nbytes > most:
        raise TooLarge(f"the snapshot takes {nbytes} bytes", expected=f"at most {most} bytes")


def fork(ops: StreamOps, message: Fork, received: Received, now: float) -> None:
    """Open another stream with the state of one, once its steps have ended."""
    stream = ops.find(message.stream)
    residence = ops.home(message.to)
    ops.requests.ask(message.id)
    residence.promised.add(message.to)
    ops.host.fork(stream, ops.sender, partial(_forked, ops, message, received.form, stream.model.name, residence), now)


def _forked(ops: StreamOps, message: Fork, form: Form, model: str, residence: Residence, made: Stream | TidegateError) -> None:
    residence.promised.discard(message.to)
    ops.requests.answered(message.id)
    if isinstance(made, TidegateError):
        ops.replies.refuse(Subject(message.id), form, made, model)
    elif ops.replies.closed:
        ops.host.drop(made, "expired")  # its client has never heard of it
    else:
        ops.settle(made, message.to, residence, message.id, form)
