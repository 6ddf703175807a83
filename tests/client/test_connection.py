"""The face of the client, against a gateway whose models are functions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from waiting import until

import tidegate
from tidegate import errors
from tidegate.client.testing import FakeGateway
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Cancel, Infer, Models, Ping

if TYPE_CHECKING:
    from tidegate.client.connection import Connection
    from tidegate.results import Array

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.timeout(20)]

X = np.arange(4, dtype="<f4")


async def double(tensors: dict[str, Array]) -> dict[str, Array]:
    return {"y": tensors["x"] * 2}


async def echo(tensors: dict[str, Array]) -> dict[str, Array]:
    return tensors


async def never(tensors: dict[str, Array]) -> dict[str, Array]:
    await asyncio.Event().wait()
    return {}


MODELS = {"double": double, "echo": echo, "never": never}


def infers(gateway: FakeGateway) -> list[Infer]:
    return [message for message in gateway.received if isinstance(message, Infer)]


async def test_infer() -> None:
    """One call gives the outputs by name, with timing; the arrays are the caller's to change."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        out = await gw.infer("double", x=X)
        np.testing.assert_array_equal(out["y"], X * 2)
        out["y"][0] = 7
        assert (list(out), out.model, out.version, out.timing.batch_size) == (["y"], "double", "1", 1)


@pytest.mark.parametrize("form", ["msgpack", "json", "text"])
async def test_every_form_and_datatype(form: Any) -> None:
    """What is sent comes back equal, in each form in which messages are written; strings come back as bytes."""
    tensors: dict[str, Any] = {code: np.ones((2, 3), code) for code in ("?", "i1", "<i8", "u1", "<u8", "<f2", "<f4", "<f8")}
    tensors |= {"scalar": np.array(3, "<i4"), "empty": np.zeros((0, 2), "<f4"), "timeout": np.zeros(1, "<f4")}
    tensors["word"] = np.array(b"w\x00", object)
    tensors["text"] = np.array([b"a\x00", "ü".encode(), b""], object)
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url, form=form) as gw:
        out = await gw.infer("echo", tensors)
    assert list(out) == list(tensors)
    for name, sent in tensors.items():
        np.testing.assert_array_equal(out[name], sent)
        assert out[name].dtype == sent.dtype
    assert {type(element) for element in out["text"]} == {bytes}


async def test_all_arguments_travel() -> None:
    """Version, outputs, priority and time limit are in the message; what is not given is not."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url, timeout=50.0) as gw:
        await gw.infer("echo", {"a b": X}, version="3", outputs=["p", "q"], timeout=20, priority=-2, c=X)
        await gw.infer("echo", outputs="p", x=X)
    full, plain = infers(gateway)
    assert [header.name for header in full.inputs] == ["a b", "c"]
    assert (full.model_version, [output.name for output in full.outputs], full.priority) == ("3", ["p", "q"], -2)
    assert full.timeout_ms is not None
    assert 19_000 < full.timeout_ms <= 20_000
    assert (plain.model_version, [output.name for output in plain.outputs], plain.priority) == (None, ["p"], 0)
    assert plain.timeout_ms is not None
    assert 49_000 < plain.timeout_ms <= 50_000


async def test_gather_answers_out_of_order() -> None:
    """Requests run together on one connection, and each gets its own answer in whatever order they come."""
    gates = [asyncio.Event() for _ in range(4)]
    order: list[int] = []

    async def gated(tensors: dict[str, Array]) -> dict[str, Array]:
        number = int(tensors["n"])
        await gates[number].wait()
        order.append(number)
        if number:
            gates[number - 1].set()
        return {"n": tensors["n"]}

    async with FakeGateway({"gated": gated}) as gateway, tidegate.connect(gateway.url) as gw:
        gates[3].set()
        results = await asyncio.gather(*[gw.infer("gated", n=np.array(number, "<i4")) for number in range(4)])
    assert order == [3, 2, 1, 0]
    assert [int(result["n"]) for result in results] == [0, 1, 2, 3]


async def test_errors_are_typed() -> None:
    """The server's error is raised as the class that an Engine would raise."""

    async def picky(tensors: dict[str, Array]) -> dict[str, Array]:
        raise errors.InvalidInput("no good", param="inputs[0].shape", expected="[1]")

    async with FakeGateway({"picky": picky}) as gateway, tidegate.connect(gateway.url) as gw:
        with pytest.raises(errors.InvalidInput, match="no good") as caught:
            await gw.infer("picky", x=X)
        assert (caught.value.param, caught.value.expected) == ("inputs[0].shape", "[1]")
        with pytest.raises(errors.UnknownModel):
            await gw.infer("nothing", x=X)


async def test_a_time_limit_is_kept_although_the_server_is_silent() -> None:
    """A request ends by its time limit and a little grace, and is cancelled at the server."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        with pytest.raises(errors.DeadlineExceeded, match=r"within 0\.05 s: the gateway did not answer"):
            await gw.infer("never", x=X, timeout=0.05)
        await until(lambda: isinstance(gateway.received[-1], Cancel))


async def test_cancelling_the_awaiting_task_cancels_the_request() -> None:
    """The server is told, and the place in the window is free again."""
    async with FakeGateway(MODELS, in_flight=1) as gateway, tidegate.connect(gateway.url) as gw:
        task = asyncio.create_task(gw.infer("never", x=X))
        await until(lambda: infers(gateway))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gw.infer("double", x=X)
        assert isinstance(gateway.received[2], Cancel)


async def test_asyncio_timeout_cancels_as_well() -> None:
    """The caller's own time limit raises TimeoutError, and the server is told."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await gw.infer("never", x=X)
        await until(lambda: isinstance(gateway.received[-1], Cancel))


async def test_lists_and_numbers_take_the_datatype_of_the_model() -> None:
    """The signature is known from the list of models that is fetched once, so no request waits for it."""
    listing = [{"name": "echo", "version": "1", "pure": True, "inputs": [{"name": "x", "datatype": "FP32"}]}]
    async with FakeGateway(MODELS, listing=listing) as gateway, tidegate.connect(gateway.url) as gw:
        assert (await gw.infer("echo", x=[1, 2.5]))["x"].dtype == np.float32
        assert (await gw.infer("echo", x=np.zeros((1, 8, 8))))["x"].dtype == np.float32
        assert (await gw.submit("echo", x=3))["x"].dtype == np.float32
        assert sum(isinstance(message, Models) for message in gateway.received) == 1


async def test_a_new_model_is_looked_for() -> None:
    """A model that came later is looked up before its first request, once for all that ask."""
    async with FakeGateway(MODELS, listing=[]) as gateway, tidegate.connect(gateway.url) as gw:
        gateway.listing = [{"name": "echo", "version": "1", "inputs": [{"name": "x", "datatype": "FP16"}]}]
        outs = await asyncio.gather(*[gw.infer("echo", x=[1.0]) for _ in range(5)])
        assert {out["x"].dtype for out in outs} == {np.dtype("<f2")}
        await asyncio.gather(*[gw.infer("echo", x=[1.0], version="9") for _ in range(5)])
        assert sum(isinstance(message, Models) for message in gateway.received) == 2


async def test_models_and_ping() -> None:
    """models() gives the server's list as it is; ping() gives seconds."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        assert await gw.models() == gateway.listing
        assert 0 < await gw.ping() < 5
        await gateway.send(Ping(id="you?"))
        await until(lambda: gateway.received[-1].id == "you?")


async def test_large_answers_in_pieces() -> None:
    """An answer of several megabytes arrives whole; so does one that a proxy has cut into fragments."""
    big = np.arange(1_000_000, dtype="<f4")
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        np.testing.assert_array_equal((await gw.infer("echo", x=big))["x"], big)
        (connection,) = gateway.connections
        await connection.send(['{"op":"error","id":99,"code":"internal",', '"message":"","retryable":false}'])
        assert await gw.ping() > 0


async def test_what_this_version_does_not_know_is_ignored() -> None:
    """An unknown message of the server changes nothing."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        (connection,) = gateway.connections
        await connection.send('{"op":"weather","sun":true}')
        await gw.infer("double", x=X)


async def test_repr_tells_state_and_counts() -> None:
    """The repr shows where the connection is and how much is on its way."""
    async with FakeGateway(MODELS, in_flight=1) as gateway:
        async with tidegate.connect(gateway.url) as gw:
            assert repr(gw) == f"<Connection {gateway.url} open: 0 in flight, 0 waiting, 0 bytes held>"
            first, second = gw.submit("never", x=X), gw.submit("never", x=X)
            assert "1 in flight, 1 waiting" in repr(gw)
            assert repr(first) == f"<InferenceTask {first.id} never sent>"
            assert repr(second) == f"<InferenceTask {second.id} never queued>"
        assert "closed (closed by this program): 0 in flight, 0 waiting, 0 bytes held" in repr(gw)
        assert repr(first) == f"<InferenceTask {first.id} never failed: connection_lost>"


async def test_leaving_the_block_ends_what_is_unfinished() -> None:
    """Close gives every task its error, whether it was sent or not, and nothing can be started afterwards."""
    async with FakeGateway(MODELS, in_flight=2) as gateway:
        async with tidegate.connect(gateway.url) as gw:
            tasks = [gw.submit("never", x=X) for _ in range(5)]
            await until(lambda: len(infers(gateway)) == 2)
        lost = [task.exception() for task in tasks]
        assert [error.maybe_executed for error in lost if isinstance(error, errors.ConnectionLost)] == [True] * 2 + [False] * 3
        with pytest.raises(errors.ConnectionLost, match="closed by this program"):
            await gw.infer("double", x=X)
        await gw.close()


async def test_awaiting_connect_instead_of_the_block() -> None:
    """A connection that was awaited works until it is closed."""
    async with FakeGateway(MODELS) as gateway:
        gw: Connection = await tidegate.connect(gateway.url)
        await gw.infer("double", x=X)
        await gw.close()


async def test_mistakes_of_the_caller_are_raised_at_once() -> None:
    """Neither a wrong time limit nor a wrong tensor reaches the server."""
    async with FakeGateway(MODELS) as gateway, tidegate.connect(gateway.url) as gw:
        with pytest.raises(ValueError, match="timeout"):
            await gw.infer("double", x=X, timeout=-1)
        with pytest.raises(errors.InvalidInput, match="input 'x'"):
            gw.submit("double", x=np.zeros(2, "c8"))
        with pytest.raises(TypeError, match="passed twice"):
            gw.submit("double", {"x": X}, x=X)
        assert not infers(gateway)


async def test_the_forms_are_what_they_say() -> None:
    """The option form decides how requests are written."""
    async with FakeGateway(MODELS) as gateway:
        for form in Form:
            async with tidegate.connect(gateway.url, form=form.value) as gw:
                await gw.infer("double", x=X)
    assert len(infers(gateway)) == 3
