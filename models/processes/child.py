"""The program of a worker process: ``python -m tidegate.models.processes.child SOCKET STOPS``, two inherited descriptors.

It serves whoever holds the other end of the socket, and ends with it. It knows no gateway and no client. Signals that ask a
gateway to stop are not for it: the gateway lets runs come to their end and then ends it. Of the two the kernel should
rather take this process when memory runs out.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SELF = Path("/proc/self")
_PR_SET_PDEATHSIG = 1
_OOM_SCORE = 500  # of 1000; a gateway has 0 unless somebody decided otherwise


def main() -> None:
    """Serve until the other end is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _say_who_this_is()
    end, stops = (int(word) for word in sys.argv[1:])

    from tidegate.models import heap

    from .channel import Channel, Ended
    from .work import Work

    heap.keep_what_is_freed()
    work = Work(Channel(socket.socket(fileno=end)))
    threading.Thread(target=_watch, args=(stops, work.stop), name="tidegate-stops", daemon=True).start()
    with suppress(Ended, KeyboardInterrupt):
        work.serve()
    os._exit(0)  # there is nothing to put in order, and a native library could hang in doing so


def _say_who_this_is() -> None:
    """Die with the parent, be taken before it, and be recognised; each as far as the system lets us."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError, ValueError):
        score = _SELF / "oom_score_adj"
        score.write_text(str(min(1000, int(score.read_text("ascii")) + _OOM_SCORE)), "ascii")
    with suppress(OSError):
        (_SELF / "comm").write_text("tidegate-worker", "ascii")


def _watch(stops: int, stop: Callable[[int], None]) -> None:
    """Stop runs by number; when no more numbers can come, the gateway is gone, and what runs is for nobody."""
    while len(number := os.read(stops, 8)) == 8:
        stop(int.from_bytes(number, "little"))
    os._exit(0)


if __name__ == "__main__":
    main()
