"""A gateway in whose process further models are loaded while it serves: ``python -m bench.loading MODELS FURTHER``.

It serves the folder MODELS. SIGUSR1 begins to load the folder FURTHER again and again, on a thread as a start does,
and SIGUSR2 ends that; it says so for each load. It knows no clients.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from pathlib import Path

import uvloop

from tidegate.gateway.gateway import Gateway
from tidegate.gateway.settings import Settings
from tidegate.models.loader import load
from tidegate.models.repository import scan

from .echo import until_told

LOADED = "loaded in"


def keep_loading(folder: Path, wanted: threading.Event) -> None:
    """Load every model of the folder whenever it is wanted, and forget it."""
    while True:
        wanted.wait()
        began = time.monotonic()
        for source in scan(folder).sources:
            load(source).backend.close()
        print(f"{LOADED} {time.monotonic() - began:.2f} s", flush=True)


async def main(models: Path, further: Path) -> None:
    """Serve until told to stop."""
    wanted = threading.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, wanted.set)
    loop.add_signal_handler(signal.SIGUSR2, wanted.clear)
    async with Gateway(Settings(models=models, port=0)) as gateway:
        threading.Thread(target=keep_loading, args=(further, wanted), name="tidegate-load", daemon=True).start()
        print(gateway.url, flush=True)
        await until_told()


if __name__ == "__main__":
    uvloop.run(main(*map(Path, sys.argv[1:])))
