"""Ask many things at once and wait for all the answers."""

import asyncio
import sys

import tidegate
from tidegate.client_demo.images import load_held_back

IMAGES = load_held_back().images[:10]


async def main(url: str = "ws://127.0.0.1:8000/v1") -> None:
    """Recognise ten digits; the gateway runs them as one batch, and the answers keep the order of the questions."""
    async with tidegate.connect(url) as gw:
        results = await asyncio.gather(*(gw.infer("digits", image=image[None]) for image in IMAGES))

    print("they are", *(result["probs"].argmax() for result in results))
    print("rows in the batch of each:", *(result.timing.batch_size for result in results))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
