"""A dashboard that watches everything, and somebody who publishes a lot; the first reads it all, or stops reading.

``python -m bench.dashboard_stopped PORT --cases FILE.npz`` asks, so many times a second, for an answer of a MiB which is an
event as well. With ``--reads`` the dashboard reads all of them; without, it reads nothing after its subscription was
confirmed. It goes on until its standard input is closed, and prints how many answers came.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
from pathlib import Path

from .cases import Cases
from .link import frame, handshake
from .specials import WIDE, WIDE_BYTES
from .wire import binary, requests

HOST = "127.0.0.1"
TIMEOUT_S = 20.0
RECEIVED_BYTES = 65_536
"""A small buffer, so that it is soon full."""
YIELDING = 10


def connect(port: int) -> socket.socket:
    """Open a connection, and read its greeting."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
    sock.settimeout(TIMEOUT_S)
    sock.connect((HOST, port))
    sock.sendall(handshake(HOST, port, "/v1"))
    while b'"op":"hello"' not in sock.recv(RECEIVED_BYTES):
        pass
    return sock


def drain(sock: socket.socket) -> None:
    """Read until the connection ends."""
    with contextlib.suppress(OSError):
        while sock.recv(1 << 20):
            pass


def until_closed(over: threading.Event) -> None:
    """Wait for the end of standard input."""
    sys.stdin.read()
    over.set()


def main() -> None:
    """Publish, and watch or not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=10.0, help="answers a second")
    parser.add_argument("--reads", action="store_true", help="the dashboard reads everything")
    parser.add_argument("--core", type=int, default=1)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    os.nice(YIELDING)
    over = threading.Event()
    threading.Thread(target=until_closed, args=(over,), daemon=True).start()
    (message,) = requests("tidegate", WIDE, Cases.load(options.cases), 1, publish="heavy/1")
    answers = 0
    with connect(options.port) as dashboard, connect(options.port) as asker:
        dashboard.sendall(frame(binary({"op": "subscribe", "id": 1, "topic": "heavy/**"})))
        dashboard.recv(RECEIVED_BYTES)
        if options.reads:
            threading.Thread(target=drain, args=(dashboard,), daemon=True).start()
        print("publishing", flush=True)
        while not over.wait(1 / options.rate):
            asker.sendall(frame(message))
            left = WIDE_BYTES
            while left > 0:
                left -= len(asker.recv(1 << 20)) or left
            answers += 1
    json.dump({"answers": answers}, sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
