"""One worker process as the gateway sees it: started, told what to do, stopped, and asked how it died. It decides nothing.

Bounds: at most one request is under way; what a load or an opening takes is limited by the caller, and a run by nothing but
the worker's death, which ``kill`` brings about: its socket then ends, and whoever waits is told at once.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidegate.errors import ModelFailed, error_from_code

from ..backend import WorkerDied
from .arrays import laid_out, read_copies, span, write
from .channel import Channel, Ended
from .messages import Description, Failed, Forget, Load, Open, Opened, Ran, Run, decode_reply, encode
from .segment import Outgoing, attach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from ..backend import RunControl
    from .messages import Reply, Request

_PROGRAM = "tidegate.models.processes.child"
_IMPORTS = Path(__file__).parents[3]  # where `tidegate` was imported from
_END_S = 1.0  # from the end of the socket to the end of the process
_STDERR = 2


class WorkerProcess:
    """A process that runs models. ``kill``, ``stop`` and what tells of its state may be used from any thread at any time.

    The thread that makes it must live as long: Linux ends the process with that thread, so that none outlives the gateway.

    Attributes:
        pid: of the process.
        runs: how many runs it was given.
    """

    def __init__(self) -> None:
        """Start it; raises OSError if that cannot be done."""
        ours, theirs = socket.socketpair()
        stops, self._stops = os.pipe()
        os.set_blocking(self._stops, False)
        try:
            self._process = _started(theirs.fileno(), stops)
        except BaseException:
            ours.close()
            os.close(self._stops)
            raise
        finally:
            theirs.close()
            os.close(stops)
        self.pid = self._process.pid
        self.runs = 0
        self._channel = Channel(ours)
        self._outgoing = Outgoing()
        self._incoming: Array = np.empty(0, np.uint8)
        self._using = threading.Lock()  # held for a whole request
        self._stopping = threading.Lock()  # held for moments
        self._stopped: tuple[int, float] = (0, 0.0)
        self._closed = False

    def load(self, request: Load, limit_s: float) -> Description:
        """Have a model loaded and described; raises what ``ask`` raises, and the error that loading ended with."""
        reply = self.ask(request, limit_s)
        if isinstance(reply, Description):
            return reply
        raise self._unusable(reply)

    def ask(self, request: Open | Load | Forget, limit_s: float) -> Description | Opened:
        """Have something done that is no run.

        Raises:
            TidegateError: what came of it; the worker goes on.
            WorkerDied: it died, or was killed because it took longer than ``limit_s``.
        """
        with self._using:
            self._check_open()
            if isinstance(request, Forget):
                self._outgoing.forget()
                self._incoming = np.empty(0, np.uint8)
            self._channel.socket.settimeout(limit_s)
            try:
                reply = self._asked(request)
            except TimeoutError:
                self.kill()
                raise WorkerDied(f"its worker process was killed: it took longer than {limit_s:g} s") from None
            finally:
                self._channel.socket.settimeout(None)
        if isinstance(reply, Description | Opened):
            return reply
        raise self._unusable(reply)

    def run(self, model: int, arrays: Sequence[Array], control: RunControl | None) -> list[Array]:
        """Run a model; see ``Backend.run``. The arrays that it returns are their own.

        Raises:
            WorkerDied: it died; ``began`` tells whether it was given the run before that.
            TidegateError: the run failed.
        """
        tensors, payloads = laid_out(arrays)
        with self._using:
            self._check_open()
            self.runs = number = self.runs + 1
            self._outgoing.reserve(span(tensors))
            write(self._outgoing.memory, payloads)
            if control is not None:
                control.begins(partial(self.stop, number))
            return self._outputs(number, self._asked(Run(number, model, tensors)))

    def stop(self, number: int) -> None:
        """Ask the run of that number to end early; does nothing if it is over. Returns at once."""
        with self._stopping:
            if not self._closed and number == self.runs:
                self._stopped = (number, time.monotonic())
                with suppress(OSError):  # it is dead, or asleep with its pipe full
                    os.write(self._stops, number.to_bytes(8, "little"))

    def is_busy(self) -> bool:
        """Tell whether a request is under way."""
        return self._using.locked()

    def is_stuck(self, now: float, limit_s: float) -> bool:
        """Tell whether a run goes on that was told to stop so many seconds ago."""
        number, stopped = self._stopped
        return number == self.runs and now - stopped >= limit_s and self.is_busy()

    def fileno(self) -> int:
        """Return the descriptor that hangs up when the process dies, for ``poll``; not to be read."""
        return self._channel.socket.fileno()

    def kill(self) -> None:
        """End the process at once; whoever waits for it is told that it died."""
        self._process.kill()

    def death(self) -> str:
        """Wait, shortly, for a process that is about to end, or end it; say how it ended, as the rest of a sentence."""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
            return "closed its socket and had to be killed"
        return _ending(code)

    def close(self) -> None:
        """Kill it if it lives, and let go of everything, once the request that is under way has ended by that."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        with self._using, self._stopping:
            if not self._closed:
                self._closed = True
                self._channel.socket.close()
                os.close(self._stops)
                self._outgoing.forget()
                self._incoming = np.empty(0, np.uint8)

    def _check_open(self) -> None:
        if self._closed:
            raise WorkerDied("its worker process is gone", began=False)

    def _asked(self, request: Request) -> Reply:
        """Send a request and wait for the reply; raises an error that the reply tells of."""
        try:
            self._channel.send(encode(request), self._outgoing.descriptor)
            self._outgoing.sent()
        except Ended:
            raise self._dead(began=False) from None
        try:
            data, descriptor = self._channel.receive()
            reply: Reply = decode_reply(data)
            if descriptor is not None:
                self._incoming = attach(descriptor)
        except Ended:
            raise self._dead(began=True) from None
        except TimeoutError:
            raise
        except (OSError, ValueError, MemoryError, msgspec.MsgspecError) as error:
            raise self._unusable(error) from None
        if isinstance(reply, Failed):
            raise error_from_code(reply.code, reply.message)
        return reply

    def _outputs(self, number: int, reply: Reply) -> list[Array]:
        if not isinstance(reply, Ran) or reply.number != number:
            raise self._unusable(reply)
        try:
            return read_copies(self._incoming, reply.outputs)
        except MemoryError:
            raise ModelFailed("there is no memory for its outputs") from None
        except ValueError as error:
            raise self._unusable(error) from None

    def _dead(self, *, began: bool) -> WorkerDied:
        return WorkerDied(f"its worker process {self.death()}", began=began)

    def _unusable(self, what: object) -> WorkerDied:
        """End a process whose answer cannot be taken: what it holds and what it says no longer agree with what we know."""
        self.kill()
        return WorkerDied(f"its worker process gave an unusable answer and was killed: {str(what)[:200]}")


def _started(channel: int, stops: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", "-m", _PROGRAM, str(channel), str(stops)],
        stdin=subprocess.DEVNULL,
        stdout=_STDERR,  # what native code prints is not for whoever reads the gateway's output
        env=_environment(),
        pass_fds=(channel, stops),
        start_new_session=True,  # Ctrl-C in a terminal is for the gateway
    )


def _environment() -> dict[str, str]:
    """Let the program be found where this module was, if it is not installed."""
    if _IMPORTS.name in {"site-packages", "dist-packages"}:  # is searched anyway, after the standard library
        return dict(os.environ)
    paths = [str(_IMPORTS), os.environ.get("PYTHONPATH")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
