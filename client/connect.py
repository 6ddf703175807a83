"""How a program gets a connection: ``tidegate.connect``. It knows addresses and options, and leaves the rest to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from .connection import Connection
from .options import ConnectOptions, Options
from .url import DEFAULT_URL, complete

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType


class Opening:
    """What ``connect`` returns: ``async with`` it, or await it and close the connection yourself."""

    def __init__(self, url: str, options: Options) -> None:
        self._url = url
        self._options = options
        self._connection: Connection | None = None

    def __await__(self) -> Generator[object, None, Connection]:
        return self._open().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._open()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._connection is not None
        await self._connection.close()

    async def _open(self) -> Connection:
        connection = Connection(self._url, self._options)
        await connection.open()
        return connection


def connect(url: str = DEFAULT_URL, **options: Unpack[ConnectOptions]) -> Opening:
    """Connect to a gateway::

        async with tidegate.connect("ws://127.0.0.1:8000") as gw:
            out = await gw.infer("digits", image=x)

    ``await tidegate.connect(…)`` gives a connection that has to be closed with ``close``.

    Args:
        url: where the gateway is; ``ws://host:port`` gets the path ``/v1``.
        options: see ``tidegate.client.options.Options``.

    Raises:
        ValueError: this is no address, or an option makes no sense.
        ConnectionLost: no gateway could be reached; one attempt is made, or more with the option ``connect_timeout``.
    """
    return Opening(complete(url), Options(**options))
