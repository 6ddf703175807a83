"""Stream sound to a model that remembers what it has heard. The gateway keeps its memory, over lost connections too."""

import asyncio
import sys

import tidegate
from tidegate.client_demo.recordings import load_recordings

SOUND = load_recordings()[0].samples  # 16,000 a second
CHUNKS = [SOUND[start : start + 512] for start in range(0, len(SOUND) - 511, 512)]


async def main(url: str = "ws://127.0.0.1:8000/v1") -> None:
    """Listen chunk by chunk, and say when somebody began to speak."""
    async with tidegate.connect(url) as gw, gw.stream("silero_vad", sr=16_000) as stream:
        async for result in stream.run(CHUNKS):
            if result["output"].item() >= 0.5:
                print(f"somebody speaks after {result.step * 0.032:.2f} s")
                break


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
