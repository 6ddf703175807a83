"""A gateway as its user starts it: a process of its own, with a command line and signals; it knows nothing of the protocol.

Each runs under the detector of blocking calls, and its whole log is judged when it ends.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tidegate

START_S = 40.0
STOP_S = 20.0
_WATCH = Path(__file__).parent / "watch"
_SOURCES = Path(tidegate.__file__).parent.parent  # the same code that the tests import
_LISTENING = re.compile(r"Listening on (ws://\S+:(\d+)/v1)")
_BAD_SIGNS = re.compile(
    r"Traceback|[Uu]nhandled|never retrieved|Fatal|was never awaited|BLOCKING CALL|Error in sitecustomize|CRITICAL"
)


def environment(**extra: str) -> dict[str, str]:
    """Give the environment of a new process: none of the caller's settings, and the detector on its path."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEGATE_", "PYTHON"))}
    return {**mine, "PYTHONPATH": f"{_WATCH}{os.pathsep}{_SOURCES}", "PYTHONUNBUFFERED": "1", **extra}


class ServerProcess:
    """One ``tidegate serve``.

    Attributes:
        url: where it listens, once ``wait_until_listening`` has returned.
        port: the same, as a number.
        judged: whether its end was looked at.
    """

    def __init__(self, folder: Path, arguments: tuple[str, ...], **extra: str) -> None:
        folder.mkdir(parents=True)
        self._log = folder / "log"
        self.url = ""
        self.port = 0
        self.judged = False
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tidegate.gateway.cli", "serve", *arguments],
                cwd=folder,  # empty: no tidegate.toml
                env=environment(**extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        """Everything that it has printed."""
        return self._log.read_text()

    def wait_until_listening(self) -> None:
        """Wait for its port, for a limited time."""
        found = until(lambda: _LISTENING.search(self.log) or self.process.poll() is not None, START_S)
        assert isinstance(found, re.Match), f"it did not start:\n{self.log}"
        self.url, self.port = found[1], int(found[2])

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Wait for its end; return the exit code."""
        return self.process.wait(timeout_s)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def fails(self) -> str:
        """Wait for a start that must fail; return what was said about it, without what is said of every start."""
        assert self.wait(START_S) != 0, self.log
        self.judged = True
        self.check_log()
        quiet = ("blocking calls are detected", "is loading its models")
        return "\n".join(line for line in self.log.splitlines() if not any(phrase in line for phrase in quiet))

    def stop(self) -> None:
        """Stop it as a service manager would, and judge how it lived and ended; nothing is left to do after ``fails``."""
        if self.judged:
            return
        if self.process.poll() is None:
            self.terminate()
        try:
            code = self.wait()
        finally:
            self.process.kill()
            self.process.wait()
        self.judged = True
        assert code == 0, f"exit code {code}\n{self.log}"
        self.check_log()

    def check_log(self) -> None:
        """Fail if anything in the log tells of a defect, or if nobody watched for blocking calls."""
        assert "blocking calls are detected" in self.log
        assert not _BAD_SIGNS.search(self.log), self.log

    def memory_bytes(self) -> int:
        """Return the memory that the process holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


Serve = Callable[..., ServerProcess]
"""What the fixture ``serve`` gives: it starts a gateway with the arguments of a command line."""


def until(condition: Any, timeout_s: float) -> Any:
    """Look until a condition holds, for a limited time; return what it returned last."""
    end = time.monotonic() + timeout_s
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return found
