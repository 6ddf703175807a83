"""Describes the machine and the versions that a measurement was made with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("tidegate", "websockets", "uvloop", "msgpack", "msgspec", "numpy", "onnxruntime")


def describe() -> str:
    """Return two lines: the machine, and the versions of what was measured."""
    cores = sorted(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return f"{len(cores)} cores of {_cpu()}, Linux {platform.release()}\nPython {platform.python_version()}, {versions}"


def two_cores() -> tuple[int, int]:
    """Return the two cores to measure on: one for the server, one for the load.

    Raises:
        SystemExit: when this process may use only one, where nothing measured would mean anything.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("bench: this needs two cores, one for the server and one for the load")
    return cores[0], cores[1]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
