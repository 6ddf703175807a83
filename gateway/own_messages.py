"""What a gateway says of itself and of what went wrong, as messages. Pure; knows no session."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tidegate.codecs.messages import Error, Hello
from tidegate.codecs.parts import AnnouncedLimits
from tidegate.errors import Cancelled, ResumeFailed
from tidegate.version import __version__

if TYPE_CHECKING:
    from tidegate.codecs.errors import Subject
    from tidegate.codecs.parts import Id
    from tidegate.errors import TidegateError

    from .settings import Settings

FEATURES = ("streams", "resume", "generation", "snapshot", "subscriptions")


def greeting(settings: Settings, resume_token: str) -> Hello:
    """Say who is here and what is allowed."""
    limits = AnnouncedLimits(
        message_bytes=settings.message_bytes,
        text_bytes=settings.text_bytes,
        in_flight=settings.in_flight,
        streams=settings.streams_per_connection,
        subscriptions=settings.subscriptions_per_connection,
    )
    return Hello(
        protocol="tidegate.v1",
        server=f"tidegate/{__version__}",
        session=secrets.token_urlsafe(12),
        keepalive_ms=round(1000 * settings.keepalive_s),
        limits=limits,
        features=FEATURES,
        resume_token=resume_token,
        resume_window_ms=round(1000 * settings.resume_window_s),
    )


def error_message(
    subject: Subject,
    error: TidegateError,
    *,
    duplicate_of: Id | None = None,
    seq: int | None = None,
    expected_step: int | None = None,
) -> Error:
    """Word an error.

    Args:
        subject: what it is about; without an id it ends no request.
        error: what went wrong.
        duplicate_of: the id that a refused request shared with one that goes on.
        seq: its place among the results of a stream, if it ends a step.
        expected_step: the number that the stream's next step must have, if the error does not know.
    """
    outcome = error.outcome if isinstance(error, Cancelled) and error.outcome != "too_late" else None
    return Error(
        id=subject.id,
        stream=subject.stream,
        step=subject.step,
        seq=seq,
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        param=error.param,
        expected=error.expected,
        outcome=outcome,
        duplicate_of=duplicate_of,
        expected_step=getattr(error, "expected_step", None) or expected_step,
        lost=error.lost if isinstance(error, ResumeFailed) else (),
    )
