"""The same models, batches and errors in this process, with no gateway and no socket."""

import asyncio

import tidegate
from tidegate.client_demo.images import load_held_back

IMAGES = load_held_back().images[:10]


async def main() -> None:
    """Load the bundled models and recognise ten digits in one batch."""
    async with tidegate.Engine() as engine:
        results = await asyncio.gather(*(engine.infer("digits", image=image[None]) for image in IMAGES))

    print("they are", *(result["probs"].argmax() for result in results))


if __name__ == "__main__":
    asyncio.run(main())
