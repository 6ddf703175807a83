"""How a client goes on with the streams of a connection that it had before. Takes ``now``; knows no socket.

Bounds: those of the residence; what the message names beyond it is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Resumed
from tidegate.codecs.parts import ResumedStream
from tidegate.errors import ResumeFailed, TooLarge

from .stream_sender import Channel

if TYPE_CHECKING:
    from tidegate.codecs.messages import Resume
    from tidegate.codecs.parts import LastSeen
    from tidegate.codecs.reader import Received

    from .residence import Owner, Residence
    from .stream_ops import StreamOps


def resume(ops: StreamOps, message: Resume, received: Received, now: float) -> None:
    """Take a residence over, and tell again what its client has missed."""
    named = {each.stream: each for each in message.streams}
    try:
        residence, before = _claim(ops, message.token)
    except ResumeFailed as error:
        ops.hub.metrics.resumes.add("failed")
        error.lost = tuple(named)
        raise
    if before is not None:
        before.superseded()
    ops.residence = residence
    ops.requests.client = residence.client
    _drop_others(ops, residence, named)
    found = [_attach(ops, residence, each, received.form, now) for each in named.values()]
    lost = [name for name, stream in zip(named, found, strict=True) if stream is None]
    ops.hub.metrics.resumes.add("lost" if lost else "resumed" if before is None else "superseded")
    streams = [stream for stream in found if stream is not None]
    resumed = Resumed(token=residence.token, streams=streams, lost=lost)
    try:
        ops.replies.send(resumed, received.form)
    except TooLarge:  # for a header
        ops.replies.send(resumed, Form.TEXT)


def _claim(ops: StreamOps, token: str) -> tuple[Residence, Owner | None]:
    if ops.requests.begun:
        raise ResumeFailed("a connection can resume a session only by its first message")
    claimed = None if ops.hub.draining else ops.hub.residences.claim(token, ops)
    if claimed is None:
        raise ResumeFailed("there is no session of this token, or it was given up")
    return claimed


def _drop_others(ops: StreamOps, residence: Residence, named: dict[int | str, LastSeen]) -> None:
    """Drop what the client does not know of: it never heard that these were opened, or has heard that they have ended."""
    for name in [name for name in residence.streams if name not in named]:
        ops.host.drop(residence.streams.pop(name), "expired")
    for name in [name for name in residence.ended if name not in named]:
        ops.hub.residences.forget(residence, name)


def _attach(ops: StreamOps, residence: Residence, seen: LastSeen, form: Form, now: float) -> ResumedStream | None:
    stream = ops.hub.residences.revive(residence, seen.stream)
    if stream is None:
        return None
    stream.tag = Channel(seen.stream, form)
    attached = ops.host.attach(stream, ops.sender, seen.last_seq, now)
    return ResumedStream(
        stream=seen.stream,
        next_step=attached.next_step,
        replay_from=attached.replay_from,
        seq=attached.seq,
        status="open" if attached.status == "open" else "closing",
    )
