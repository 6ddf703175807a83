"""What a gateway says of itself and of what went wrong, as messages. Pure; knows no session."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tidegate.codecs.messages import AnnouncedLimits, Error, Hello
from tidegate.errors import Cancelled
from tidegate.version import __version__

if TYPE_CHECKING:
    from tidegate.codecs.messages import Id
    from tidegate.errors import TidegateError

    from .settings import Settings


def greeting(settings: Settings) -> Hello:
    """Say who is here and what is allowed."""
    limits = AnnouncedLimits(message_bytes=settings.message_bytes, text_bytes=settings.text_bytes, in_flight=settings.in_flight)
    return Hello(
        protocol="tidegate.v1",
        server=f"tidegate/{__version__}",
        session=secrets.token_urlsafe(12),
        keepalive_ms=round(1000 * settings.keepalive_s),
        limits=limits,
    )


def error_message(id_: Id | None, error: TidegateError, *, duplicate_of: Id | None = None) -> Error:
    """Word an error; without an id it ends no request."""
    outcome = error.outcome if isinstance(error, Cancelled) and error.outcome != "too_late" else None
    return Error(
        id=id_,
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        param=error.param,
        expected=error.expected,
        outcome=outcome,
        duplicate_of=duplicate_of,
    )
