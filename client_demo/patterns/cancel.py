"""Take a question back, and hear what became of it: removed, dropped, or too late."""

import asyncio
import sys

import tidegate
from tidegate.client_demo.images import load_held_back

IMAGES = load_held_back().images


async def main(url: str = "ws://127.0.0.1:8000/v1") -> None:
    """Ask fifty things and take the last one back; nobody else notices."""
    async with tidegate.connect(url) as gw:
        *others, last = [gw.submit("digits", image=IMAGES) for _ in range(50)]
        outcome = await last.cancel()
        results = await asyncio.gather(*others)

    print(f"the last question was {outcome.replace('_', ' ')}, its status is {last.status}")
    print(f"the other {len(results)} were answered")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
