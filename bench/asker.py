"""A client that asks one thing at a time and waits for the answer; it also asks for pongs. It measures nothing itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .link import Link, text_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_TIMEOUT_S = 30.0


class Asker(Link):
    """A link with at most one thing on the way."""

    def __init__(self, opening: bytes, failures: list[str]) -> None:
        super().__init__(opening, failures)
        self._answer: asyncio.Future[bytes] | None = None

    @property
    def waiting(self) -> bool:
        """Whether the answer is outstanding."""
        return self._answer is not None

    async def ask(self, frame: bytes) -> bytes:
        """Send this and return the answer; of a ping it is nothing.

        Raises:
            TimeoutError: it did not come.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self.write(frame)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._answer
        finally:
            self._answer = None

    async def ping(self) -> None:
        """Send the protocol's ping and wait for its pong."""
        await self.ask(text_frame({"op": "ping", "id": 0}))

    def answered(self, messages: Sequence[bytes]) -> None:
        """Give the answer to who waits."""
        self._give(messages[0])

    def told(self, message: dict[str, Any]) -> None:
        """Take a pong; everything else as ever."""
        if message["op"] == "pong":
            self._give(b"")
        else:
            super().told(message)

    def fail(self, why: str) -> None:
        """Note it, and let nobody wait."""
        super().fail(why)
        self._give(b"")

    def _give(self, answer: bytes) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(answer)
