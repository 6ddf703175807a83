"""The C library keeps what was freed for what comes next, unless an operator has decided otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

RUNS = """
import resource, sys
import numpy as np
from tidegate.models import heap

if sys.argv[1] == "keep":
    heap.keep_what_is_freed()
for run in range(60):
    if run == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(3 << 20, np.uint8) for _ in range(4)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 40 * 4 * (3 << 20) // os.sysconf("SC_PAGE_SIZE")


def faults(how: str, **environment: str) -> float:
    """Return which share of the pages that 40 runs write to had to be fetched from the kernel."""
    command = [sys.executable, "-c", RUNS, how]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout) / PAGES


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own ways")
def test_runs_find_the_memory_of_those_before_them() -> None:
    """Arrays that each run frees and takes again lie on pages that are there; without asking, the kernel clears them anew."""
    assert faults("keep") < 0.05
    assert faults("do not") > 0.5


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own ways")
def test_an_operator_decides() -> None:
    """What is set in glibc's own variables stays as it is."""
    assert faults("keep", MALLOC_TRIM_THRESHOLD_="131072") > 0.5
