"""Makes this folder's helpers importable, and gives a fixture that watches over a test's event loop."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
async def leaves_nothing() -> AsyncIterator[None]:
    """Fail the test if it leaves a task that does not end, or if the loop had something to complain about."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    yield
    async with asyncio.timeout(5.0):
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
    assert not complaints
