"""The engine and the SDK take the same call for the same thing, and refuse the same mistakes in the same words."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tidegate
from tidegate.client.connection import Connection
from tidegate.client.stream import Stream
from tidegate.client.testing import FakeGateway
from tidegate.errors import Cancelled
from tidegate.models.streams.local import LocalStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tidegate.models.task import InferenceTask

X = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture
async def engine(quick_models: Path) -> AsyncIterator[tidegate.Engine]:
    async with tidegate.Engine(quick_models, compute_slots=1) as engine:
        yield engine


@pytest.mark.parametrize(
    ("inputs", "options", "error"),
    [
        ({"x": X}, {"x": X}, TypeError),
        (X, {}, TypeError),
        ({"x": X}, {"timeout": -1}, ValueError),
        ({"x": X}, {"timeout": 0}, ValueError),
        ({"x": X}, {"timeout": float("nan")}, ValueError),
    ],
)
async def test_the_same_mistakes(engine: tidegate.Engine, inputs: Any, options: dict[str, Any], error: type[Exception]) -> None:
    """A call that one of them refuses is refused by the other, with the same class and the same words."""
    async with FakeGateway() as fake, tidegate.connect(fake.url) as gw:
        said = []
        for face in (engine, gw):
            with pytest.raises(error) as caught:
                face.submit("mlp", inputs, **options)
            said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize(("outputs", "wanted"), [("number", ["number"]), (["number"], ["number"]), ([], ["same", "number"])])
async def test_outputs_may_be_one_name(engine: tidegate.Engine, outputs: Any, wanted: list[str]) -> None:
    """A string is the name of one output, and none at all means all, as on the wire."""
    result = await engine.infer("text", text=["tide"], outputs=outputs)
    assert set(result) == set(wanted)


async def test_a_task_can_be_asked(engine: tidegate.Engine) -> None:
    """An engine's task gives its result or error without being awaited, once it has ended, and calls whoever asked it to."""
    ended: asyncio.Queue[InferenceTask] = asyncio.Queue()
    good, bad = engine.submit("mlp", x=X), engine.submit("mlp", x=X)
    for task in (good, bad):
        task.add_done_callback(ended.put_nowait)
        for ask in (task.result, task.exception):
            with pytest.raises(asyncio.InvalidStateError):
                ask()
    await bad.cancel()
    assert {await ended.get(), await ended.get()} == {good, bad}
    assert good.result() is await good
    assert good.exception() is None
    assert isinstance(bad.exception(), Cancelled)
    with pytest.raises(Cancelled):
        bad.result()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": 0}, ValueError),
        ({"window": 0}, ValueError),
        ({"snapshot": b"", "sr": 1}, TypeError),
    ],
)
async def test_the_same_mistakes_with_streams(engine: tidegate.Engine, options: dict[str, Any], error: type[Exception]) -> None:
    """A stream that one of them refuses to make is refused by the other in the same words."""
    async with FakeGateway() as fake, tidegate.connect(fake.url) as gw:
        said = []
        for face in (engine, gw):
            with pytest.raises(error) as caught:
                face.stream("mlp", **options)
            said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("name", ["stream", "generate"])
def test_the_same_arguments(name: str) -> None:
    """Streams and generations are asked for in the same way, but that only a gateway has topics to publish on."""
    engine, gw = (inspect.signature(getattr(face, name)).parameters for face in (tidegate.Engine, Connection))
    assert [(each.name, each.kind, each.default) for each in engine.values()] == [
        (each.name, each.kind, each.default) for each in gw.values() if each.name != "publish"
    ]


@pytest.mark.parametrize("name", ["step", "run", "generate", "cancel", "snapshot", "fork", "close"])
def test_the_same_methods_of_a_stream(name: str) -> None:
    """What a stream can do, and how it is asked, is the same."""
    local, remote = (inspect.signature(getattr(face, name)).parameters for face in (LocalStream, Stream))
    assert [(each.name, each.kind, each.default) for each in local.values()] == [
        (each.name, each.kind, each.default) for each in remote.values()
    ]
