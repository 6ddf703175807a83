"""A gateway in this process: listening sockets, the engine behind them, and an orderly end.

Knows how the parts are put together; knows nothing of processes, signals or terminals (see ``server``).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from tidegate.models.engine import Engine

from . import static_pages
from .access import access
from .connection import GatewayConnection
from .http import HttpState, process_request
from .hub import Hub, stream_bounds
from .loop_lag import LoopLagMonitor
from .metrics import Gauges, Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.models.batch import Batch, Run

    from .settings import Settings

SUBPROTOCOL = Subprotocol("tidegate.v1")
_CLOSE_TIMEOUT_S = 2.0  # for the closing handshake of a client that still reads; others are cut off
_CLOSED_S = 0.25  # to tell of the end of streams, even if no time is left for anything else
_BACKLOG = 1024

_log = logging.getLogger("tidegate.gateway")


class Gateway:
    """Serves the models of ``settings.models`` until it is closed::

        async with Gateway(Settings(port=0)) as gateway:
            print(gateway.url)

    Args:
        settings: see ``Settings``.
        sockets: bound sockets to listen on; by default they are bound when it starts.
    """

    def __init__(self, settings: Settings, sockets: Sequence[socket.socket] | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._sockets = list(sockets) if sockets is not None else bind(settings.host, settings.port)
        self._servers: list[Server] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain("the gateway is closed", grace_s=min(self.settings.grace_s, 5.0))

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients connect."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"ws://{host}:{self.port}/v1"

    async def start(self) -> None:
        """Load the models, then listen. A start that fails leaves nothing behind.

        Raises:
            ModelUnavailable: no model could be loaded.
            OSError: a socket could not be listened on.
        """
        try:
            await self._start()
        except BaseException:
            for server in self._servers:
                server.close()
            for sock in self._sockets:
                sock.close()
            self._lag.stop()
            await self.engine.aclose(0.0)
            raise

    async def _start(self) -> None:
        settings = self.settings
        self.engine = Engine(
            settings.models,
            compute_slots=settings.compute_slots,
            queue_requests=settings.queue_requests,
            queue_bytes=settings.queue_bytes,
            model_bytes=settings.model_bytes,
            client_bytes=settings.client_bytes,
            max_requests=settings.max_requests,
            stream_bounds=stream_bounds(settings),
            observer=self,
        )
        lag = self.metrics.loop_lag
        self._lag = LoopLagMonitor(lag)
        self._lag.start()
        await self.engine.start()
        self.metrics = Metrics({worker.model.name for worker in self.engine.catalogue}, self._gauges)
        self.metrics.loop_lag = lag
        self.hub = Hub(settings, self.engine, self.metrics)
        self.engine.streams.observer = self.hub.publications
        self.http = HttpState(
            access(settings.host, self.port, settings.allow_hosts, settings.allow_origins),
            self.engine.models,
            self.metrics,
            self.hub.has_room,
            await asyncio.to_thread(static_pages.load),
        )
        for sock in self._sockets:
            self._servers.append(await self._listen(sock))
        self.hub.start()

    async def drain(self, reason: str, *, grace_s: float) -> None:
        """Announce the end, finish what was asked for within ``grace_s`` seconds, close every connection.

        Until the end ``/readyz`` and new handshakes are answered with 503, so that a load balancer looks elsewhere. A client
        that does not read is cut off; nothing here waits longer than ``grace_s`` and a few seconds.
        """
        until = time.monotonic() + grace_s
        self.http.draining = True
        self.hub.drain()
        for connection in tuple(self.hub.connections):
            connection.goaway(round(1000 * grace_s), reason)
        await _until(lambda: not self._busy(), until)
        await self.engine.aclose(max(0.0, until - time.monotonic()))
        until = max(until, time.monotonic() + _CLOSED_S)
        await _until(lambda: not self._busy() and not self.hub.outbound_bytes(), until)
        for server in self._servers:
            server.server.close()
        for connection in tuple(self.hub.connections):
            connection.close_soon(CloseCode.GOING_AWAY, reason[:120], "drain")
        await _until(lambda: not self.hub.connections, time.monotonic() + _CLOSE_TIMEOUT_S)
        for connection in (*self.hub.connections, *self.hub.half_open):
            connection.abort("drain")
        self._lag.stop()
        self.hub.stop()
        await asyncio.gather(*[_closed(server) for server in self._servers])

    def _busy(self) -> bool:
        return any(connection.busy for connection in self.hub.connections)

    async def _listen(self, sock: socket.socket) -> Server:
        return await serve(
            _until_closed,
            sock=sock,
            backlog=_BACKLOG,
            create_connection=functools.partial(GatewayConnection, self.hub),  # type: ignore[arg-type]
            process_request=process_request(self.http),
            select_subprotocol=_select_subprotocol,
            compression=None,
            server_header=None,
            open_timeout=self.settings.handshake_timeout_s,
            ping_interval=None,  # the library's keepalive waits for a peer that does not read; the hub's does not
            close_timeout=_CLOSE_TIMEOUT_S,
            max_size=self.settings.message_bytes,
            logger=logging.getLogger("tidegate.websockets"),
        )

    def ran(self, batch: Batch, run: Run) -> None:
        """Count one batch (see ``Observer``); the engine is made before the hub."""
        self.hub.ran(batch, run)

    def stopped(self, batch: Batch) -> None:
        """Count a batch that was told to stop (see ``Observer``)."""
        self.metrics.model(batch.worker.model.name).stopped += 1

    def _gauges(self) -> Gauges:
        processes = self.engine.processes()
        return replace(
            self.hub.load(),
            outbound_buffer_bytes=self.hub.outbound_bytes(),
            choked=sum(connection.choked for connection in self.hub.backlogs),
            models=Counter(model["state"] for model in self.engine.models()),
            tasks=len(asyncio.all_tasks()),
            inbound_bytes=self.hub.intake.inbound.nbytes,
            worker_processes=sum(process.ready for process in processes),
            worker_restarts=sum(process.restarts for process in processes),
            streams_parked=self.hub.residences.parked,
            stream_bytes=self.engine.streams.population.nbytes,
        )


def bind(host: str, port: int) -> list[socket.socket]:
    """Bind a socket to each address of ``host``; with port 0, the same free port for all.

    Raises:
        OSError: an address is taken or does not exist.
    """
    sockets: list[socket.socket] = []
    try:
        for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
            wanted = port or (sockets[0].getsockname()[1] if sockets else 0)
            sock = socket.socket(family, kind)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Inherited by connections: the kernel holds less for a slow reader, and takes more in smaller steps.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 128 * 1024)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], wanted, *address[2:]))
            sock.listen(_BACKLOG)  # only so does a second gateway notice that the port is taken
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


async def _until_closed(connection: ServerConnection) -> None:
    assert isinstance(connection, GatewayConnection)
    connection.open()
    await connection.wait_closed()


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Take ours if it is offered; a client that offers none, or only others, is served v1 without one."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


async def _until(condition: Callable[[], bool], deadline: float) -> None:
    # Looking is simpler than an event that each of the ways in which a request or a connection ends has to set.
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _closed(server: Server) -> None:
    server.close(close_connections=False)
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await server.wait_closed()
    except TimeoutError:
        _log.warning("connections did not end in time")
