"""Take answers as they come. The questions may be endless: they are drawn only as fast as answers are taken."""

import asyncio
import sys

import tidegate
from tidegate.client_demo.images import load_held_back

IMAGES = load_held_back().images


async def main(url: str = "ws://127.0.0.1:8000/v1") -> None:
    """Count the ones among all images, each a question of its own."""
    ones = 0
    async with tidegate.connect(url) as gw:
        async for task in gw.as_completed(gw.submit("digits", image=image[None]) for image in IMAGES):
            ones += (await task)["probs"].argmax() == 1

    print(f"{ones} of {len(IMAGES)} images show a one")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
