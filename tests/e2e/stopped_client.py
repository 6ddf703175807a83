"""A client for a process of its own, to be stopped by SIGSTOP: it asks for large answers, reads the first and says so.

Called with the port of a gateway that serves the quick models.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "models"))

from good_requests import wide
from raw_client import RawClient


async def main(port: int) -> None:
    client = await RawClient.open(port)
    await client.send(b"".join(wide(number) for number in range(40)))
    await client.message()
    print("reading", flush=True)
    while await client.frame():  # noqa: ASYNC110 - it reads slowly
        await asyncio.sleep(0.02)


asyncio.run(main(int(sys.argv[1])))
