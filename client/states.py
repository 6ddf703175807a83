"""The states of a connection, one of which holds at any time. Data only; ``session`` says what leads from one to another.

::

    Connecting ──hello──▶ Open ──goaway──▶ Draining
        ▲ │                │                  │
        │ └─failed─┐       │ lost             │ lost
        │          ▼       ▼                  ▼
        └─time── Reconnecting ◀───────────────┘
    any of them ──close, or an end for good──▶ Closed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.codecs.messages import Hello


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt to connect is under way."""

    def __str__(self) -> str:
        return "connecting"


@dataclass(frozen=True, slots=True)
class Open:
    """The server has said hello; requests may be sent."""

    hello: Hello

    def __str__(self) -> str:
        return "open"


@dataclass(frozen=True, slots=True)
class Draining:
    """The server said goaway: what runs may finish until ``until``, nothing new is sent."""

    hello: Hello
    reason: str
    until: float

    def __str__(self) -> str:
        return f"draining ({self.reason})" if self.reason else "draining"


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection is lost, or could not be made; the next attempt begins at ``at``."""

    at: float
    reason: str

    def __str__(self) -> str:
        return f"reconnecting ({self.reason})"


@dataclass(frozen=True, slots=True)
class Closed:
    """The end: nothing is sent any more and every request fails."""

    reason: str

    def __str__(self) -> str:
        return f"closed ({self.reason})"


State = Connecting | Open | Draining | Reconnecting | Closed
