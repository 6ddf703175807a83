"""What one connection subscribes to, and how that is answered. Knows no socket.

Bounds: those of ``watchers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.errors import Subject
from tidegate.codecs.event_messages import Subscribe, Subscribed, Unsubscribed
from tidegate.errors import TidegateError

from .counts import OTHER
from .watcher import Watcher

if TYPE_CHECKING:
    from tidegate.codecs.errors import Form
    from tidegate.codecs.event_messages import Unsubscribe

    from .hub import Hub
    from .link import Link
    from .replies import Replies


class SubscriptionOps:
    """The subscriptions of one session."""

    __slots__ = ("_hub", "_replies", "_session", "_watcher")

    def __init__(self, hub: Hub, link: Link, replies: Replies, session: str) -> None:
        self._hub = hub
        self._replies = replies
        self._session = session
        self._watcher = Watcher(link)

    def serve(self, message: Subscribe | Unsubscribe, form: Form) -> None:
        """Do what a message asks for."""
        if not isinstance(message, Subscribe):
            self._hub.broadcast.watchers.remove(self._watcher, message.topic)
            self._replies.send(Unsubscribed(id=message.id, topic=message.topic), form)
            self._hub.watched()
            return
        try:
            self._hub.permissions.check_subscribe(self._session, message.topic)
            self._hub.broadcast.watchers.add(self._watcher, message.topic, form, message.overflow)
        except TidegateError as error:
            self._replies.refuse(Subject(message.id), form, error, OTHER)
            return
        self._replies.send(Subscribed(id=message.id, topic=message.topic), form)
        self._hub.broadcast.catch_up(self._watcher)
        self._hub.watched()

    def has_room(self) -> None:
        """Go on, if the client has read enough."""
        if self._watcher.behind:
            self._hub.broadcast.catch_up(self._watcher)

    def close(self) -> None:
        """Watch nothing any more."""
        self._hub.broadcast.watchers.remove_all(self._watcher)
        self._hub.watched()
