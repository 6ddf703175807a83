"""Starts servers as a user would, as processes of their own, and always ends them; it knows no messages."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.02

_ADDRESS = re.compile(rb"(?:ws|http)://[\w.]+:(\d+)")


class Server:
    """A running server: its address and its process."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], output: Path, path: str) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._output = output
        self.port = self._wait_port()
        self.url = f"ws://127.0.0.1:{self.port}{path}"

    def get(self, path: str, timeout: float = 10.0) -> str:
        """Return what the server answers to an HTTP GET of ``path``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
            return str(answer.read().decode())

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def said(self) -> str:
        """Return the end of what the process printed."""
        return self._output.read_text(errors="replace")[-2000:]

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def _wait_port(self) -> int:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if found := _ADDRESS.search(self._output.read_bytes()):
                return int(found[1])
            if not self.running:
                break
            time.sleep(POLL_S)
        raise SystemExit(f"bench: {self.name} did not start:\n{self.said()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _started(name: str, command: Sequence[str], path: str, cwd: Path, cores: Iterable[int]) -> Iterator[Server]:
    # Settings of the person who measures must not change what is measured.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TIDEGATE_")}
    environment["PYTHONUNBUFFERED"] = "1"
    allowed = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        with output.open("wb") as file:
            os.sched_setaffinity(0, set(cores) or allowed)  # a child inherits it, and counts its cores by it
            try:
                process = subprocess.Popen(
                    command, stdout=file, stderr=subprocess.STDOUT, cwd=cwd, env=environment, start_new_session=True
                )
            finally:
                os.sched_setaffinity(0, allowed)
        try:
            yield Server(name, process, output, path)
        finally:
            _end(process)


def _bench(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"bench.{module}", *arguments]


def echo(kind: str, cores: Iterable[int] = ()) -> AbstractContextManager[Server]:
    """Start an echo server, ``asyncio`` or ``sansio``."""
    return _started(f"{kind} echo", _bench("echo", kind), "/", ROOT, cores)


def naive(models: Path, cores: Iterable[int] = ()) -> AbstractContextManager[Server]:
    """Start the naive server on a folder of models."""
    return _started("naive", _bench("naive", str(models)), "/", ROOT, cores)


def loading(models: Path, further: Path) -> AbstractContextManager[Server]:
    """Start a gateway that can load further models while it serves; see ``loading``."""
    return _started("loading", _bench("loading", str(models), str(further)), "/v1", ROOT, ())


@contextlib.contextmanager
def gateway(models: Path, cores: Iterable[int] = (), options: Sequence[str] = ()) -> Iterator[Server]:
    """Start ``tidegate serve`` on a folder of models and wait until it says that it is ready."""
    command = [sys.executable, "-m", "tidegate.gateway.cli", "serve", str(models), "--port", "0", *options]
    with _started("tidegate", command, "/v1", models, cores) as server:
        _wait_ready(server)
        yield server


def _wait_ready(server: Server) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            server.get("/readyz")
            return
        except OSError as error:
            if time.monotonic() > deadline or not server.running:
                raise SystemExit(f"bench: {server.name} is not ready: {error}") from error
            time.sleep(POLL_S)
