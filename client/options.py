"""What a caller may choose about a connection; each option is declared here once. It knows nothing of how they are used."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the fields are read at run time by the tests
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from tidegate.arguments import check_timeout
from tidegate.codecs.errors import Form

if TYPE_CHECKING:
    from ssl import SSLContext

MIB = 1024 * 1024
LONGEST_TIMEOUT_S = 86_400.0
"""A day: the longest time limit that the protocol can carry; a longer one is cut to it, so no wait is without limit."""

FormName = Literal["msgpack", "json", "text"]


class ConnectOptions(TypedDict, total=False):
    """The keyword arguments of ``tidegate.connect``; ``Options`` says what they mean and what their defaults are."""

    timeout: float
    open_timeout: float
    connect_timeout: float
    close_timeout: float
    reconnect: bool
    max_pending: int
    max_buffer_bytes: int
    max_answer_bytes: int
    form: FormName
    headers: Mapping[str, str] | None
    ssl: SSLContext | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a connection.

    Attributes:
        timeout: time limit in seconds of a request that names none of its own. There is always one: ``inf`` means a day.
        open_timeout: seconds that one attempt to connect may take, handshake and greeting included.
        connect_timeout: seconds during which the first connection is tried again; 0 means one attempt, so that a wrong
            address fails at once.
        close_timeout: seconds that ``close`` waits for the server before it cuts the connection.
        reconnect: whether a lost connection is opened again.
        max_pending: requests that may wait in this process for their turn; beyond it, ``Overloaded``.
        max_buffer_bytes: bytes of unfinished requests that are kept in this process, to be sent or to be sent again.
            Beyond it ``infer`` waits and ``submit`` raises ``Overloaded``. A single larger request is let through alone.
        max_answer_bytes: the largest message that is accepted from the server.
        form: how requests are written: msgpack header, JSON header, or JSON text (slow; to look at).
        headers: HTTP headers for the handshake, such as ``{"Authorization": "Bearer …"}``.
        ssl: for ``wss://``, instead of the default context.
    """

    timeout: float = 60.0
    open_timeout: float = 10.0
    connect_timeout: float = 0.0
    close_timeout: float = 2.0
    reconnect: bool = True
    max_pending: int = 10_000
    max_buffer_bytes: int = 64 * MIB
    max_answer_bytes: int = 256 * MIB
    form: FormName = "msgpack"
    headers: Mapping[str, str] | None = None
    ssl: SSLContext | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work, with the name of the option."""
        for name in ("timeout", "open_timeout", "close_timeout", "max_pending", "max_buffer_bytes", "max_answer_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)!r}")
        if not self.connect_timeout >= 0:
            raise ValueError(f"connect_timeout must not be negative, not {self.connect_timeout!r}")
        Form(self.form)

    @property
    def wire_form(self) -> Form:
        """How requests are written, as the codec names it."""
        return Form(self.form)

    def time_limit(self, timeout: float | None) -> float:
        """Return the seconds that a request has, given what its caller asked for.

        Raises:
            ValueError: if ``timeout`` is not more than 0.
        """
        check_timeout(timeout)
        return min(self.timeout if timeout is None else timeout, LONGEST_TIMEOUT_S)
