"""A gateway without models, to test programs that use the SDK: each model is a Python function. It listens on the loopback.

What it is not: it batches nothing, has no topics (an ``event`` is what a test sends, to everybody), knows no signatures and no
time limits, and answers a cancel at once with ``dropped``. What its streams are not is said in ``testing_streams``.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from msgspec import structs
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tidegate.codecs.errors import Form
from tidegate.codecs.event_messages import Subscribe, Subscribed, Unsubscribe, Unsubscribed
from tidegate.codecs.limits import Limits
from tidegate.codecs.messages import (
    Cancel,
    Error,
    Goaway,
    Hello,
    Infer,
    ModelList,
    Models,
    Ping,
    Pong,
    Result,
    Resume,
)
from tidegate.codecs.parts import AnnouncedLimits, Timing
from tidegate.codecs.reader import client_messages
from tidegate.codecs.writer import encode
from tidegate.errors import TidegateError, UnknownModel

from .testing_streams import FakeStreams

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from tidegate.codecs.messages import ClientMessage, ServerMessage
    from tidegate.codecs.parts import Id
    from tidegate.codecs.reader import Received
    from tidegate.results import Array

    from .testing_streams import FakeSession, StreamModel

    Tensors = dict[str, Array]
    Function = Callable[[Tensors], Awaitable[Tensors]]

PROTOCOL = "tidegate.v1"
SUPERSEDED = 4501


class FakeGateway:
    """A gateway whose models are coroutine functions from tensors to tensors::

        async def double(tensors):
            return {"y": tensors["x"] * 2}

        async with FakeGateway({"double": double}) as gateway, tidegate.connect(gateway.url) as gw:
            ...

    A function may raise a ``TidegateError``, which is sent, or wait, as long as it likes: then answers come out of order.

    Models for streams are functions from constants to what one stream does with each step; a generator makes several results::

        class Sum:
            def __init__(self, constants):
                self.sum = 0

            def __call__(self, tensors, parameters):
                self.sum += tensors["x"]
                return {"sum": self.sum}

        FakeGateway(streams={"sum": Sum})

    Attributes:
        models: the functions by name; may be changed at any time.
        streams: the streams of all clients.
        listing: what ``models`` answers.
        hello: the greeting, limits included.
        received: all messages that came, in order.
        connections: the open connections.
        greets: whether new connections get their ``hello``.
    """

    def __init__(
        self,
        models: Mapping[str, Function] | None = None,
        *,
        streams: Mapping[str, StreamModel] | None = None,
        listing: list[dict[str, Any]] | None = None,
        in_flight: int = 256,
        message_bytes: int = 16 * 1024 * 1024,
        keepalive_ms: int = 15_000,
        port: int = 0,
    ) -> None:
        self.models: dict[str, Function] = dict(models or {})
        self.streams = FakeStreams(streams or {})
        names = dict.fromkeys([*self.models, *self.streams.models])
        default: list[dict[str, Any]] = [{"name": name, "version": "1", "inputs": [], "pure": True} for name in names]
        self.listing = default if listing is None else listing
        limits = AnnouncedLimits(message_bytes=message_bytes, text_bytes=1024 * 1024, in_flight=in_flight)
        self.hello = Hello(
            protocol=PROTOCOL, server="fake", session="s", keepalive_ms=keepalive_ms, limits=limits, features=["subscriptions"]
        )
        self.received: list[ClientMessage] = []
        self.connections: set[ServerConnection] = set()
        self.greets = True
        self._port = port
        self._server: Server | None = None
        self._reader = client_messages(Limits(message_bytes=message_bytes))
        self._running: dict[tuple[ServerConnection, Id | None], asyncio.Task[None]] = {}
        self._talks: dict[ServerConnection, _Talk] = {}
        self._owners: dict[FakeSession, ServerConnection] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after ``stop``, on the same port again."""
        subprotocols = [Subprotocol(PROTOCOL)]
        server = await serve(
            self._serve, "127.0.0.1", self._port, subprotocols=subprotocols, compression=None, max_size=None, max_queue=None
        )
        self._server = server
        self._port = next(iter(server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Cut all connections and stop listening."""
        self.drop()
        for task in self._running.values():
            task.cancel()
        if self._server is not None:
            self._server.close(close_connections=False)
            await self._server.wait_closed()

    def drop(self) -> None:
        """Cut all connections, as a crash or a broken network does: without a close frame."""
        for connection in self.connections:
            connection.transport.abort()

    def stop_reading(self) -> None:
        """Read no more from the connections that there are, but keep them."""
        for connection in self.connections:
            connection.transport.pause_reading()

    def read_again(self) -> None:
        """Go on reading after ``stop_reading``."""
        for connection in self.connections:
            connection.transport.resume_reading()

    async def close(self, code: int, reason: str = "") -> None:
        """Close all connections with a code."""
        await asyncio.gather(*[connection.close(code, reason) for connection in self.connections])

    async def goaway(self, time_left_ms: int = 10_000, reason: str = "drain") -> None:
        """Tell all clients to go away."""
        await self.send(Goaway(time_left_ms=time_left_ms, reason=reason))

    async def send(self, message: ServerMessage, form: Form = Form.TEXT, tensors: Tensors | None = None) -> None:
        """Send any message to all connections."""
        data = encode(message, form, tensors)
        for connection in self.connections:
            await connection.send(data, text=form is Form.TEXT)

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        talk = self._talks[connection] = _Talk(self.streams.new_session())
        self._owners[talk.session] = connection
        running = asyncio.create_task(self._run_streams(connection, talk))
        try:
            if self.greets:
                hello = structs.replace(self.hello, resume_token=talk.session.token)
                await connection.send(encode(hello, Form.TEXT), text=True)
            async for data in connection:
                received = self._reader.text(data) if isinstance(data, str) else self._reader.binary(data)
                self.received.append(received.message)
                await self._handle(connection, received)
        except ConnectionClosed:
            pass
        finally:
            running.cancel()
            del self._talks[connection]
            self.connections.discard(connection)
            for key in [key for key in self._running if key[0] is connection]:
                self._running.pop(key).cancel()

    async def _handle(self, connection: ServerConnection, received: Received) -> None:
        message = received.message
        match message:
            case Infer():
                task = asyncio.create_task(self._infer(connection, received))
                self._running[connection, message.id] = task
            case Cancel() if message.id is not None:
                running = self._running.get((connection, message.id))
                if running is not None:
                    running.cancel()
                    gone = Error(id=message.id, code="cancelled", message="cancelled", retryable=False, outcome="dropped")
                    await self._answer(connection, gone, received.form)
            case Models():
                await self._answer(connection, ModelList(id=message.id, models=self.listing), received.form)
            case Ping():
                await self._answer(connection, Pong(id=message.id), received.form)
            case Subscribe():
                await self._answer(connection, Subscribed(id=message.id, topic=message.topic), received.form)
            case Unsubscribe():
                await self._answer(connection, Unsubscribed(id=message.id, topic=message.topic), received.form)
            case Pong():
                pass
            case _:
                await self._stream(connection, received)

    async def _stream(self, connection: ServerConnection, received: Received) -> None:
        message, talk = received.message, self._talks[connection]
        talk.session = talk.session.receive(message, received.tensors)
        talk.form = received.form
        talk.news.set()
        before = self._owners.get(talk.session)
        self._owners[talk.session] = connection
        if isinstance(message, Resume) and before is not connection and before in self.connections:
            await before.close(SUPERSEDED, "superseded")

    async def _run_streams(self, connection: ServerConnection, talk: _Talk) -> None:
        """Let the streams of a connection go on whenever something has come, one result each at a time."""
        while True:
            await talk.news.wait()
            talk.news.clear()
            moved = True
            while moved:
                moved = talk.session.advance()
                out, talk.session.out = talk.session.out, []
                for message, tensors in out:
                    await self._answer(connection, message, talk.form, tensors)
                await asyncio.sleep(0)

    async def _infer(self, connection: ServerConnection, received: Received) -> None:
        message: Infer = received.message
        try:
            if message.model_name not in self.models:
                raise UnknownModel(f"no model {message.model_name!r}")
            tensors = await self.models[message.model_name](received.tensors)
        except TidegateError as error:
            failed = Error(
                id=message.id,
                code=error.code,
                message=error.message,
                retryable=error.retryable,
                param=error.param,
                expected=error.expected,
            )
            await self._answer(connection, failed, received.form)
        else:
            result = Result(
                id=message.id,
                model_name=message.model_name,
                model_version=message.model_version or "1",
                final=True,
                timing=Timing(queue_us=1, compute_us=2, batch_size=1),
            )
            await self._answer(connection, result, received.form, tensors)
        finally:
            self._running.pop((connection, message.id), None)

    async def _answer(
        self, connection: ServerConnection, message: ServerMessage, form: Form, tensors: Tensors | None = None
    ) -> None:
        with suppress(ConnectionClosed):
            await connection.send(encode(message, form, tensors), text=form is Form.TEXT)


class _Talk:
    """The streams of one connection: their session, the form of the answers, and whether there is something to do."""

    def __init__(self, session: FakeSession) -> None:
        self.session = session
        self.form = Form.TEXT
        self.news = asyncio.Event()
