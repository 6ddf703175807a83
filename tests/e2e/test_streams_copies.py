"""State that is carried elsewhere: snapshots and forks, over sockets and between gateways, and those that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from raw_client import message_frame
from solo_streams import silero, sound
from stream_client import StreamClient, connected

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Fork, Open, Opened, Result, Snapshot, Step
from tidegate.codecs.parts import RequestedOutput

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import Serve, ServerProcess

    from tidegate.codecs.reader import Received

OUTPUTS = [RequestedOutput(name="output"), RequestedOutput(name="stateN")]


async def snapshot_after(client: StreamClient, *values: float) -> Any:
    """Return a snapshot of a new stream of ``sum`` that has gone these steps."""
    await client.open("origin", "sum")
    for number, value in enumerate(values, 1):
        await client.step("origin", number, value)
        await client.hear()
    await client.send(Snapshot(id=1, stream="origin"))
    taken = await client.received()
    assert (taken.message.id, taken.message.stream, taken.message.step) == (1, "origin", len(values))
    assert (taken.form, [*taken.tensors]) == (client.form, ["snapshot"])
    await client.close("origin")
    await client.hear()
    return taken.tensors["snapshot"]


async def hear(client: StreamClient, count: int) -> tuple[dict[str, list[tuple[bytes, ...]]], dict[int, Received]]:
    """Hear so many messages: the bits of results by stream, and answers by id. Answers do not wait for results to be sent."""
    told: dict[str, list[tuple[bytes, ...]]] = {}
    answers: dict[int, Received] = {}
    for _ in range(count):
        received = await client.received()
        if isinstance(received.message, Result):
            told.setdefault(str(received.message.stream), []).append(tuple(a.tobytes() for a in received.tensors.values()))
        else:
            answers[received.message.id] = received
    return told, answers


@pytest.mark.parametrize("form", Form)
async def test_sound_goes_on_elsewhere(bundled_server: ServerProcess, form: Form) -> None:
    """A snapshot and a fork in the midst of a recording hear the rest of it bit for bit as its own stream does."""
    chunks = sound(16000, 12, 7)
    expected = silero(16000, chunks)
    steps = [message_frame(Step(stream="mic", step=n), {"input": chunk}, form) for n, chunk in enumerate(chunks, 1)]
    wishes = [message_frame(wish, form=form) for wish in (Fork(id=1, stream="mic", to="fork"), Snapshot(id=2, stream="mic"))]
    async with connected(bundled_server.port, form) as client:
        await client.ask(Open(id=0, stream="mic", model_name="silero_vad", outputs=OUTPUTS))
        # All at once: both are taken behind the first five steps, of which hardly one has been run yet.
        await client.raw.send(b"".join([*steps[:5], *wishes, *steps[5:]]))
        told, answers = await hear(client, len(chunks) + 2)
        fork, taken = answers[1].message, answers[2].message
        assert (fork.stream, fork.next_step, taken.stream, taken.step) == ("fork", 1, "mic", 5)
        opening = Open(id=3, stream="snapshot", model_name="silero_vad", outputs=OUTPUTS, from_snapshot=True)
        assert isinstance(await client.ask(opening, answers[2].tensors), Opened)
        for number, chunk in enumerate(chunks[5:], 1):
            for name in ("fork", "snapshot"):
                await client.send(Step(stream=name, step=number), {"input": chunk})
        more, _ = await hear(client, 14)
        for name in (*told, *more):
            await client.close(name)
            assert await client.hear() == [("closed", name, "closed")]
    assert told | more == {"mic": expected, "fork": expected[5:], "snapshot": expected[5:]}


async def test_a_snapshot_goes_on_in_another_gateway(serve: Serve, stream_models: Path, stream_port: int) -> None:
    """It is bound to the content of a model, not to a process: another gateway with the same file goes on with it."""
    other = serve(stream_models)
    async with connected(stream_port) as here, connected(other.port) as there:
        taken = await snapshot_after(here, 1.0, 2.0, 3.0)
        await there.open("a", "sum", {"snapshot": taken}, from_snapshot=True)
        await there.step("a", 1, 10.0)
        assert await there.hear() == [("result", "a", 1, 1, 16.0)]


@pytest.mark.parametrize("form", Form)
async def test_snapshots_that_are_refused(stream_port: int, form: Form) -> None:
    """One of another model, a damaged one, something else beside it, no bytes at all: ``invalid_input``, nothing opened."""
    async with connected(stream_port, form) as client:
        taken = await snapshot_after(client, 4.0)
        halves, longer = taken[: len(taken) // 2], np.concatenate([taken, taken])
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("double", {"snapshot": taken}),
            ("sum", {"snapshot": halves}),
            ("sum", {"snapshot": longer}),
            ("sum", {"snapshot": np.zeros(100, np.uint8)}),
            ("sum", {"snapshot": np.zeros(0, np.uint8)}),
            ("sum", {"snapshot": taken[None]}),
            ("sum", {"snapshot": taken.view(np.int8)}),
            ("sum", {"snapshot": taken, "x": np.zeros(1, np.float32)}),
            ("sum", {"state": taken}),
            ("sum", {}),
        ]
        for model, constants in wrong:
            error = await client.open("a", model, constants, from_snapshot=True)
            assert (error.id, error.code) == (0, "invalid_input")
        error = await client.open("a", "double", {"snapshot": taken}, from_snapshot=True)
        assert "another model, 'sum'" in error.message
        assert (await client.open("a", "brief", {"snapshot": taken}, from_snapshot=True)).next_step == 1  # the same file
        await client.step("a", 1, 1.0)
        assert await client.hear() == [("result", "a", 1, 1, 5.0)]


async def test_copies_that_are_refused(stream_port: int) -> None:
    """Of a stream that is not there, to a name that is taken, with an id that is live: each its error; the stream goes on."""
    async with connected(stream_port) as client:
        assert (await client.ask(Snapshot(id=1, stream="a"))).code == "unknown_stream"
        assert (await client.ask(Fork(id=1, stream="a", to="b"))).code == "unknown_stream"
        await client.open("a", "sum")
        error = await client.ask(Fork(id=1, stream="a", to="a"))
        assert (error.code, error.id) == ("duplicate_stream", 1)
        await client.raw.send(
            message_frame(Step(stream="a", step=1), {"x": np.ones((1, 1), np.float32)})
            + message_frame(Snapshot(id=1, stream="a"))
            + message_frame(Snapshot(id=1, stream="a"))
        )
        told = [(await client.received()).message for _ in range(3)]
        (error,) = [each for each in told if each.__struct_config__.tag == "error"]
        assert (error.code, error.id, error.duplicate_of) == ("duplicate_id", None, 1)
        await client.step("a", 2, 1.0)
        assert await client.hear() == [("result", "a", 2, 2, 2.0)]
