"""``make demo``: starts a gateway with the bundled models, shows the demo against it, stops it again.

In a terminal it stays up after the show, with its pages to look at, until Ctrl+C. It knows the gateway only as a command of
this Python, what that prints when it listens, and its exit code.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import IO, NoReturn

from .main import main as demo

_COMMAND = (sys.executable, "-m", "tidegate.gateway.cli", "serve", "--log-level", "warning", "--port")
_LISTENING = re.compile(r"Listening on (ws://\S+)")
_PORT = 8000  # where its pages are the next time, too, if nobody else is there
_START_S = 60.0
_STOP_S = 45.0  # longer than the gateway gives to what is running


class Gateway:
    """A gateway as a child process; ``with Gateway(port) as url``. Leaving stops it and waits for its end, whatever happens.

    Args:
        port: where it shall listen; 0 for a free one.

    Attributes:
        exit_code: how it ended; None before.
    """

    def __init__(self, port: int) -> None:
        self.exit_code: int | None = None
        self._command = (*_COMMAND, str(port))
        self._addresses: SimpleQueue[str] = SimpleQueue()
        self._process: subprocess.Popen[str]

    def __enter__(self) -> str:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - its words are ours
        try:
            assert self._process.stdout
            # A thread reads all that it ever prints: a full pipe would stop it.
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
            if url := self._addresses.get(timeout=_START_S):
                return url
            raise ChildProcessError("the gateway ended instead of listening")
        except Empty:
            self._stop()
            raise ChildProcessError(f"the gateway did not listen within {_START_S:g} s") from None
        except BaseException:
            self._stop()
            raise

    def __exit__(self, *_: object) -> None:
        self._stop()

    def wait(self) -> None:
        """Wait until it ends by itself.

        Raises:
            ChildProcessError: it did.
        """
        self._process.wait()
        raise ChildProcessError("the gateway ended by itself")

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                if found := _LISTENING.search(line):
                    self._addresses.put(found[1])
        self._addresses.put("")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self.exit_code = self._process.wait(_STOP_S)
        except BaseException:  # it hangs, or somebody lost patience
            self._process.kill()
            self.exit_code = self._process.wait()
            raise


def main() -> int:
    """Run it all; return the demo's exit code, or 1 if the gateway itself failed."""
    signal.signal(signal.SIGTERM, _leave)
    port = free(_PORT)
    gateway, start = Gateway(port), perf_counter()
    elsewhere = "" if port else f", on another port, since {_PORT} is taken"
    print(f"Starting a gateway with the bundled models{elsewhere} …", flush=True)
    try:
        with gateway as url:
            print(f"It listens on {url} after {perf_counter() - start:.1f} s.", flush=True)
            shown = demo(url)
            if sys.stdout.isatty():
                _stay(gateway, url)
    except ChildProcessError as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nInterrupted; the gateway ended with exit code {gateway.exit_code}.")
        return 130
    except subprocess.TimeoutExpired:
        print(f"tidegate: the gateway did not stop within {_STOP_S:g} s and was killed", file=sys.stderr)
        return 1
    print(f"The gateway stopped with exit code {gateway.exit_code}.")
    return shown or (1 if gateway.exit_code else 0)


def free(port: int) -> int:
    """Return the port if nobody listens there, else 0, which means any."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _stay(gateway: Gateway, url: str) -> None:
    """Leave the gateway to the person at the terminal until Ctrl+C, which is the orderly end here."""
    port = url.rpartition(":")[2].partition("/")[0]
    print(f"\nOpen http://localhost:{port}/ in a browser: the gateway stays up. Ctrl+C stops it.", flush=True)
    try:
        gateway.wait()
    except KeyboardInterrupt:
        print()


def _leave(number: int, _frame: object) -> NoReturn:
    # As an exception it goes through the with block, which stops the gateway.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
