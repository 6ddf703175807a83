"""What the gateway's port answers over plain HTTP, on a real socket, and to whom."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from http_get import get, numbers, until
from raw_client import ANSWER_S, RawClient, frame, message_frame, upgrade
from solo import digits

from tidegate.codecs.messages import Cancel, Infer

if TYPE_CHECKING:
    from server_process import ServerProcess


@pytest.mark.parametrize(
    ("path", "status", "phrase"),
    [
        ("/healthz", 200, b"ok"),
        ("/readyz", 200, b'"ready":true'),
        ("/models", 200, b'"digits"'),
        ("/metrics", 200, b"tidegate_loop_lag_seconds_bucket"),
        ("/", 200, b"/v1"),
        ("/healthz?x=1", 200, b"ok"),
        ("/v1", 426, b"WebSocket"),
        ("/../etc/passwd", 404, b""),
    ],
)
async def test_paths(path: str, status: int, phrase: bytes, bundled_server: ServerProcess) -> None:
    """Each path answers with its status, says how long it is, and the connection is closed."""
    reply = await get(bundled_server.port, path)
    assert reply.status == status
    assert phrase in reply.body
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
async def test_methods(method: str, bundled_server: ServerProcess) -> None:
    """Only GET and HEAD are answered."""
    assert (await get(bundled_server.port, "/models", method=method)).status == 405


async def test_head(bundled_server: ServerProcess) -> None:
    """HEAD is told the length and is sent nothing."""
    reply = await get(bundled_server.port, "/healthz", method="HEAD")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "3", b"")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "[::2]", "a@127.0.0.1", ""])
async def test_a_foreign_host_gets_nothing(host: str, bundled_server: ServerProcess) -> None:
    """A Host that is not ours is refused on every path, since a name could be pointed here by anybody."""
    for path in ("/healthz", "/metrics", "/v1"):
        assert (await get(bundled_server.port, path, host=host or " ")).status in (400, 403)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:{other}", 403),
        ("http://127.0.0.1:{port}", 101),
        ("http://localhost:{port}", 403),
    ],
)
async def test_a_page_may_connect_only_from_here(origin: str, status: int, bundled_server: ServerProcess) -> None:
    """The handshake of a web page is accepted from the same origin and from no other."""
    port = bundled_server.port
    async with await RawClient.connect(port) as client:
        await client.send(upgrade(port, Origin=origin.format(port=port, other=port - 1)))
        assert await client.head() == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1 HTTP/1.0", 505),
        (b"POST /v1 HTTP/1.1", 405),
        (b"GET /elsewhere HTTP/1.1", 404),
        (b"GET " + b"x" * 10_000 + b" HTTP/1.1", 414),
        (b"GET /v1 HTTP/1.1\r\n" + b"X: y\r\n" * 200, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", None),  # the first bytes of TLS
        (b"PRI * HTTP/2.0", None),
        (b"GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked", None),
        (b"GET\r\n", None),
        (b"\n" * 9000, None),
    ],
)
async def test_odd_requests(head: bytes, status: int | None, bundled_server: ServerProcess) -> None:
    """What is no handshake, or one of another time, gets its status or the end of the connection; nothing is left open."""
    async with await RawClient.connect(bundled_server.port) as client:
        good = upgrade(bundled_server.port).split(b"\r\n", 1)[1]
        await client.send(head + b"\r\n" + good)
        if status is None:
            client.writer.write_eof()
        async with asyncio.timeout(ANSWER_S):
            try:
                data = await client.reader.read(-1)
            except ConnectionError:
                data = b""
        assert (int(data.split()[1]) if data else None) == status


async def test_metrics_agree_with_what_was_done(bundled_server: ServerProcess) -> None:
    """The numbers tell what happened in between: results, errors, rows, batches, cancels, connections, messages by form."""
    port = bundled_server.port
    images = digits()[0]
    before = await numbers(port)
    async with await RawClient.open(port) as client:
        for number in range(10):
            await client.send(message_frame(Infer(id=number, model_name="digits"), {"image": images[: number + 1]}))
            await client.message()
        await client.send(message_frame(Infer(id=1, model_name="nobody"), {"image": images[:1]}))
        await client.send(message_frame(Infer(id=1, model_name="digits"), {"image": images[:1, :4]}))
        await client.send(message_frame(Cancel(id=77)) + frame(b'{"op":"ping","id":1}', 1))
        for _ in range(3):
            await client.message()
        during = await numbers(port)
        assert during("connections") == 1
    after = await until(port, lambda found: not found("connections"))

    def grown(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert grown("requests_total", model="digits", outcome="ok") == 10
    assert grown("requests_total", model="digits", outcome="invalid_input") == 1
    assert grown("requests_total", model="other", outcome="unknown_model") == 1
    assert grown("rows_total", model="digits") == 55
    assert grown("batch_rows_sum", model="digits") == 55
    assert grown("batch_rows_count", model="digits") == grown("run_seconds_count", model="digits") == 10
    assert grown("request_queue_seconds_count", model="digits") == 10
    assert 0 < grown("run_seconds_sum", model="digits") <= grown("slot_busy_seconds_total")
    assert grown("cancelled_total", model="other", outcome="too_late") == 1
    assert (grown("messages_received_total", form="msgpack"), grown("messages_received_total", form="text")) == (13, 1)
    assert grown("connections_opened_total") == 1
    assert sum(grown("connections_closed_total", reason=reason) for reason in ("client", "lost")) == 1
    assert (after("queue_requests", model="digits"), after("queue_bytes")) == (0, 0)


async def test_loop_lag_is_exported(bundled_server: ServerProcess) -> None:
    """The event loop's lag is measured all the time; how small it is, is told by a benchmark, not by a test."""
    found = await numbers(bundled_server.port)
    assert found("loop_lag_seconds_count") > 0
    assert 0 < found("loop_lag_p99_seconds") <= found("loop_lag_max_seconds")
