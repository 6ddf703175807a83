"""Streams of a gateway that runs: over sockets, cut at bad moments, and resumed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_models
import pytest
from in_process import ended, eventually, on_uvloop, running
from onnx import TensorProto, helper
from raw_client import RawClient, message_frame, upgrade

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Close, Closed, Credit, Fork, Goaway, Open, Resume, Resumed, Snapshot, Step
from tidegate.codecs.parts import LastSeen

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.gateway.gateway import Gateway

Message = Any


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``sum``: x[N, 1], h[N, 1] → y = hN = h + x, and ``wide`` that also gives its state a thousand times."""
    folder = tmp_path_factory.mktemp("streams")
    x, h = (onnx_models.value(name, TensorProto.FLOAT, ["n", 1]) for name in ("x", "h"))
    y, state = (onnx_models.value(name, TensorProto.FLOAT, ["n", 1]) for name in ("y", "hN"))
    wide = onnx_models.value("y", TensorProto.FLOAT, ["n", 50_000])
    add, same = helper.make_node("Add", ["x", "h"], ["hN"]), helper.make_node("Identity", ["hN"], ["y"])
    many = helper.make_node("Mul", ["hN", "ones"], ["y"])
    ones = {"ones": np.ones((1, 50_000), np.float32)}
    for name, model in (
        ("sum", onnx_models.build([add, same], [x, h], [y, state])),
        ("wide", onnx_models.build([add, many], [x, h], [wide, state], ones)),
    ):
        (folder / name).mkdir()
        onnx.save(model, folder / name / "model.onnx")
        (folder / name / "model.toml").write_text("probe_ms = 60\n")
    return folder


class Client:
    """A client that sends messages and keeps what it hears, by stream."""

    def __init__(self, raw: RawClient, hello: Message) -> None:
        self.raw = raw
        self.hello = hello
        self.form = Form.MSGPACK

    @classmethod
    async def open(cls, gateway: Gateway) -> Client:
        """Connect."""
        raw = await RawClient.connect(gateway.port)
        await raw.send(upgrade(gateway.port))
        assert await raw.head() == 101
        return cls(raw, (await raw.message()).message)

    async def send(self, message: Message, tensors: Any = None) -> None:
        """Send a message."""
        await self.raw.send(message_frame(message, tensors or {}, self.form))

    async def ask(self, message: Message, tensors: Any = None) -> Message:
        """Send a message and return the next one that comes."""
        await self.send(message, tensors)
        return (await self.raw.message()).message

    async def begin(self, name: int | str, model: str = "sum", **fields: Any) -> Message:
        """Open a stream."""
        return await self.ask(Open(id=0, stream=name, model_name=model, outputs=[{"name": "y"}], **fields))

    async def step(self, name: int | str, number: int, value: float) -> None:
        """Send a step."""
        await self.send(Step(stream=name, step=number), {"x": np.full((1, 1), value, np.float32)})

    async def hear(self, count: int) -> list[tuple[Any, ...]]:
        """Return stream, seq, step and first value of the next results."""
        told = []
        for _ in range(count):
            got = await self.raw.message()
            message = got.message
            assert message.__struct_config__.tag == "result", message
            told.append((message.stream, message.seq, message.step, float(got.tensors["y"].flat[0])))
        return told


@pytest.mark.parametrize("form", Form)
def test_steps_in_order(models: Path, form: Form) -> None:
    """Steps that are sent ahead run one after the other on the state that each leaves, beside another stream's."""

    @on_uvloop
    async def test() -> None:
        async with running(models=models) as gateway:
            client = await Client.open(gateway)
            client.form = form
            assert client.hello.limits.streams == gateway.settings.streams_per_connection
            assert "resume" in client.hello.features
            opened = await client.begin(0)
            assert (opened.stream, opened.next_step, opened.steps) == (0, 1, gateway.hub.stream_bounds.steps)
            await client.begin("0")
            for number in range(1, 9):
                await client.step(0, number, 1.0)
                await client.step("0", number, 2.0)
            told = await client.hear(16)
            for name, value in ((0, 1.0), ("0", 2.0)):
                assert [each for each in told if each[0] == name] == [(name, n, n, value * n) for n in range(1, 9)]
            closed = await client.ask(Close(stream=0))
            assert closed == Closed(stream=0, reason="closed")
            await client.raw.hang_up()

    test()


@on_uvloop
async def test_a_cut_at_a_bad_moment(models: Path) -> None:
    """A client whose socket dies with steps under way goes on elsewhere: every result once, in order, on one state."""
    async with running(models=models) as gateway:
        client = await Client.open(gateway)
        await client.begin("a")
        for number in range(1, 6):
            await client.step("a", number, 1.0)
        told = await client.hear(2)
        await client.raw.hang_up()
        await ended(gateway, "lost")
        other = await Client.open(gateway)
        resumed = await other.ask(Resume(token=client.hello.resume_token, streams=[LastSeen(stream="a", last_seq=2)]))
        assert isinstance(resumed, Resumed)
        (state,) = resumed.streams
        assert state.replay_from == 3
        for number in range(state.next_step, 9):
            await other.step("a", number, 1.0)
        told += await other.hear(6)
        assert told == [("a", n, n, float(n)) for n in range(1, 9)]
        await other.step("a", 8, 1.0)  # once more: a repetition
        await other.step("a", 9, 1.0)
        assert await other.hear(1) == [("a", 9, 9, 9.0)]
        numbers = gateway.metrics.model("sum").streams
        assert (numbers.open, numbers.steps.values["ok"]) == (1, 9)
        await other.raw.hang_up()


@on_uvloop
async def test_a_takeover(models: Path) -> None:
    """A connection whose session another one resumes is closed with 4501 and hears nothing more."""
    async with running(models=models) as gateway:
        client, other = await Client.open(gateway), await Client.open(gateway)
        await client.begin("a")
        await other.ask(Resume(token=client.hello.resume_token, streams=[LastSeen(stream="a", last_seq=0)]))
        frame = await client.raw.frame()
        assert frame is not None
        assert frame.close_code == 4501
        await client.raw.hang_up()
        await ended(gateway, "superseded")
        await other.step("a", 1, 5.0)
        assert await other.hear(1) == [("a", 1, 1, 5.0)]
        await other.raw.hang_up()


@on_uvloop
async def test_copies_of_a_stream(models: Path) -> None:
    """A snapshot and a fork begin where the stream was after the steps before them, and go their own ways."""
    async with running(models=models) as gateway:
        client = await Client.open(gateway)
        await client.begin("a")
        await client.step("a", 1, 3.0)
        await client.send(Snapshot(id=7, stream="a"))
        await client.send(Fork(id=8, stream="a", to="b"))
        got = [await client.raw.message() for _ in range(3)]
        (taken,) = (each for each in got if "snapshot" in each.tensors)
        (forked,) = (each.message for each in got if getattr(each.message, "id", None) == 8)
        assert (taken.message.id, taken.message.step, forked.stream) == (7, 1, "b")
        await client.send(Open(id=9, stream="c", model_name="sum", from_snapshot=True), dict(taken.tensors))
        assert (await client.raw.message()).message.stream == "c"
        for name, value in (("a", 1.0), ("b", 10.0), ("c", 100.0)):
            await client.step(name, 2 if name == "a" else 1, value)
        assert {told[0]: told[3] for told in await client.hear(3)} == {"a": 4.0, "b": 13.0, "c": 103.0}
        await client.raw.hang_up()


@on_uvloop
async def test_streams_that_nobody_comes_back_for(models: Path) -> None:
    """Streams of clients that went away are dropped after the window, and their memory is given back."""
    async with running(models=models, resume_window_s=0.2, stall_timeout_s=0.4) as gateway:
        for _ in range(5):
            client = await Client.open(gateway)
            for name in range(20):
                await client.begin(name)
            await client.raw.hang_up()
        streams = gateway.metrics.model("sum").streams
        await eventually(lambda: streams.closed.values["expired"] == 100)
        assert streams.open == 0
        assert gateway.engine.streams.population.nbytes == 0
        assert (gateway.hub.residences.parked, len(gateway.hub.residences)) == (0, 0)


@on_uvloop
async def test_a_client_that_reads_slowly(models: Path) -> None:
    """Results that a client does not read stay with their streams, which stop; when it reads, all of them come in order."""
    async with running(models=models) as gateway:
        client = await Client.open(gateway)
        await client.begin("a", "wide")
        for number in range(1, 65):
            await client.step("a", number, 1.0)
        (connection,) = gateway.hub.connections
        await eventually(lambda: gateway.metrics.model("wide").streams.steps.values["ok"] >= 8)
        assert not connection.choked
        told = await client.hear(64)
        assert told == [("a", n, n, float(n)) for n in range(1, 65)]
        await client.raw.hang_up()


@on_uvloop
async def test_the_end_of_a_gateway(models: Path) -> None:
    """Steps that wait are finished, then each stream is told that it ends; what waits for credit is told as a gap."""
    async with running(models=models) as gateway:
        client = await Client.open(gateway)
        await client.begin("a")
        await client.begin("b", until=0)
        for number in range(1, 4):
            await client.step("a", number, 1.0)
            await client.step("b", number, 1.0)
        await eventually(lambda: gateway.metrics.model("sum").streams.steps.values["ok"] == 6)
        assert [told[0] for told in await client.hear(3)] == ["a"] * 3
        await client.send(Credit(stream="b", until=1))
        assert await client.hear(1) == [("b", 1, 1, 1.0)]
        hearing = asyncio.ensure_future(client.raw.until_closed())
    said, code = await hearing
    assert isinstance(said[0].message, Goaway)
    told = [(each.message.__struct_config__.tag, each.message.stream) for each in said[1:]]
    assert sorted(told) == [("closed", "a"), ("closed", "b"), ("gap", "b")]
    assert {each.message.reason for each in said if isinstance(each.message, Closed)} == {"shutting_down"}
    assert code == 1001
