"""A client that asks for many large answers, reads the first, and stops itself as ``kill -STOP`` would.

``python -m bench.stopped PORT --cases FILE.npz --requests 80`` prints its own port before it asks; then it stops, and
somebody else has to kill it. With ``--reads`` it reads everything and ends: what the same answers cost others then.
``--delay`` lets whoever measures begin before it asks.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import time
from pathlib import Path

from .cases import Cases
from .link import frame, handshake
from .specials import WIDE, WIDE_BYTES
from .wire import requests

HOST = "127.0.0.1"
ANSWER_TIMEOUT_S = 20.0
YIELDING = 10
"""Its reading shares a core with the others' load, and must not be what they notice."""


def main() -> None:
    """Ask, then read a little and stop, or read everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=80, help="at most 256; each is answered with a MiB")
    parser.add_argument("--reads", action="store_true", help="read everything")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds to wait before it asks")
    parser.add_argument("--core", type=int, default=1)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    os.nice(YIELDING)
    messages = requests("tidegate", WIDE, Cases.load(options.cases), options.requests)
    with socket.create_connection((HOST, options.port), ANSWER_TIMEOUT_S) as sock:
        sock.sendall(handshake(HOST, options.port, "/v1"))
        sock.recv(65_536)  # it is connected and accepted
        print(sock.getsockname()[1], flush=True)
        time.sleep(options.delay)
        sock.sendall(b"".join(frame(message) for message in messages))
        left = WIDE_BYTES * (options.requests if options.reads else 1)
        while left > 0:
            left -= len(sock.recv(65_536)) or left
        if not options.reads:
            os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main()
