"""Loaded by Python itself when this folder is on its path: blocking calls on an event loop's thread raise, and are told.

Whoever starts a process with it looks for ``READY`` and ``FOUND`` in its log (see ``server_process``).
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback

from blockbuster import BlockBuster, BlockingError

READY = "blocking calls are detected"
FOUND = "BLOCKING CALL"


async def _prove() -> None:
    try:
        time.sleep(0)  # noqa: ASYNC251 - the proof
    except BlockingError:
        print(READY, file=sys.stderr, flush=True)


def _tell(self: BlockingError, function: str) -> None:
    # Told here, since whoever called may swallow the error.
    print(f"{FOUND} {function}", *traceback.format_stack()[:-2], file=sys.stderr, flush=True)
    Exception.__init__(self, f"{FOUND} {function}")


BlockBuster().activate()
asyncio.run(_prove())
BlockingError.__init__ = _tell
