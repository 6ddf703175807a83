"""Runs the benches' own modules as processes with a time limit, and gives back the JSON line that each prints last."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any, Self

from .servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

STOP_TIMEOUT_S = 90.0
"""For the last answers and the checking, once the window of a process is over."""


class Running:
    """A process that was started; it is gone when the block ends, and killed when its time is over.

    Raises:
        SystemExit: from ``line`` and ``result``, when the process failed.
    """

    def __init__(self, module: str, arguments: Iterable[object], limit_s: float) -> None:
        self._module = module
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (the process writes to it as long as it lives)
        command = [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self.pid = self._process.pid
        self._limit = self._kill_after(limit_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._limit.cancel()
        self._process.kill()
        self._process.__exit__(None, None, None)  # waits for it and closes its pipes
        self._errors.close()

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        return line.rstrip()

    def stop(self) -> None:
        """End the window of a process that measures until it is told; ``result`` then comes soon."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.stdin = None
        self._limit.cancel()
        self._limit = self._kill_after(STOP_TIMEOUT_S)

    def result(self) -> Any:
        """Wait until it ends and return what its last line says."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            self._fail()
        return json.loads(output.splitlines()[-1])

    def _kill_after(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        return timer

    def _fail(self) -> None:
        code = self._process.wait()
        self._errors.seek(0)
        raise SystemExit(f"bench.{self._module} ended with {code}:\n{self._errors.read()[-2000:]}")


def result(module: str, arguments: Iterable[object], limit_s: float) -> Any:
    """Run a module to its end and return what its last line says."""
    with Running(module, arguments, limit_s) as running:
        return running.result()
