"""How much memory this process has and may still take; Linux only, elsewhere it knows nothing and says so."""

from __future__ import annotations

import os
from pathlib import Path

_KIB = 1024


def resident_bytes() -> int | None:
    """Return the memory that this process holds, in bytes; None where that cannot be told."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def available_bytes() -> int | None:
    """Return the memory that could be taken without swapping, in bytes, within the container's limit; None if unknown."""
    known = [size for size in (_of_the_machine(), _of_the_container()) if size is not None]
    return min(known, default=None)


def _of_the_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * _KIB for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _of_the_container() -> int | None:
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        return max(0, limit - int((group / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no version 2 control group, or "max": no limit
        return None
