"""64 streams of speech detection from 16 clients that lose their connections all the time: each hears what it would alone."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from restless import Restless
from solo_streams import LENGTHS, silero, sound
from stream_script import Line, Script

if TYPE_CHECKING:
    from server_process import ServerProcess

CLIENTS, STREAMS, CHUNKS = 16, 4, 40
SEED = 20_261_122


class Listener:
    """One stream: its sound, and what it must be told.

    Attributes:
        script: what it says and hears.
    """

    def __init__(self, number: int) -> None:
        random = Random(SEED + number)
        rate = random.choice([*LENGTHS])
        chunks = sound(rate, CHUNKS, SEED + number)
        self._expected = silero(rate, chunks)
        self._outputs = random.choice([("output", "stateN"), ("stateN", "output"), ("output",)])
        self.script = Script(
            number if random.random() < 0.5 else f"mic {number}",
            "silero_vad",
            [Line({"input": chunk}) for chunk in chunks],
            constants={"sr": np.array(rate)} if rate != 16000 or random.random() < 0.5 else {},
            outputs=self._outputs,
            credit=random.choice([None, 1, 3, 12]),
        )

    def check(self) -> None:
        """Compare what was told, bit for bit."""
        told = [tuple(heard.tensors[name].tobytes() for name in self._outputs) for heard in self.script.heard]
        known = [dict(zip(("output", "stateN"), each, strict=True)) for each in self._expected]
        assert told == [tuple(each[name] for name in self._outputs) for each in known]
        assert all([*heard.tensors] == [*self._outputs] for heard in self.script.heard)


async def test_64_streams_hear_what_they_would_alone(bundled_server: ServerProcess) -> None:
    """Whatever is cut, taken over, sent twice or held back for credit: every output once, in order, bit for bit."""
    listeners = [Listener(number) for number in range(CLIENTS * STREAMS)]
    clients: list[Any] = []
    for first in range(0, len(listeners), STREAMS):
        scripts = [listener.script for listener in listeners[first : first + STREAMS]]
        clients.append(Restless(bundled_server.port, scripts, SEED + first))
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.run())
    for listener in listeners:
        listener.check()
    sizes = [heard.batch_size for listener in listeners for heard in listener.script.heard]
    assert sum(size > 1 for size in sizes) > len(sizes) / 4
    assert all(client.cuts + client.takeovers >= 3 for client in clients)
    assert sum(client.takeovers for client in clients) >= CLIENTS
