"""Where a gateway is: completes what people type to the address that is dialled. It dials nothing."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

DEFAULT_URL = "ws://127.0.0.1:8000/v1"
DEFAULT_PATH = "/v1"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def complete(url: str) -> str:
    """Return the full address: ``ws://host:port`` gets the path ``/v1``; any other path is kept.

    Raises:
        ValueError: if this is not the address of a WebSocket.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{url!r} is not the address of a gateway; it looks like {DEFAULT_URL} or wss://host/v1")
    if parts.fragment:
        raise ValueError(f"{url!r} has a fragment, which WebSocket addresses cannot have")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") or DEFAULT_PATH))


def without_secrets(url: str) -> str:
    """Return the address as it may be shown: without user, password and query, where people put tokens."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def is_loopback(url: str) -> bool:
    """Tell whether the address is on this machine: then no proxy from the environment has a say."""
    return urlsplit(url).hostname in _LOOPBACK
