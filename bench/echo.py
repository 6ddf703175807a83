"""The limit of moving messages: two bare echo servers on uvloop; they know nothing of tensors.

``asyncio`` is what a `websockets` user writes, ``sansio`` the least that the library's protocol core can cost.
``python -m bench.echo asyncio`` prints its address and serves until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from typing import cast

import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

HOST = "127.0.0.1"


class SansIOEcho(asyncio.Protocol):
    """Echoes binary messages with nothing between the socket and the library's protocol core."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with the opening handshake."""
        self.transport = cast("asyncio.WriteTransport", transport)
        self.protocol = ServerProtocol()

    def data_received(self, data: bytes) -> None:
        """Answer everything that has come in one write."""
        protocol = self.protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                protocol.send_binary(event.data)
        self.transport.write(b"".join(protocol.data_to_send()))


async def _echo(websocket: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in websocket:
            await websocket.send(message)


async def until_told() -> None:
    """Wait for SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


async def serve_asyncio() -> None:
    """Serve the ordinary echo, without compression."""
    async with serve(_echo, HOST, 0, compression=None) as server:
        print(f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/", flush=True)
        await until_told()


async def serve_sansio() -> None:
    """Serve the leanest echo."""
    server = await asyncio.get_running_loop().create_server(SansIOEcho, HOST, 0)
    print(f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/", flush=True)
    await until_told()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("asyncio", "sansio"))
    uvloop.run({"asyncio": serve_asyncio, "sansio": serve_sansio}[parser.parse_args().kind]())
