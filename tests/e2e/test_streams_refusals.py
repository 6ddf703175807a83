"""What a stream refuses, each with its documented error, and that it lives on with the state that it had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx_models import MARKER
from raw_client import message_frame
from solo_streams import silero, sound
from stream_client import Message, StreamClient, connected

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Cancel, Close, Open, Opened, Step

if TYPE_CHECKING:
    from server_process import ServerProcess

SR = "sr"


def step(name: str, number: int, value: float, **fields: Any) -> bytes:
    """Write a step of a model with ``x``."""
    return message_frame(Step(stream=name, step=number, **fields), {"x": np.full((1, 1), value, np.float32)})


async def silero_step(client: StreamClient, number: int, chunk: Any) -> Any:
    """Send a chunk of sound; return what comes next."""
    await client.send(Step(stream="mic", step=number), {"input": chunk})
    return await client.received()


@pytest.mark.parametrize("form", Form)
async def test_sound_that_does_not_fit(bundled_server: ServerProcess, form: Form) -> None:
    """A chunk of another length, shape or datatype is refused; the next one that fits is told as if nothing had been."""
    chunks = sound(8000, 3, 5)
    async with connected(bundled_server.port, form) as client:
        opened = await client.ask(Open(id=1, stream="mic", model_name="silero_vad"), {SR: np.array(8000)})
        assert (opened.stream, opened.next_step) == ("mic", 1)
        told = []
        for number, chunk in enumerate(chunks, 1):
            for wrong in (
                np.zeros((1, 512), np.float32),
                chunk[:, :-1],
                np.zeros((2, 256), np.float32),
                chunk.astype(np.float64),
            ):
                error = (await silero_step(client, number, wrong)).message
                assert (error.code, error.stream, error.step, error.seq) == ("invalid_input", "mic", number, None)
                assert error.param is not None
                assert error.expected
            got = await silero_step(client, number, chunk)
            assert (got.message.seq, got.message.step, got.form) == (number, number, form)
            told.append(got.tensors["output"].tobytes())
        assert told == [output for output, _ in silero(8000, chunks)]
        await client.close("mic")
        assert await client.hear() == [("closed", "mic", "closed")]


@pytest.mark.parametrize("form", Form)
async def test_streams_that_are_not_opened(bundled_server: ServerProcess, form: Form) -> None:
    """A sampling rate that the model does not know, a constant that it does not have, no such model: told by their id."""
    wrong: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
        ("invalid_input", {SR: np.array(44100)}, {}, "constants[0].data"),
        ("invalid_input", {SR: np.array(16000, np.int32)}, {}, "constants[0].datatype"),
        ("invalid_input", {SR: np.array([16000, 8000])}, {}, "constants[0].shape"),
        ("invalid_input", {SR: np.array(8000), "rate": np.array(1)}, {}, "constants[1].name"),
        ("invalid_input", {"state": np.zeros((2, 1, 128), np.float32)}, {}, "constants[0].name"),
        ("invalid_input", {}, {"outputs": [{"name": "loudness"}]}, "outputs[0].name"),
        ("invalid_input", {}, {"from_snapshot": True}, "constants"),
        ("unknown_model", {}, {"model_name": "cassandra"}, "model_name"),
        ("unknown_model", {}, {"model_version": "77"}, "model_version"),
        ("invalid_message", {}, {"overflow": "explode"}, "overflow"),
        ("invalid_message", {}, {"until": -1}, "until"),
    ]
    async with connected(bundled_server.port, form) as client:
        for number, (code, constants, fields, param) in enumerate(wrong):
            opening: Message = Open(**{"id": number, "stream": "mic", "model_name": "silero_vad", **fields})
            error = await client.ask(opening, constants)
            assert (error.id, error.code, error.seq, error.param) == (number, code, None, param)
        assert isinstance(await client.ask(Open(id=0, stream="mic", model_name="silero_vad")), Opened)
        await client.close("mic")
        assert await client.hear() == [("closed", "mic", "closed")]


async def test_steps_that_are_not_the_next_one(stream_port: int) -> None:
    """A step too early, one that is known and one of that number with other content: the stream knows them apart."""
    async with connected(stream_port) as client:
        await client.step("a", 1, 1.0)
        assert await client.hear() == [("error", "a", None, 1, "unknown_stream", None)]
        await client.open("a", "sum")
        await client.step("a", 3, 1.0)
        assert await client.hear() == [("error", "a", None, 3, "unexpected_step", 1)]
        await client.steps("a", 1, 2)
        assert await client.hear(2) == [("result", "a", 1, 1, 1.0), ("result", "a", 2, 2, 2.0)]
        await client.steps("a", 1, 2)  # the same once more: nothing is told of them
        await client.step("a", 1, 5.0)
        assert await client.hear() == [("error", "a", None, 1, "step_conflict", None)]
        await client.step("a", 2, 1.0, parameters={"other": True})
        assert await client.hear() == [("error", "a", None, 2, "step_conflict", None)]
        await client.step("a", 3, 1.0)
        assert await client.hear() == [("result", "a", 3, 3, 3.0)]


async def test_names_and_ids_that_are_taken(stream_port: int) -> None:
    """A name is taken as long as its stream, an integer and a string are two names, and a new stream begins anew."""
    async with connected(stream_port) as client:
        await client.open("7", "sum")
        await client.step("7", 1, 5.0)
        await client.hear()
        assert (await client.open("7", "double")).code == "duplicate_stream"
        assert (await client.open(7, "double")).stream == 7
        await client.raw.send(step("7", 2, 1.0) + message_frame(Close(stream="7")) + step("7", 3, 1.0))
        told = await client.hear(3)
        assert sorted(told) == [
            ("closed", "7", "closed"),
            ("error", "7", None, 3, "unknown_stream", None),
            ("result", "7", 2, 2, 6.0),
        ]
        await client.step("7", 3, 1.0)
        assert await client.hear() == [("error", "7", None, 3, "unknown_stream", None)]
        await client.close("7")  # its `closed` was just sent: ignored
        await client.close("8")
        assert await client.hear() == [("error", "8", None, None, "unknown_stream", None)]
        assert (await client.open("7", "sum")).next_step == 1
        await client.step("7", 1, 2.0)
        assert await client.hear() == [("result", "7", 1, 1, 2.0)]


async def test_a_step_on_which_the_model_fails(stream_port: int) -> None:
    """It ends with its error, those behind it are not run, and the stream goes on with the state before it."""
    async with connected(stream_port) as client:
        for name in "ab":
            await client.open(name, "sum")
        values = [1.0, MARKER, 10.0, 100.0]
        for _ in range(3):  # the other stream's steps are in the same batches
            await client.raw.send(
                b"".join(step(name, n, v if name == "a" else n) for n, v in enumerate(values, 1) for name in "ab")
            )
            told = await client.hear(8)
            assert [each for each in told if each[1] == "b"] == [("result", "b", n, n, n * (n + 1) / 2) for n in range(1, 5)]
            assert [each for each in told if each[1] == "a"] == [
                ("result", "a", 1, 1, 1.0),
                ("error", "a", 2, 2, "model_failed", 2),
                ("error", "a", 3, 3, "unexpected_step", 2),
                ("error", "a", 4, 4, "unexpected_step", 2),
            ]
            await client.step("a", 2, 7.0)
            assert await client.hear() == [("result", "a", 5, 2, 8.0)]
            for name in "ab":
                await client.close(name)
                assert await client.hear() == [("closed", name, "closed")]
                await client.open(name, "sum")


async def test_steps_that_are_given_up(stream_port: int) -> None:
    """One that is cancelled, or too late, while it waits is not run, nor are those behind it; the state is as it was."""
    async with connected(stream_port) as client:
        await client.open("a", "sum")
        cancel = message_frame(Cancel(stream="a", step=2))
        await client.raw.send(step("a", 1, 1.0) + step("a", 2, 10.0) + step("a", 3, 10.0) + cancel)
        assert await client.hear(3) == [
            ("result", "a", 1, 1, 1.0),
            ("error", "a", 2, 2, "cancelled", 2),
            ("error", "a", 3, 3, "unexpected_step", 2),
        ]
        await client.raw.send(step("a", 2, 2.0) + step("a", 3, 10.0, timeout_ms=0.001) + step("a", 4, 10.0))
        assert await client.hear(3) == [
            ("result", "a", 4, 2, 3.0),
            ("error", "a", 5, 3, "deadline_exceeded", 3),
            ("error", "a", 6, 4, "unexpected_step", 3),
        ]
        await client.step("a", 3, 3.0)
        assert await client.hear() == [("result", "a", 7, 3, 6.0)]


async def test_more_streams_than_a_connection_may_have(stream_port: int) -> None:
    """The limit in ``hello`` holds, and a stream that ends makes room."""
    async with connected(stream_port) as client:
        most = client.hello.limits.streams
        for name in range(most):
            assert isinstance(await client.open(name, "sum"), Opened)
        error = await client.open("one more", "sum")
        assert (error.code, error.retryable) == ("overloaded", True)
        await client.close(0)
        assert await client.hear() == [("closed", 0, "closed")]
        assert isinstance(await client.open("one more", "sum"), Opened)
