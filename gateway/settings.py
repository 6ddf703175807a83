"""Every setting of the gateway in one frozen structure: name, type, bounds, default and meaning.

It does not know where values come from (see ``settings_sources``) nor what they are used for. The command line, the
file, the environment and the help text are all derived from these fields, so nothing about a setting is said twice.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (msgspec reads the annotations at run time)
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from tidegate.models.slots import available_cores

from .access import access
from .machine import memory_share
from .settings_fields import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(ValueError):
    """Raised when settings are wrong.

    Attributes:
        mistakes: one clear line for each.
    """

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one gateway behaves; ``Settings()`` is a gateway on localhost with the bundled models.

    Raises:
        SettingsError: when a value is out of bounds, or two of them contradict each other.
    """

    models: Annotated[Path | None, Meta(description="Folder with the models to serve; none means the bundled models.")] = None
    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")] = 8000
    allow_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Further Host name that requests may carry: NAME, NAME:PORT or .DOMAIN; may be repeated."),
    ] = ()
    allow_origins: Annotated[
        tuple[str, ...],
        Meta(description="Further web origin that may connect, such as https://app.example; may be repeated."),
    ] = ()

    compute_slots: Annotated[
        int, Meta(ge=1, le=1024, description="Models that run at the same time; the cores by default.")
    ] = msgspec.field(default_factory=available_cores)
    queue_requests: Annotated[int, Meta(ge=1, description="Requests that may wait for one model.")] = 8192
    queue_bytes: Annotated[
        int,
        Meta(ge=1, description="Tensor bytes that may wait for all models together; a quarter of the memory, at most 1 GiB."),
    ] = msgspec.field(default_factory=lambda: memory_share(4, most=GIB))
    model_bytes: Annotated[
        int, Meta(ge=1, description="Tensor bytes that may wait for one model; an eighth of the memory, at most 512 MiB.")
    ] = msgspec.field(default_factory=lambda: memory_share(8, most=GIB // 2))
    client_bytes: Annotated[
        int,
        Meta(ge=1, description="Tensor bytes that one client may have waiting; a sixteenth of the memory, 16 to 256 MiB."),
    ] = msgspec.field(default_factory=lambda: memory_share(16, most=GIB // 4, least=16 * MIB))
    max_requests: Annotated[
        int,
        Meta(ge=1, description="Requests that may wait or run for all models; one for each 64 KiB of memory, at most 65536."),
    ] = msgspec.field(default_factory=lambda: memory_share(64 * KIB, most=65_536, least=1024))

    max_streams: Annotated[int, Meta(ge=1, description="Streams that may be open, all clients together.")] = 100_000
    streams_per_connection: Annotated[int, Meta(ge=1, description="Streams that one connection may have open.")] = 1024
    stream_bytes: Annotated[
        int,
        Meta(ge=1, description="Bytes that all streams may keep: states, waiting steps, results; a quarter of the memory."),
    ] = msgspec.field(default_factory=lambda: memory_share(4, most=4 * GIB))
    resume_window_s: Annotated[
        float,
        Meta(ge=0, le=86_400, description="Seconds that streams wait for a client that lost its connection; 0 for not at all."),
    ] = 60

    max_subscriptions: Annotated[int, Meta(ge=1, description="Subscriptions that may be open, all clients together.")] = 100_000
    subscriptions_per_connection: Annotated[int, Meta(ge=1, description="Subscriptions that a connection may have open.")] = 64
    max_topics: Annotated[int, Meta(ge=3, description="Topics that are known: their numbers and last events.")] = 1024
    topic_bytes: Annotated[int, Meta(ge=KIB, description="Bytes of events that are kept for those who come later.")] = 64 * MIB

    max_connections: Annotated[int, Meta(ge=1, description="WebSocket connections at the same time.")] = 10_000
    max_handshakes: Annotated[int, Meta(ge=1, description="Connections that may be in their opening handshake.")] = 256
    handshake_timeout_s: Annotated[float, Meta(gt=0, le=3600, description="Seconds that an opening handshake may take.")] = 10
    in_flight: Annotated[int, Meta(ge=1, description="Unanswered requests that one connection may have.")] = 256
    message_bytes: Annotated[int, Meta(ge=KIB, le=2 * GIB, description="Size of the largest binary message.")] = 16 * MIB
    text_bytes: Annotated[int, Meta(ge=KIB, le=2 * GIB, description="Size of the largest text message.")] = MIB
    inbound_bytes: Annotated[
        int,
        Meta(
            ge=1,
            description="Bytes of messages not yet whole or decoded, of all clients; an eighth of the memory, at most 512 MiB.",
        ),
    ] = msgspec.field(default_factory=lambda: memory_share(8, most=GIB // 2, least=32 * MIB))
    outbound_bytes: Annotated[int, Meta(ge=KIB, description="Bytes of answers that may wait for one client to read them.")] = (
        64 * MIB
    )
    outbound_total_bytes: Annotated[
        int,
        Meta(ge=1, description="Bytes of answers that all clients may leave unread; a quarter of the memory, at most 1 GiB."),
    ] = msgspec.field(default_factory=lambda: memory_share(4, most=GIB))
    outbound_age_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds that an answer may wait for a client that takes less than 64 KiB a second."),
    ] = 30
    stall_timeout_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds after which a client that reads none of its waiting answers is cut off."),
    ] = 10
    keepalive_s: Annotated[float, Meta(gt=0, le=3600, description="Seconds of silence after which a client is pinged.")] = 15
    grace_s: Annotated[
        float, Meta(ge=0, le=86_400, description="Seconds that running requests get when the gateway stops.")
    ] = 30
    log_level: Annotated[LogLevel, Meta(description="Least important messages that are logged.")] = "info"

    def __post_init__(self) -> None:
        mistakes = [*_wrong_values(self)] or [*_contradictions(self)]
        if mistakes:
            raise SettingsError(*mistakes)


def _wrong_values(settings: Settings) -> Iterator[str]:
    # Written back, since conversion also turns a folder's name into a path and a list into a tuple.
    for name, field in fields_of(Settings).items():
        try:
            msgspec.structs.force_setattr(settings, name, field.convert(getattr(settings, name)))
        except ValueError as error:
            yield f"{name}: {error}"


def _contradictions(settings: Settings) -> Iterator[str]:
    if settings.text_bytes > settings.message_bytes:
        yield f"text_bytes ({settings.text_bytes}) is more than message_bytes ({settings.message_bytes})"
    for limit in ("outbound_bytes", "outbound_total_bytes", "queue_bytes", "model_bytes", "client_bytes", "stream_bytes"):
        if (value := getattr(settings, limit)) < settings.message_bytes:
            yield f"{limit} ({value}) has no room for one message of message_bytes ({settings.message_bytes})"
    if settings.inbound_bytes < 2 * settings.message_bytes:
        least = 2 * settings.message_bytes
        yield f"inbound_bytes ({settings.inbound_bytes}) has no room for two messages of message_bytes (together {least})"
    try:
        access(settings.host, settings.port, settings.allow_hosts, settings.allow_origins)
    except ValueError as error:
        yield str(error)
