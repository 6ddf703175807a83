"""Let a model write, and print each character as it is made."""

import asyncio
import sys

import tidegate

BEGINNING = "\nAnd God said"


async def main(url: str = "ws://127.0.0.1:8000/v1") -> None:
    """Write one verse; the same seed writes the same one."""
    async with tidegate.connect(url) as gw:
        (chars,) = [model for model in await gw.models() if model["name"] == "chars"]
        prompt = [chars["stream"]["loop"]["vocab"].index(character) for character in BEGINNING]
        print(BEGINNING.strip(), end="")
        async for result in gw.generate("chars", prompt, max_steps=200, temperature=0.7, seed=1):
            print(result.text, end="", flush=True)
            if result.final:
                print(f"\n(ended by {result.reason})")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
