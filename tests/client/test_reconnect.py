"""Connections that cannot be made, are lost, refused or drained, with real sockets."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from waiting import connected, until
from websockets.asyncio.server import serve

import tidegate
from tidegate import errors
from tidegate.client.testing import FakeGateway
from tidegate.codecs.messages import Infer, Ping

if TYPE_CHECKING:
    from tidegate.results import Array

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.timeout(20)]

X = np.arange(4, dtype="<f4")


async def quick(tensors: dict[str, Array]) -> dict[str, Array]:
    return dict(tensors)


async def never(tensors: dict[str, Array]) -> dict[str, Array]:
    await asyncio.Event().wait()
    return {}


def listing(*, pure: bool) -> list[dict[str, Any]]:
    return [{"name": name, "version": "1", "pure": pure, "inputs": []} for name in ("quick", "never")]


def gateway(*, pure: bool = True, **options: Any) -> FakeGateway:
    return FakeGateway({"quick": quick, "never": never}, listing=listing(pure=pure), **options)


def infers(fake: FakeGateway) -> list[Infer]:
    return [message for message in fake.received if isinstance(message, Infer)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class TestFirst:
    async def test_nobody_there(self) -> None:
        """A wrong address fails at once, with the address in the message."""
        url = f"ws://127.0.0.1:{free_port()}"
        with pytest.raises(errors.ConnectionLost, match=f"cannot reach a gateway at {url}/v1") as caught:
            await tidegate.connect(url)
        assert not caught.value.maybe_executed

    async def test_waiting_for_a_gateway_that_starts_later(self) -> None:
        """With connect_timeout a gateway may come up after its client."""
        fake = gateway(port=free_port())

        async def start_later() -> None:
            await asyncio.sleep(0.02)
            await fake.start()

        starting = asyncio.create_task(start_later())
        async with connected(fake, connect_timeout=15.0) as gw:
            await gw.infer("quick", x=X)
        await starting
        await fake.stop()

    async def test_a_server_that_does_not_greet(self) -> None:
        """A WebSocket server that never says hello is given up after open_timeout."""
        async with gateway() as fake:
            fake.greets = False
            with pytest.raises(errors.ConnectionLost, match=r"no gateway answered .* within 0\.05 s"):
                await tidegate.connect(fake.url, open_timeout=0.05)

    async def test_a_port_that_says_nothing(self) -> None:
        """So is a port that accepts connections and says nothing at all."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
            with pytest.raises(errors.ConnectionLost, match="no gateway answered"):
                await tidegate.connect(url, open_timeout=0.05)

    async def test_a_server_that_speaks_something_else(self) -> None:
        """What answers with other than WebSocket is named as that."""

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            writer.close()

        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        async with server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(errors.ConnectionLost, match="HTTP 200: hi"):
                await tidegate.connect(url, connect_timeout=60)

    async def test_another_protocol_version(self) -> None:
        """A greeting of another protocol is final, and names both."""
        async with gateway() as fake:
            fake.hello = type(fake.hello)(
                **{**{f: getattr(fake.hello, f) for f in fake.hello.__struct_fields__}, "protocol": "x"}
            )
            with pytest.raises(errors.ConnectionLost, match=r"speaks 'x', this client 'tidegate\.v1'"):
                await tidegate.connect(fake.url, connect_timeout=60)

    async def test_garbage_instead_of_a_greeting(self) -> None:
        """A first message that is none of the protocol fails the attempt."""

        async def speak(connection: Any) -> None:
            await connection.send(b"\xc1\xc1\xc1\xc1\xc1")
            await connection.wait_closed()

        async with serve(speak, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            with pytest.raises(errors.ConnectionLost, match="not a message"):
                await tidegate.connect(url)

    async def test_giving_up_while_connecting(self) -> None:
        """Cancelling connect leaves nothing behind."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02), tidegate.connect(url):
                    pass

    async def test_a_server_that_does_not_list_its_models(self) -> None:
        """The list is a convenience: without it the connection works."""

        class Mute(FakeGateway):
            async def _handle(self, connection: Any, received: Any) -> None:
                if isinstance(received.message, Infer):
                    await super()._handle(connection, received)

        async with Mute({"quick": quick}) as fake, tidegate.connect(fake.url, open_timeout=0.05) as gw:
            await gw.submit("quick", x=X)


class TestLost:
    async def test_pure_requests_survive_a_cut(self) -> None:
        """A request to a pure model is sent again on the next connection, by itself, with less time."""
        async with gateway() as fake, connected(fake) as gw:
            task = gw.submit("never", x=X)
            await until(lambda: infers(fake))
            fake.models["never"] = quick
            fake.drop()
            np.testing.assert_array_equal((await task)["x"], X)
            first, again = infers(fake)
            assert first.id == again.id
            assert (again.timeout_ms or 0) <= (first.timeout_ms or 0)

    async def test_impure_requests_fail_truthfully(self) -> None:
        """A request to an impure model that was sent may have been executed; the next one works again."""
        async with gateway(pure=False) as fake, connected(fake) as gw:
            task = gw.submit("never", x=X)
            await until(lambda: infers(fake))
            fake.drop()
            with pytest.raises(errors.ConnectionLost, match="cut without a close frame") as caught:
                await task
            assert caught.value.maybe_executed
            await gw.infer("quick", x=X)

    async def test_a_restarted_gateway_is_found_again(self) -> None:
        """Requests that come while the gateway is away wait for it."""
        async with gateway() as fake, connected(fake) as gw:
            await fake.stop()
            await until(lambda: "open" not in repr(gw))
            task = gw.submit("quick", x=X)
            with pytest.raises(errors.DeadlineExceeded, match=r"the connection is (re)?connecting"):
                await gw.infer("quick", x=X, timeout=0.02)
            assert task.status == "queued"
            await fake.start()
            await task

    async def test_a_terminal_code_ends_it(self) -> None:
        """A code from 4500 says that this client is not wanted: everything fails, with the server's reason."""
        async with gateway() as fake, connected(fake) as gw:
            task = gw.submit("never", x=X)
            await until(lambda: infers(fake))
            await fake.close(4503, "not you")
            with pytest.raises(errors.ConnectionLost, match="4503: not you"):
                await task
            with pytest.raises(errors.ConnectionLost, match="4503: not you"):
                await gw.infer("quick", x=X)
            assert repr(gw).startswith(f"<Connection {fake.url} closed (closed by the gateway with code 4503: not you)")

    async def test_other_codes_do_not(self) -> None:
        """After 1001 or 4000 the connection is opened again."""
        async with gateway() as fake, connected(fake) as gw:
            for code in (1001, 4000):
                await fake.close(code)
                await gw.infer("quick", x=X)

    async def test_garbage_ends_the_connection_not_the_client(self) -> None:
        """Bytes that are no message cut the connection; what ran there is treated as after any cut."""
        async with gateway() as fake, connected(fake) as gw:
            task = gw.submit("never", x=X)
            await until(lambda: infers(fake))
            fake.models["never"] = quick
            (connection,) = fake.connections
            await connection.send(b"\xff" * 16)
            await task

    async def test_an_answer_that_cannot_be_read_fails_its_request_alone(self) -> None:
        """If at least the id can be read, only that request fails."""
        async with gateway() as fake, connected(fake) as gw:
            task = gw.submit("never", x=X)
            await until(lambda: infers(fake))
            (connection,) = fake.connections
            await connection.send(f'{{"op":"result","id":{task.id},"timing":7}}')
            with pytest.raises(errors.TidegateError) as caught:
                await task
            assert caught.value.code == "invalid_message"
            await gw.infer("quick", x=X)
            assert len(fake.connections) == 1

    async def test_an_answer_that_is_too_large(self) -> None:
        """An answer beyond max_answer_bytes ends the connection for good: asked again, it would still be too large."""
        async with gateway() as fake, connected(fake, max_answer_bytes=100_000) as gw:
            with pytest.raises(errors.ConnectionLost, match="closed by this client with code 1009"):
                await gw.infer("quick", x=np.zeros(200_000, "u1"))


class TestGoaway:
    async def test_running_requests_finish_and_the_next_go_elsewhere(self, caplog: pytest.LogCaptureFixture) -> None:
        """After goaway what runs is answered on the old connection, and what comes goes to a new one."""
        release = asyncio.Event()

        async def gate(tensors: dict[str, Array]) -> dict[str, Array]:
            await release.wait()
            return dict(tensors)

        async with FakeGateway({"gate": gate, "quick": quick}) as fake, connected(fake) as gw:
            running = gw.submit("gate", x=X)
            await until(lambda: infers(fake))
            (old,) = fake.connections
            await fake.goaway()
            await until(lambda: "draining (drain)" in repr(gw))
            later = gw.submit("quick", x=X)
            assert later.status == "queued"
            release.set()
            await asyncio.gather(running, later)
            await until(lambda: old not in fake.connections)
            assert old.close_code == 1000
            assert "closed by this client with code 1000" in caplog.text


class TestSilence:
    async def test_a_gateway_that_falls_silent_is_left(self) -> None:
        """Without a sign of life for two keepalives the connection is cut and made anew."""

        class Silent(FakeGateway):
            silent = False

            async def _handle(self, connection: Any, received: Any) -> None:
                if not self.silent or isinstance(received.message, Infer):
                    await super()._handle(connection, received)

        async with Silent({"never": never}, keepalive_ms=40) as fake, connected(fake) as gw:
            task = gw.submit("never", x=X)
            await until(lambda: infers(fake))
            fake.silent = True
            (old,) = fake.connections
            fake.models["never"] = quick
            await until(lambda: old not in fake.connections)
            fake.silent = False
            assert any(isinstance(message, Ping) for message in fake.received)
            await task

    async def test_a_gateway_that_answers_pings_is_kept(self) -> None:
        """An idle connection whose pings are answered lives on."""
        async with gateway(keepalive_ms=20) as fake, connected(fake) as gw:
            await until(lambda: sum(isinstance(message, Ping) for message in fake.received) >= 5)
            assert len(fake.connections) == 1
            assert "open" in repr(gw)
