"""Gateways in their places: which of the two cores runs the loop, and which computes. The load has the second core."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from . import proc, servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from .servers import Server

PROCESS = 'executor = "process"\n'
"""What a ``model.toml`` says so that the model runs in worker processes."""
ONE_SLOT = ("--compute-slots", "1")
SLOT_THREAD = "tidegate-slot"


@contextlib.contextmanager
def slot_apart(folder: Path, cores: tuple[int, int], options: Sequence[str] = ()) -> Iterator[Server]:
    """Serve with the one compute slot alone on the first core; the loop shares the second with the load."""
    with servers.gateway(folder, options=(*ONE_SLOT, *options)) as server:
        pin_slots(server, *cores)
        yield server


def pin_slots(server: Server, compute_core: int, loop_core: int) -> None:
    """Pin what computes to one core, worker processes included, and all other threads of the server to the other."""
    slots = proc.threads_named(server.pid, SLOT_THREAD)
    if not slots:
        raise SystemExit(f"bench: {server.name} has no thread named {SLOT_THREAD}*")
    proc.pin_threads(server.pid, loop_core, but=dict.fromkeys(slots, compute_core))
    for child in proc.children(server.pid):
        proc.pin_threads(child, compute_core, but={})


def one_core(folder: Path, cores: tuple[int, int], options: Sequence[str] = ()) -> AbstractContextManager[Server]:
    """Serve with everything on the first core; the load has the second to itself."""
    return servers.gateway(folder, [cores[0]], options)


def kill_worker(server: Server) -> None:
    """Kill (-9) the worker process that has used most CPU."""
    workers = proc.children(server.pid)
    if not workers:
        raise SystemExit(f"bench: {server.name} has no worker processes")
    os.kill(max(workers, key=proc.cpu_s), signal.SIGKILL)
