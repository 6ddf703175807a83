"""Asks the kernel for short or usual time slices for a thread. It knows no model; where it cannot ask, nothing happens.

Linux from 6.12 on lets a thread choose the length of its slice (``sched_setattr`` with ``sched_runtime``, for the usual
policy, without any privilege). One with short slices gets no more of a core, but gets it sooner when it wakes up: so the
event loop, and runs of a millisecond, do not wait for the end of another thread's slice while runs of seconds keep the
cores busy.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from contextlib import suppress

_SYSCALL = {"x86_64": 314, "aarch64": 274}.get(platform.machine()) if platform.system() == "Linux" else None
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # struct sched_attr, its first version
_SHORTEST_NS = 100_000
_USUAL_NS = 3_000_000

_call = ctypes.CDLL(None).syscall if _SYSCALL is not None else None


def ask(*, short: bool) -> None:
    """Ask for short slices for the calling thread, or for the usual ones."""
    if _call is None:
        return
    with suppress(OSError):
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, 0, nice, 0, _SHORTEST_NS if short else _USUAL_NS, 0, 0)
        _call(_SYSCALL, 0, attributes, 0)
