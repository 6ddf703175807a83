"""Who may subscribe to what, and publish on what: the one place that is asked. Pure.

It allows everything for now, but that only the gateway publishes under ``server/``.
"""

from __future__ import annotations

from tidegate.errors import Forbidden

SERVER = "server"


class Permissions:
    """Says what a session may do. Whoever has other rules asks here for who the session is."""

    __slots__ = ()

    def check_subscribe(self, session: str, pattern: str) -> None:
        """Check that a session may be sent the events of all topics that a pattern means.

        Raises:
            Forbidden: it may not.
        """

    def check_publish(self, session: str, topic: str) -> None:
        """Check that a session may publish on a topic.

        Raises:
            Forbidden: it may not.
        """
        if topic.split("/", 1)[0] == SERVER:
            raise Forbidden("topics under server/ are the gateway's own", param="publish", expected="another topic")
