"""Sees to it that the catalogue knows a model before it is used, if the server does. It knows no requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from tidegate.errors import TidegateError

if TYPE_CHECKING:
    from .driver import Driver

RELEARN_S = 1.0
"""A model that is not in the list is looked for again at most this often."""


class Learner:
    """Asks for the list of models, once for all who want to know at the same time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._task: asyncio.Task[None] | None = None
        self._learned_at = float("-inf")

    async def learn(self, model: str, version: str | None, limit: float) -> None:
        """Find out about a model that is not known, for ``limit`` seconds at most; if that fails, the server will say why."""
        self.learn_soon(model, version, limit)
        if not self._driver.catalogue.knows(model, version) and self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=limit)

    def learn_soon(self, model: str, version: str | None, limit: float) -> None:
        """Begin to find out about a model that is not known."""
        now = self._driver.loop.time()
        known = self._driver.catalogue.knows(model, version)
        if not known and (self._task is None or self._task.done()) and now - self._learned_at >= RELEARN_S:
            self._learned_at = now
            self._task = self._driver.loop.create_task(self._try_to_learn(limit))

    async def close(self) -> None:
        """Wait for the end of what is under way; the connection is closed, so it has just failed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _try_to_learn(self, limit: float) -> None:
        with suppress(TidegateError):
            await self._driver.learn(limit, repeatable=True)
