"""Give questions a time limit: it travels to the gateway, which does not begin what would come too late."""

import asyncio
import sys

import tidegate
from tidegate.client_demo.images import load_held_back
from tidegate.errors import DeadlineExceeded

IMAGES = load_held_back().images


async def main(url: str = "ws://127.0.0.1:8000/v1") -> None:
    """Ask more than can be answered in 20 milliseconds, and count what came in time."""
    async with tidegate.connect(url) as gw:
        questions = [gw.infer("digits", image=IMAGES, timeout=0.02) for _ in range(100)]
        results = await asyncio.gather(*questions, return_exceptions=True)

    late = sum(isinstance(result, DeadlineExceeded) for result in results)
    print(f"{len(results) - late} of {len(results)} were answered within 20 ms, {late} ended as deadline_exceeded")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
