"""Streams of a model that runs in worker processes which are killed: state is the gateway's, so nobody notices."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import stream_folder
from http_get import until
from onnx_models import MARKER
from restless import Restless
from stream_client import connected
from stream_script import Line, Script

from tidegate.models.processes.segment import is_supported

if TYPE_CHECKING:
    from http_get import Numbers
    from server_process import Serve, ServerProcess

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs memfd_create")

STREAMS, STEPS, KILLS = 8, 60, 3
SEED = 20_261_122


@pytest.fixture
def server(serve: Serve, tmp_path: Path) -> ServerProcess:
    """A gateway with one worker process."""
    return serve(stream_folder.write_heavy(tmp_path / "models"), "--compute-slots", 1)


def workers(server: ServerProcess) -> list[int]:
    """Find the worker processes of a gateway."""
    found: list[int] = []
    for children in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        found += map(int, children.read_text().split())
    return found


def ready(found: Numbers, restarts: int) -> bool:
    """Tell whether the worker was started again so often, and is there."""
    return found("worker_restarts_total") == restarts and found("worker_processes") == 1


async def kill_again_and_again(server: ServerProcess, scripts: list[Script]) -> None:
    """Kill the worker, each time when some more results were heard since another one was there."""
    for restarts in range(KILLS):
        (pid,) = workers(server)
        heard = sum(len(script.heard) for script in scripts)
        async with asyncio.timeout(20):
            while sum(len(script.heard) for script in scripts) < heard + 2 * STREAMS:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
        await until(server.port, partial(ready, restarts=restarts + 1))


@pytest.mark.parametrize("patience", [(10_000, 10_000), (8, 60)], ids=["calm", "restless"])
async def test_a_worker_is_killed(server: ServerProcess, patience: tuple[int, int]) -> None:
    """Eight streams whose worker is killed three times get each sum once, in order; nothing fails and nothing is run twice."""
    random = Random(SEED)
    plans = [[random.randrange(100) for _ in range(STEPS)] for _ in range(STREAMS)]
    scripts = [
        Script(f"sum {number}", "heavy", [Line({"x": np.full((1, 1), x, np.float32)}) for x in plan], outputs=["y"])
        for number, plan in enumerate(plans)
    ]
    clients = [Restless(server.port, scripts[at::2], SEED + at, patience) for at in range(2)]
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.run())
        tasks.create_task(kill_again_and_again(server, scripts))
    for script, plan in zip(scripts, plans, strict=True):
        assert [float(each.tensors["y"].item()) for each in script.heard] == [float(total) for total in accumulate(plan)]
    found = await until(server.port, bool)
    assert found("stream_steps_total", model="heavy", outcome="ok") == STREAMS * STEPS
    assert found("stream_steps_total", model="heavy", outcome="model_failed") == 0


async def test_a_step_that_fails_there(server: ServerProcess) -> None:
    """A step on which the model fails in its worker leaves the state as it was before."""
    async with connected(server.port) as client:
        await client.open("a", "heavy")
        await client.step("a", 1, 5.0)
        await client.step("a", 2, MARKER)
        assert await client.hear(2) == [("result", "a", 1, 1, 5.0), ("error", "a", 2, 2, "model_failed", 2)]
        await client.step("a", 2, 1.0)
        assert await client.hear() == [("result", "a", 3, 2, 6.0)]
