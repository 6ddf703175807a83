"""Generations that are asked for, so many at a time: each is a stream of its own, opened, given one step, and closed.

``together``: all begin at once, and the next ones when the last of them has ended. ``steady``: whenever one ends the next
begins, and the first ones are so much shorter that the ends spread. What comes is kept and looked into after the window.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from .generation_cases import INPUT, MODEL, PROMPT, SEED, STEPS
from .link import Link
from .streams_wire import close_frame, open_frame, step_frame, told_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .generation_cases import Prompts

FINAL = b"\xa5final\xc3"
"""How the header of a last result says so."""


class Asked(NamedTuple):
    """A generation: the number of its stream, its prompt, how many tokens it is to make, and when it was asked for."""

    stream: int
    prompt: int
    steps: int
    at: float


class AskingLink(Link):
    """Asks for generations, keeps what comes, and says when one has ended."""

    def __init__(self, opening: bytes, failures: list[str], ended: Callable[[AskingLink], None]) -> None:
        super().__init__(opening, failures)
        self._ended = ended
        self._under_way = 0
        self.kept: list[tuple[float, Sequence[bytes]]] = []

    @property
    def waiting(self) -> bool:
        """Whether a generation is under way."""
        return self._under_way > 0

    def ask(self, frames: bytes) -> None:
        """Send the frames of one generation."""
        self._under_way += 1
        self.write(frames)

    def answered(self, messages: Sequence[bytes]) -> None:
        """Keep them; go on behind those that are the last of a generation."""
        self.kept.append((perf_counter(), messages))
        for message in messages:
            if FINAL in message:
                self._under_way -= 1
                self.write(close_frame(told_of(message)[0].stream))
                self._ended(self)


class Asking:
    """Asks on all links, from ``start`` to ``stop``.

    Attributes:
        asked: everything that was asked for, by number of stream.
        ended: how many of them have ended.
    """

    def __init__(self, prompts: Prompts, concurrent: int, manner: str, temperature: float) -> None:
        self._prompts = prompts.prompts
        self._concurrent = concurrent
        self._together = manner == "together"
        self._temperature = temperature
        self._links: Sequence[AskingLink] = ()
        self._stopped = False
        self.asked: dict[int, Asked] = {}
        self.ended = 0

    @property
    def over(self) -> bool:
        """Whether everything that was asked for has ended."""
        return self.ended == len(self.asked)

    def start(self, links: Sequence[AskingLink]) -> None:
        """Ask for the first ones."""
        self._links = links
        for place in range(self._concurrent):
            spread = STEPS if self._together else STEPS * (place + 1) // self._concurrent
            self._ask(links[place % len(links)], spread)

    def stop(self) -> None:
        """Ask for no more."""
        self._stopped = True

    def end(self, link: AskingLink) -> None:
        """Take note that a generation has ended on a link, and ask for what comes next."""
        self.ended += 1
        if self._stopped or (self._together and not self.over):
            return
        for next_link in self._turn() if self._together else [link]:
            self._ask(next_link, STEPS)

    def _turn(self) -> list[AskingLink]:
        return [self._links[place % len(self._links)] for place in range(self._concurrent)]

    def _ask(self, link: AskingLink, steps: int) -> None:
        stream = len(self.asked)
        prompt = stream % len(self._prompts)
        self.asked[stream] = Asked(stream, prompt, steps, perf_counter())
        parameters: dict[str, object] = {"max_steps": steps, "temperature": self._temperature, "seed": SEED + prompt}
        array = self._prompts[prompt].reshape(1, PROMPT)
        link.ask(open_frame(stream, MODEL) + step_frame(stream, 1, INPUT, array, parameters=parameters))
