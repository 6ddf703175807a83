"""A client of streams that does what it is told and keeps nothing: raw frames and the codec, none of the SDK.

``restless`` builds on it one that loses its connections all the time.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from raw_client import RawClient, message_frame, upgrade

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Close, Credit, Open, Resume, Step
from tidegate.codecs.parts import LastSeen, RequestedOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tidegate.codecs.parts import Id
    from tidegate.codecs.reader import Received

    Tensors = Mapping[str, Any]

Message = Any
"""One of ``codecs.messages``; tests look at the fields that they expect."""


class StreamClient:
    """One connection.

    Attributes:
        raw: its socket.
        hello: what the gateway said first.
        form: how it writes.
    """

    def __init__(self, raw: RawClient, hello: Message, form: Form) -> None:
        self.raw = raw
        self.hello = hello
        self.form = form

    @classmethod
    async def connect(cls, port: int, form: Form = Form.MSGPACK) -> Self:
        """Connect, and hear the ``hello``."""
        raw = await RawClient.connect(port)
        await raw.send(upgrade(port))
        assert await raw.head() == 101
        return cls(raw, (await raw.message()).message, form)

    @property
    def token(self) -> str:
        """What its session can be resumed by."""
        token: str = self.hello.resume_token
        return token

    async def send(self, message: Message, tensors: Tensors | None = None, form: Form | None = None) -> None:
        """Send a message, in another form than usual if one is given."""
        await self.raw.send(message_frame(message, dict(tensors or {}), form or self.form))

    async def received(self) -> Received:
        """Return the next message that comes."""
        return await self.raw.message()

    async def hear(self, count: int = 1) -> list[tuple[Any, ...]]:
        """Return the next messages, each as a tuple (see ``short``)."""
        return [short(await self.received()) for _ in range(count)]

    async def ask(self, message: Message, tensors: Tensors | None = None) -> Message:
        """Send a message and return the next one that comes."""
        await self.send(message, tensors)
        return (await self.received()).message

    async def open(self, name: Id, model: str, constants: Tensors | None = None, **fields: Any) -> Message:
        """Open a stream with the output ``y``; return what is answered."""
        fields = {"outputs": [RequestedOutput(name="y")]} | fields
        return await self.ask(Open(id=0, stream=name, model_name=model, **fields), constants)

    async def step(self, name: Id, number: int, value: float, **fields: Any) -> None:
        """Send a step with one number as ``x``."""
        await self.send(Step(stream=name, step=number, **fields), {"x": np.full((1, 1), value, np.float32)})

    async def steps(self, name: Id, first: int, last: int, value: float = 1.0) -> None:
        """Send several steps that are alike but for their numbers."""
        for number in range(first, last + 1):
            await self.step(name, number, value)

    async def grant(self, name: Id, until: int, seen: int | None = None) -> None:
        """Grant credit."""
        await self.send(Credit(stream=name, until=until, seen=seen))

    async def close(self, name: Id) -> None:
        """Close a stream."""
        await self.send(Close(stream=name))

    async def resume(self, token: str, **last_seq: int) -> Message:
        """Go on with streams, whose last ``seq`` are given by name; return what is answered."""
        return await self.ask(
            Resume(token=token, streams=[LastSeen(stream=name, last_seq=seq) for name, seq in last_seq.items()])
        )


@asynccontextmanager
async def connected(port: int, form: Form = Form.MSGPACK) -> AsyncIterator[StreamClient]:
    """Connect, and cut the connection at the end."""
    client = await StreamClient.connect(port, form)
    try:
        yield client
    finally:
        await client.raw.hang_up()


def short(received: Received) -> tuple[Any, ...]:
    """Say in a tuple what a message says about a stream.

    ``("result", stream, seq, step, y)``, ``("error", stream, seq, step, code, expected_step)``, ``("gap", stream, from, to)``,
    ``("closed", stream, reason)``; of another message, its operation and its id or stream.
    """
    message = received.message
    match op := message.__struct_config__.tag:
        case "result":
            return op, message.stream, message.seq, message.step, float(received.tensors["y"].flat[0])
        case "error":
            return op, message.stream, message.seq, message.step, message.code, message.expected_step
        case "gap":
            return op, message.stream, message.first, message.last
        case "closed":
            return op, message.stream, message.reason
    return op, getattr(message, "id", getattr(message, "stream", None))
