"""The thread that writes: everybody's turn, what is forgotten, and what fails."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from tidegate.gateway.encoder import NAME, Encoder

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 10.0


class Desk:
    """An encoder whose thread does nothing until it is let."""

    def __init__(self) -> None:
        self.encoder = Encoder(asyncio.get_running_loop())
        self.gate = threading.Event()
        self.threads: set[str] = set()
        self.made: list[Any] = []
        self.encoder.start()

    def submit(self, owner: str, value: Any) -> None:
        self.encoder.submit(owner, lambda: self._write(value), self.made.append)

    def _write(self, value: Any) -> Any:
        self.gate.wait(LIMIT_S)
        self.threads.add(threading.current_thread().name)
        if isinstance(value, Exception):
            raise value
        return value

    async def until(self, condition: Callable[[], bool]) -> None:
        self.gate.set()
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110 - nothing here sets an event
                await asyncio.sleep(0.001)


async def test_owners_take_turns() -> None:
    """One that has much to write does not keep the others waiting: each has one job done, then each its second."""
    desk = Desk()
    for number in range(4):
        desk.submit("a", f"a{number}")
    desk.submit("b", "b0")
    desk.submit("c", "c0")
    desk.submit("b", "b1")
    await desk.until(lambda: len(desk.made) == 7)
    # Two are with the thread already when the others come.
    assert desk.made == ["a0", "a1", "a2", "b0", "c0", "a3", "b1"]
    assert desk.threads == {NAME}
    assert not desk.encoder.busy
    desk.encoder.stop()


async def test_what_fails_is_handed_back() -> None:
    """What a job raises comes back like what it makes, and the thread goes on."""
    desk = Desk()
    error = MemoryError("too much")
    desk.submit("a", error)
    desk.submit("a", "next")
    await desk.until(lambda: len(desk.made) == 2)
    assert desk.made == [error, "next"]
    desk.encoder.stop()


async def test_one_that_goes_is_forgotten() -> None:
    """Jobs of an owner that has gone are dropped, if they have not begun; nobody else's are."""
    desk = Desk()
    for number in range(5):
        desk.submit("a", f"a{number}")
    desk.submit("b", "b0")
    desk.encoder.forget("a")
    desk.encoder.forget("nobody")
    await desk.until(lambda: not desk.encoder.busy)
    assert desk.made == ["a0", "a1", "b0"]
    desk.encoder.stop()


async def test_the_thread_ends() -> None:
    """Stopped, the thread does what it has at hand and ends."""
    desk = Desk()
    before = {thread for thread in threading.enumerate() if thread.name == NAME}
    desk.submit("a", "a0")
    desk.encoder.stop()
    await desk.until(lambda: not any(thread.is_alive() for thread in before))
    await desk.until(lambda: desk.made == ["a0"])
