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


def default_queue_bytes() -> int:
    """Choose what all queues together may hold: a quarter of the memory, at most 1 GiB."""
    return min(GIB, available_memory_bytes() // 4)


def default_outbound_total_bytes() -> int:
    """Choose what clients together may leave unread: a quarter of the memory, at most 1 GiB."""
    return min(GIB, available_memory_bytes() // 4)


def default_inbound_bytes() -> int:
    """Choose what messages that are not whole or not decoded may hold: an eighth of the memory, 32 to 512 MiB."""
    return max(GIB // 32, min(GIB // 2, available_memory_bytes() // 8))


def _container_memory_bytes() -> int | None:
    try:
        text = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
