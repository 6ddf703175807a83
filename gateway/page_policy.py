"""What a browser is told that the gateway's own pages may do: next to nothing. A host in, headers out.

Scripts and styles come from this host only and never from inside a page, so a text of a client that finds its way into one
is shown and not run. The pages may connect to where they come from, and to nobody else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .origins import parse_host

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN_NAME = re.compile(r"[a-z0-9.-]+")  # the policy has no way to write an IPv6 address
_CONTENT = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "media-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
_OTHERS = {
    "Permissions-Policy": "microphone=(self), camera=(), display-capture=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


def page_policy(host: str) -> Mapping[str, str]:
    """Give the headers of a page that was asked for with this ``Host``, which is allowed here."""
    return {"Content-Security-Policy": "; ".join((*_CONTENT, _connect(host))), **_OTHERS}


def _connect(host: str) -> str:
    # Older browsers do not count a WebSocket as 'self'.
    parsed = parse_host(host)
    if parsed is None or not _PLAIN_NAME.fullmatch(parsed.name):
        return "connect-src 'self'"
    place = f"{parsed.name}:{parsed.port}" if parsed.port else parsed.name
    return f"connect-src 'self' ws://{place} wss://{place}"
