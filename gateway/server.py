"""The gateway as a process: signals, log, limits of the operating system, and what is printed. One clear line per error."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING

from tidegate.errors import ModelUnavailable
from tidegate.models import heap, time_slice
from tidegate.version import __version__

from .garbage import Garbage
from .gateway import Gateway, bind
from .models_table import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import Settings


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then drain; return the exit code."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("tidegate.websockets").setLevel(logging.WARNING)
    _raise_file_limit()
    heap.keep_what_is_freed()
    time_slice.ask(short=True)  # for this thread, which is the event loop's
    try:
        sockets = bind(settings.host, settings.port)
    except OSError as error:
        return _failed(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}")
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(Gateway(settings, sockets)))
    except ModelUnavailable as error:
        return _failed(error.message)
    return _left(0)


async def _serve(gateway: Gateway) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(f"Tidegate {__version__} is loading its models …", flush=True)
    starting = asyncio.ensure_future(gateway.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        print("Stopped before the models were loaded.", flush=True)
        return
    await starting
    Garbage(gateway.metrics.asked).start(loop)
    print(table(gateway.engine.models()))
    slots = gateway.engine.compute_slots
    print(f"Listening on {gateway.url} ({slots} compute slot{'s' if slots > 1 else ''}). Ctrl-C stops.", flush=True)
    await stopping
    print(f"Stopping: up to {gateway.settings.grace_s:g} s for what is running.", flush=True)
    await gateway.drain("the gateway is stopping", grace_s=gateway.settings.grace_s)


def _left(code: int) -> int:
    """Leave at once if a run or a load cannot be stopped: ending the interpreter under it would crash, or wait for it."""
    ours = ("tidegate-slot", "tidegate-load", "tidegate-encode")
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(ours)]
    for thread in threads:
        thread.join(0.2)
    if any(thread.is_alive() for thread in threads):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return None
    return uvloop.new_event_loop


def _raise_file_limit() -> None:
    """Allow as many open files, which connections are, as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _failed(line: str) -> int:
    print(f"tidegate: {line}", file=sys.stderr)
    return 1
