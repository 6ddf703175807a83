"""What memory this machine offers to one process. It reads them once, at start, and knows no settings."""

from __future__ import annotations

import os
from pathlib import Path

GIB = 1024**3
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def available_memory_bytes() -> int:
    """Give the memory of the machine, or of the container when that is less."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        machine = 4 * GIB
    return min(machine, _container_memory_bytes() or machine)


def memory_share(part: int, *, most: int, least: int = 0) -> int:
    """Choose a bound: one part of so many of the memory, within limits."""
    return max(least, min(most, available_memory_bytes() // part))


def _container_memory_bytes() -> int | None:
    try:
        text = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
