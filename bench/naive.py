"""The server that a day's work gives: websockets, uvloop, msgpack and run_in_executor, without batching.

It serves the benches' models (input ``x``, output ``y``, one row a request) as many write-ups do it, and fairly: many
requests of a connection run at once, sessions use one thread and do not spin. It has no limits, no checks, no errors
on the wire, no cancelling and no metrics. ``python -m bench.naive FOLDER`` prints its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from .echo import HOST, until_told
from .raw import session

Handler = Callable[[ServerConnection], Awaitable[None]]


def handler(sessions: dict[str, Any]) -> Handler:
    """Return the connection handler for these models."""

    async def answer(websocket: ServerConnection, message: bytes | str) -> None:
        request = msgpack.unpackb(message)
        x = np.frombuffer(request["x"], np.float32)[None]
        run = sessions[request["model"]].run
        (y,) = await asyncio.get_running_loop().run_in_executor(None, run, ["y"], {"x": x})
        with contextlib.suppress(ConnectionClosed):
            await websocket.send(msgpack.packb({"id": request["id"], "y": y.tobytes()}))

    async def handle(websocket: ServerConnection) -> None:
        running = set()
        with contextlib.suppress(ConnectionClosed):
            async for message in websocket:
                task = asyncio.create_task(answer(websocket, message))
                running.add(task)
                task.add_done_callback(running.discard)

    return handle


async def main(folder: Path) -> None:
    """Serve every model of the folder until told to stop."""
    sessions = {path.stem: session(path) for path in folder.glob("*.onnx")}  # noqa: ASYNC240 (before anything is served)
    async with serve(handler(sessions), HOST, 0, compression=None) as server:
        print(f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/", flush=True)
        await until_told()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
