"""What ``/`` answers: to a browser the start page, or how to get it; to ``curl`` a list of what is here. No sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .page import HTML, Page
from .page_policy import page_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.datastructures import Headers

    from .static_pages import StaticFile

_ENDPOINTS = """\
/v1       the WebSocket (subprotocol tidegate.v1)
/models   what is served
/readyz   whether every model serves
/healthz  whether the gateway is alive
/metrics  numbers for Prometheus
"""
_TITLE = "Tidegate, a streaming WebSocket inference gateway."
_NO_PAGES = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tidegate</title>
<h1>Tidegate</h1>
<p>The gateway runs. Its pages (dashboard, playground, demos) are not built here.</p>
<p>In a clone of the repository, with Node 20 or newer: <code>make pages</code>, then start the gateway again.
If it was installed by <code>pip install .</code>, do that again in between.</p>
<p>Also here: <a href="/models">/models</a>, <a href="/readyz">/readyz</a>, <a href="/healthz">/healthz</a>,
<a href="/metrics">/metrics</a>, and the WebSocket at <code>/v1</code>.</p>
</html>
"""


def front(headers: Headers, pages: Mapping[str, StaticFile]) -> Page:
    """Answer a request for ``/`` with these headers: HTML to whoever asks for it by name, text to the rest."""
    if not any("text/html" in value.lower() for value in headers.get_all("Accept")):
        return Page(200, _listing(pages).encode(), headers={"Vary": "Accept"})
    if start := pages.get("/"):
        return start.answer(headers)
    return Page(200, _NO_PAGES.encode(), HTML, {"Vary": "Accept", **page_policy(headers.get("Host", ""))})


def _listing(pages: Mapping[str, StaticFile]) -> str:
    names = sorted(target for target, file in pages.items() if file.content_type == HTML)
    line = f"\nFor a browser: {' '.join(names)}\n" if names else ""
    return f"{_TITLE}\n\n{_ENDPOINTS}{line}"
