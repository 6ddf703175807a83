"""Time slices are asked for where the kernel knows them, and nothing happens elsewhere."""

from __future__ import annotations

import os
import platform
import re
import threading
from pathlib import Path

import pytest

from tidegate.models import time_slice


def slice_ns() -> int | None:
    """Return the calling thread's slice as the kernel shows it; None where it does not."""
    try:
        lines = Path(f"/proc/self/task/{threading.get_native_id()}/sched").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split(":")[1]) for line in lines if line.startswith("se.slice")), None)


def test_a_thread_gets_short_slices_and_the_usual_ones_back() -> None:
    """Asking changes the slice of the calling thread, there and back, and neither its niceness nor another thread."""
    before, nice = slice_ns(), os.getpriority(os.PRIO_PROCESS, 0)
    version = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    if before is None or version < (6, 12):
        pytest.skip("this kernel knows no time slices, or does not show them")
    seen: list[int | None] = []

    def ask() -> None:
        for short in (True, False):
            time_slice.ask(short=short)
            seen.append(slice_ns())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert seen == [100_000, 3_000_000]
    assert slice_ns() == before
    assert os.getpriority(os.PRIO_PROCESS, 0) == nice


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system without such slices, asking is no error."""
    monkeypatch.setattr(time_slice, "_call", None)
    time_slice.ask(short=True)
