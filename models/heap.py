"""Has the C library keep what one run lets go of for the next. It knows no model; where it cannot ask, nothing happens.

A run lets go of arrays of a megabyte, and the next one takes as many. glibc gives the end of a heap back to the system when
much lies free there, and takes large arrays from the system one by one. What is much or large begins at 128 KiB and grows
with the largest array that was freed, to 64 and 32 MiB (mallopt(3)). Until then it depends on where arrays lie whether
each run meets pages that the kernel must clear anew: a generation took a third longer in one process out of three. So both
are what they would grow to, from the beginning.

Bound: so much more may stay free at the end of each thread's heap.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of mallopt
_KEPT_BYTES = 64 * 1024 * 1024
_FROM_HEAP_BYTES = 32 * 1024 * 1024
_SET_BY_OPERATOR = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_what_is_freed() -> None:
    """Ask for it, for this process; whoever has set one of glibc's own variables knows better."""
    if any(name in os.environ for name in _SET_BY_OPERATOR):
        return
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _FROM_HEAP_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
