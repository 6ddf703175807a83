"""A cable to a gateway on this machine that can be pulled out: bytes go through it both ways until it is cut.

It knows addresses and sockets, and nothing of what the bytes mean.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from tidegate.client.url import complete, is_loopback

_PIECE_BYTES = 64 * 1024


class Cable:
    """Listens on a port of its own and joins whoever comes to the gateway; ``async with Cable(url) as cable``.

    Attributes:
        url: where to connect instead.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(complete(url))
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server
        self.url = ""

    @staticmethod
    def fits(url: str) -> bool:
        """Tell whether a gateway can be reached so: one on this machine, without TLS; others would refuse the address."""
        return is_loopback(url) and urlsplit(url).scheme == "ws"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = urlunsplit(self._parts._replace(netloc=f"127.0.0.1:{port}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break all connections, as a network does that fails: nobody says goodbye. New ones may follow at once."""
        for end in self._ends:
            end.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            self._ends.add(writer)
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port or 80)
                ends.add(far_writer)
                self._ends.add(far_writer)
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_PIECE_BYTES):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()
