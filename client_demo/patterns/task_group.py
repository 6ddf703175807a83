"""Ask several things that belong together: all of them succeed, or none goes on."""

import asyncio
import sys

import tidegate
from tidegate.client_demo.images import load_held_back

IMAGES = load_held_back().images[:10]


async def main(url: str = "ws://127.0.0.1:8000/v1") -> None:
    """Recognise ten digits; had one of them failed, the others would be cancelled, on the gateway too."""
    async with tidegate.connect(url) as gw, asyncio.TaskGroup() as group:
        tasks = [group.create_task(gw.infer("digits", image=image[None])) for image in IMAGES]

    print("they are", *(task.result()["probs"].argmax() for task in tasks))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
