"""Plain HTTP requests to a gateway's port, and what its ``/metrics`` say."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from raw_client import ANSWER_S

if TYPE_CHECKING:
    from collections.abc import Callable


class Reply(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)


async def get(port: int, path: str, *, method: str = "GET", host: str | None = None, **headers: str) -> Reply:
    """Ask once, and read until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(ANSWER_S):
        data = await reader.read(-1)
    writer.close()
    head, _, body = data.partition(b"\r\n\r\n")
    status, *rest = head.decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in rest]
    return Reply(int(status.split()[1]), {name.lower(): value for name, value in pairs}, body)


class Numbers:
    """One reading of ``/metrics``; looked up by name and labels."""

    def __init__(self, text: str) -> None:
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """Give one number; fail when it is not there."""
        return self._values[f"tidegate_{name}", frozenset(labels.items())]


async def until(port: int, condition: Callable[[Numbers], object]) -> Numbers:
    """Read ``/metrics`` again and again until they are as wanted, for a limited time; return them."""
    async with asyncio.timeout(ANSWER_S):
        while not condition(found := await numbers(port)):  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)
    return found


async def numbers(port: int) -> Numbers:
    """Read ``/metrics``."""
    reply = await get(port, "/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain")
    return Numbers(reply.body.decode())
