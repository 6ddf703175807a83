"""What one client subscribes to, over any number of connections: what is sent for that, and who gets which events. Pure.

A pattern is asked for once, however many of the program's subscriptions have it, and again on each new connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.event_messages import Event, Subscribe, Unsubscribe
from tidegate.errors import InvalidMessage

from .answers import another, as_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.codecs.messages import ClientMessage, Error, Hello
    from tidegate.errors import TidegateError
    from tidegate.results import Array

    from .feed import Feed

FEATURE = "subscriptions"


class Subscriptions:
    """The subscriptions of one client."""

    def __init__(self, next_id: Callable[[], int]) -> None:
        self._next_id = next_id
        self._feeds: dict[str, list[Feed]] = {}
        self._asked: dict[int, str] = {}
        self._out: list[ClientMessage] = []
        self._hello: Hello | None = None
        self._batch = 0

    def __len__(self) -> int:
        return sum(map(len, self._feeds.values()))

    def add(self, feed: Feed) -> None:
        """Begin a subscription, now or when there is a connection; it is sent the last events of what it means."""
        self._feeds.setdefault(feed.pattern, []).append(feed)
        if self._hello is not None:
            self._ask(feed.pattern)

    def remove(self, feed: Feed) -> None:
        """End a subscription."""
        feeds = self._feeds.get(feed.pattern, [])
        if feed in feeds:
            feeds.remove(feed)
            if not feeds:
                del self._feeds[feed.pattern]
                if self._hello is not None:
                    self._out.append(Unsubscribe(id=self._next_id(), topic=feed.pattern))

    def end(self, error: TidegateError) -> None:
        """End everything."""
        for pattern in tuple(self._feeds):
            self._fail(pattern, error)
        self._out.clear()

    def take_out(self) -> list[ClientMessage]:
        """Return the messages to be sent, in order."""
        out, self._out = self._out, []
        return out

    # What comes in.

    def event(self, message: Event, tensors: dict[str, Array]) -> None:
        """Hand an event to whoever subscribes to it; what nobody wants any more is dropped."""
        segments = tuple(message.topic.split("/"))
        found = [feed for feeds in self._feeds.values() for feed in feeds if feed.means(segments)]
        for number, feed in enumerate(found):
            own = tensors if not number else {name: array.copy() for name, array in tensors.items()}
            feed.put(message, own, self._batch)

    def error(self, message: Error) -> bool:
        """Take an error; return whether it was about a subscription."""
        pattern = self._asked.pop(message.id, None) if isinstance(message.id, int) else None
        if pattern is not None:
            self._fail(pattern, as_error(message))
        return pattern is not None

    def subscribed(self, id_: object) -> None:
        """Take note that a pattern was accepted."""
        if isinstance(id_, int):
            self._asked.pop(id_, None)

    def batch_over(self) -> None:
        """Take note that what comes next did not come together with what came before."""
        self._batch += 1

    # Connections come and go.

    def greeted(self, hello: Hello) -> None:
        """A connection was opened: ask for everything."""
        self._hello = hello
        for pattern in tuple(self._feeds):
            self._ask(pattern)

    def cut(self) -> None:
        """The connection is gone."""
        self._hello = None
        self._asked.clear()
        self._out.clear()

    def _ask(self, pattern: str) -> None:
        if self._hello is not None and FEATURE not in self._hello.features:
            self._fail(pattern, InvalidMessage("the gateway has no subscriptions"))
            return
        keeps = any(feed.overflow == "drop_oldest" for feed in self._feeds[pattern])
        id_ = self._next_id()
        self._asked[id_] = pattern
        self._out.append(Subscribe(id=id_, topic=pattern, overflow="drop_oldest" if keeps else "latest"))

    def _fail(self, pattern: str, error: TidegateError) -> None:
        for feed in self._feeds.pop(pattern, ()):
            feed.end(another(error))
