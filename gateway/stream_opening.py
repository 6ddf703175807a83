"""How a stream begins and how its client ends it. Takes ``now``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.codecs.messages import Close, Open
    from tidegate.codecs.reader import Received
    from tidegate.models.client import Client
    from tidegate.models.streams.stream import Stream
    from tidegate.results import Array

    from .publishing import StreamPublication
    from .stream_ops import StreamOps


def open_stream(ops: StreamOps, message: Open, received: Received, now: float) -> None:
    """Open a stream under the name that its client has chosen."""
    residence = ops.home(message.stream)
    publication = None
    if message.publish is not None:
        publication = ops.hub.publications.stream(residence.token, message.publish, message.stream)
    try:
        stream = _opened(ops, message, received.tensors, residence.client, now, publication)
    except BaseException:
        if publication is not None:
            publication.forget()
        raise
    if publication is not None:
        ops.hub.publications.began(stream, publication)
    ops.settle(stream, message.stream, residence, message.id, received.form)


def _opened(
    ops: StreamOps,
    message: Open,
    tensors: dict[str, Array],
    client: Client,
    now: float,
    publication: StreamPublication | None,
) -> Stream:
    return ops.host.open(
        message.model_name,
        message.model_version,
        constants={} if message.from_snapshot else tensors,
        snapshot=tensors["snapshot"].tobytes() if message.from_snapshot else None,
        outputs=tuple([output.name for output in message.outputs]) if message.outputs else None,
        overflow=message.overflow,
        until=message.until,
        priority=message.priority,
        client=client,
        receiver=ops.sender,
        now=now,
        watcher=None if publication is None else publication.made,
    )


def close_stream(ops: StreamOps, message: Close, _: Received, now: float) -> None:
    """Let a stream end once its steps are done."""
    if ops.residence is not None and message.stream in ops.residence.ended:
        return  # its end was told while this was on its way
    ops.host.close_stream(ops.find(message.stream), now)
