"""What a GET on the gateway's port answers: a method, a path and headers in, a response out; no sockets.

A request that is a WebSocket handshake gets None: the library goes on with it. Everything else is answered here and the
connection closed, since the WebSocket library reads no request bodies and keeps no HTTP connection alive. Who may ask at all
is for ``access`` to say, what the numbers mean for ``metrics``.
"""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from .exposition import CONTENT_TYPE, Exposition
from .front import front
from .page import Page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from websockets.asyncio.server import ServerConnection

    from .access import Access
    from .metrics import Metrics
    from .static_pages import StaticFile

WEBSOCKET_PATH = "/v1"

_JSON = "application/json"


def _always() -> bool:
    return True


@dataclass(slots=True)
class HttpState:
    """What answers are made from.

    Attributes:
        access: who may ask.
        models: looks up the models as in the ``models`` message: mappings with name, version, state and perhaps error.
        metrics: the gateway's numbers; refusals are counted in it.
        has_room: whether one more WebSocket connection may be opened.
        pages: the built pages by their paths; empty if there are none.
        draining: whether the gateway is about to stop; set by whoever stops it.
    """

    access: Access
    models: Callable[[], Sequence[Mapping[str, Any]]]
    metrics: Metrics
    has_room: Callable[[], bool] = _always
    pages: Mapping[str, StaticFile] = field(default_factory=dict)
    draining: bool = False
    exposition: Exposition = field(init=False)

    def __post_init__(self) -> None:
        self.exposition = Exposition(self.metrics)


def process_request(
    state: HttpState,
) -> Callable[[ServerConnection, Request], Response | Awaitable[Response | None] | None]:
    """Make the function that ``websockets`` calls with each request; ``/metrics`` reads files, so a thread writes it."""

    def process(_connection: ServerConnection, request: Request) -> Response | Awaitable[Response | None] | None:
        given = (request.method, request.path, request.headers, state)
        # Whoever is refused is refused here: counting belongs to the loop's thread.
        if _target(request.path) != "/metrics" or state.access.refusal(request.headers):
            return respond(*given)
        state.metrics.sample(time.monotonic())
        return asyncio.to_thread(respond, *given)

    return process


def respond(method: str, path: str, headers: Headers, state: HttpState) -> Response | None:
    """Answer one request.

    Args:
        method: such as GET.
        path: the request's target, with its query if it has one.
        headers: its headers.
        state: what answers are made from.

    Returns:
        The whole response, or None when the WebSocket handshake should go on.
    """
    page = _page(method, path, headers, state)
    return _response(page, method, state.access.allowed_origin(headers)) if page else None


def _page(method: str, path: str, headers: Headers, state: HttpState) -> Page | None:
    if refusal := state.access.refusal(headers):
        state.metrics.refused.add(refusal.reason)
        return _message(refusal.status, refusal.message)
    target = _target(path)
    if target == WEBSOCKET_PATH:
        return _handshake(method, headers, state)
    write = _writer(target, headers, state)
    if write is None:
        return _message(404, f"nothing is here; the WebSocket is at {WEBSOCKET_PATH}, and / lists the rest")
    if method == "OPTIONS" and state.access.allowed_origin(headers):
        return Page(204, b"", headers={"Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Max-Age": "600"})
    if method not in ("GET", "HEAD"):
        return _message(405, "only GET and HEAD are answered here", Allow="GET, HEAD")
    return write()


def _writer(target: str, headers: Headers, state: HttpState) -> Callable[[], Page] | None:
    """Say what would make the page at ``target``, if there is one."""
    if target == "/":
        return functools.partial(front, headers, state.pages)
    if target in _PAGES:
        return functools.partial(_PAGES[target], state)
    file = state.pages.get(target)
    return functools.partial(file.answer, headers) if file else None


def _target(path: str) -> str:
    return path.partition("?")[0]


def _handshake(method: str, headers: Headers, state: HttpState) -> Page | None:
    if method != "GET":
        return _message(405, "a WebSocket handshake is a GET", Allow="GET")
    if not _wants_websocket(headers):
        return _message(426, "this is a WebSocket: connect with a WebSocket client", Upgrade="websocket")
    if state.draining:
        state.metrics.refused.add("draining")
        return _message(503, "the gateway is about to stop", **{"Retry-After": "5"})
    if not state.has_room():
        state.metrics.refused.add("connections")
        return _message(503, "too many connections", **{"Retry-After": "5"})
    return None


def _wants_websocket(headers: Headers) -> bool:
    return any(token.strip().lower() == "websocket" for value in headers.get_all("Upgrade") for token in value.split(","))


def _healthz(_state: HttpState) -> Page:
    return Page(200, b"ok\n")


def _readyz(state: HttpState) -> Page:
    """Ready means that every model serves that should; one whose optional package is not installed need not."""
    models = [{key: model[key] for key in ("name", "version", "state", "error") if key in model} for model in state.models()]
    states = {model["state"] for model in models}
    ready = "ready" in states and states <= {"ready", "not_installed"} and not state.draining
    return _json(200 if ready else 503, {"ready": ready, "draining": state.draining, "models": models})


def _models(state: HttpState) -> Page:
    return _json(200, {"models": list(state.models())})


def _metrics(state: HttpState) -> Page:
    return Page(200, state.exposition.text(), CONTENT_TYPE)


_PAGES: dict[str, Callable[[HttpState], Page]] = {
    "/healthz": _healthz,
    "/readyz": _readyz,
    "/models": _models,
    "/metrics": _metrics,
}


def _json(status: int, value: object) -> Page:
    return Page(status, msgspec.json.encode(value) + b"\n", _JSON)


def _message(status: int, text: str, **headers: str) -> Page:
    return Page(status, f"{text}\n".encode(), headers=headers)


def _response(page: Page, method: str, origin: str | None) -> Response:
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            **page.headers,
        }
    )
    if page.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers["Content-Type"] = page.content_type
        headers["Content-Length"] = str(len(page.body))
    if origin is not None:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Vary"] = "Origin"
    body = b"" if method == "HEAD" else page.body
    return Response(page.status, HTTPStatus(page.status).phrase, headers, body)
