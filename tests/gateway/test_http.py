"""Claims about plain HTTP on the WebSocket's port, from bytes to bytes but without a socket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, cast

import pytest
from websockets.server import ServerProtocol

from tidegate.gateway.access import access
from tidegate.gateway.http import HttpState, process_request
from tidegate.gateway.metrics import Gauges, Metrics
from tidegate.gateway.static_pages import StaticFile

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

DIGITS = {"name": "digits", "version": "1", "state": "ready", "inputs": [], "outputs": []}
BROKEN = {"name": "broken", "version": "2", "state": "failed", "error": "not an ONNX file"}
ABSENT = {"name": "pitch", "state": "not_installed", "error": "needs: pip install 'tidegate[demo]'"}
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}


def make_state(*models: dict[str, Any], origins: tuple[str, ...] = (), **options: Any) -> HttpState:
    served = models or (DIGITS,)
    rules = access("127.0.0.1", 8000, allow_origins=origins)
    return HttpState(rules, lambda: served, Metrics(["digits"], lambda: Gauges(compute_slots=2)), **options)


class Bytes(io.BytesIO):
    def makefile(self, _mode: str) -> Bytes:
        return self


def exchange(state: HttpState, target: str, method: str = "GET", **headers: str) -> HTTPResponse | None:
    """Send a request through the library's own parser and read the answer with the standard library's."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in {"Host": "localhost:8000", **headers}.items() if value]
    protocol = ServerProtocol()
    protocol.receive_data(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    (request,) = protocol.events_received()
    response = answer(state, cast("Request", request))
    if response is None:
        return None
    protocol.send_response(response)
    parsed = HTTPResponse(cast("Any", Bytes(b"".join(protocol.data_to_send()))), method=method)
    parsed.begin()
    return parsed


def answer(state: HttpState, request: Request) -> Response | None:
    async def run() -> Response | None:
        found = process_request(state)(cast("ServerConnection", None), request)
        return await found if isinstance(found, Awaitable) else found

    return asyncio.run(run())


def get(state: HttpState, target: str, method: str = "GET", **headers: str) -> HTTPResponse:
    response = exchange(state, target, method, **headers)
    assert response is not None
    return response


def test_healthz_says_that_the_gateway_is_alive() -> None:
    """While the process answers at all, /healthz is 200, in a drain and with failed models too."""
    response = get(make_state(BROKEN, draining=True), "/healthz")
    assert (response.status, response.read()) == (200, b"ok\n")


READINESS = [
    ((DIGITS,), False, 200),
    ((DIGITS, ABSENT), False, 200),
    ((DIGITS, BROKEN), False, 503),
    ((ABSENT,), False, 503),
    ((DIGITS,), True, 503),
]


@pytest.mark.parametrize(("models", "draining", "status"), READINESS)
def test_readyz_needs_every_model_that_should_serve(models: tuple[dict[str, Any], ...], draining: bool, status: int) -> None:
    """Ready is: something serves, nothing failed, no drain; a model whose extra is not installed is not missed."""
    response = get(make_state(*models, draining=draining), "/readyz")
    body = json.loads(response.read())
    assert (response.status, body["ready"], body["draining"]) == (status, status == 200, draining)
    assert [model["name"] for model in body["models"]] == [model["name"] for model in models]


def test_readyz_tells_why_a_model_failed() -> None:
    """The list names the failed model with its version and its error."""
    body = json.loads(get(make_state(DIGITS, BROKEN), "/readyz").read())
    assert body["models"] == [{"name": "digits", "version": "1", "state": "ready"}, BROKEN]


def test_models_are_listed_as_they_are_described() -> None:
    """/models is the list that the models message carries; a query changes nothing."""
    response = get(make_state(DIGITS, BROKEN), "/models?x=1")
    assert json.loads(response.read()) == {"models": [DIGITS, BROKEN]}
    assert response.headers["Content-Type"] == "application/json"


def test_metrics_are_sampled_and_written() -> None:
    """/metrics looks the gauges up at the time of asking and answers in Prometheus' text format."""
    response = get(make_state(), "/metrics")
    assert b"\ntidegate_compute_slots 2.0\n" in response.read()
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_the_index_names_every_path_that_answers() -> None:
    """Each path named on the page at / is answered with something else than 404."""
    page = get(make_state(), "/").read().decode()
    paths = [line.split()[0] for line in page.splitlines() if line.startswith("/")]
    assert set(paths) == {"/v1", "/models", "/readyz", "/healthz", "/metrics"}
    assert all(get(make_state(), path).status in (200, 426) for path in paths)


@pytest.mark.parametrize(
    "target", ["/nothing", "/healthz/", "/HEALTHZ", "//healthz", "/v1/", "http://localhost:8000/healthz", "*"]
)
@pytest.mark.parametrize("upgrade", [{}, UPGRADE])
def test_other_paths_are_not_found(target: str, upgrade: dict[str, str]) -> None:
    """Only the exact paths exist, for a WebSocket too; the answer says where it is."""
    response = get(make_state(), target, **upgrade)
    assert response.status == 404
    assert b"/v1" in response.read()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_other_methods_are_not_allowed(method: str) -> None:
    """Only GET and HEAD are answered, and the refusal says so in Allow; on the WebSocket's path only GET."""
    assert (get(make_state(), "/models", method).status, get(make_state(), "/v1", method, **UPGRADE).status) == (405, 405)
    assert get(make_state(), "/models", method).headers["Allow"] == "GET, HEAD"
    assert get(make_state(), "/v1", method).headers["Allow"] == "GET"


@pytest.mark.parametrize("target", ["/", "/healthz", "/readyz", "/models", "/nothing"])
def test_head_is_a_get_without_its_body(target: str) -> None:
    """HEAD has the status and the length of GET, and sends nothing after the headers."""
    whole, head = get(make_state(), target), get(make_state(), target, "HEAD")
    assert (head.status, head.headers["Content-Length"]) == (whole.status, str(len(whole.read())))
    assert head.fp.read() == b""


@pytest.mark.parametrize("target", ["/", "/healthz", "/readyz", "/models", "/metrics", "/nothing", "/v1"])
def test_no_answer_is_kept_guessed_or_embedded(target: str) -> None:
    """Every answer has its length, closes the connection and forbids caching, sniffing and embedding by other origins."""
    headers = get(make_state(), target).headers
    assert int(headers["Content-Length"]) > 0
    assert headers["Connection"] == "close"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_only_allowed_origins_may_read() -> None:
    """CORS repeats an origin that the operator allowed; without one nothing is said, and a foreign one is refused."""
    state = make_state(origins=("https://app.example",))
    allowed = get(state, "/models", Origin="https://app.example")
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert allowed.headers["Vary"] == "Origin"
    same = get(state, "/models", Origin="http://localhost:8000")
    assert (same.status, same.headers["Access-Control-Allow-Origin"]) == (200, None)
    foreign = get(state, "/models", Origin="https://evil.example")
    assert (foreign.status, foreign.headers["Access-Control-Allow-Origin"]) == (403, None)


def test_a_preflight_of_an_allowed_origin_is_answered() -> None:
    """OPTIONS from an allowed origin gets 204 without a body and the methods that exist."""
    response = get(make_state(origins=("https://app.example",)), "/models", "OPTIONS", Origin="https://app.example")
    assert (response.status, response.read(), response.headers["Content-Length"]) == (204, b"", None)
    assert response.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"


@pytest.mark.parametrize("target", ["/v1", "/v1?token=x", "/healthz", "/nothing"])
@pytest.mark.parametrize(("header", "value"), [("Host", "evil.example"), ("Origin", "https://evil.example")])
def test_strangers_are_refused_everywhere(target: str, header: str, value: str) -> None:
    """A wrong Host or Origin is forbidden on every path, WebSocket or not, and counted by its reason."""
    state = make_state()
    assert get(state, target, **{**UPGRADE, header: value}).status == 403
    assert state.metrics.refused.values[header.lower()] == 1


def test_strangers_do_not_make_the_gateway_look_things_up() -> None:
    """A refused request for /metrics costs no sample."""
    state = make_state()
    assert get(state, "/metrics", Host="evil.example").status == 403
    assert state.metrics.gauges.compute_slots == 0
    assert get(state, "/metrics").status == 200
    assert state.metrics.gauges.compute_slots == 2


@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "h2c, websocket"])
@pytest.mark.parametrize("target", ["/v1", "/v1?x=1"])
def test_a_handshake_goes_on(target: str, upgrade: str) -> None:
    """A WebSocket handshake for /v1 is left to the library, from this origin or from none."""
    assert exchange(make_state(), target, Upgrade=upgrade) is None
    assert exchange(make_state(), target, Upgrade=upgrade, Origin="http://localhost:8000") is None


def test_a_get_of_the_websocket_path_is_told_to_upgrade() -> None:
    """A browser that opens /v1 as a page is told that it is a WebSocket."""
    for headers in ({}, {"Upgrade": "h2c"}):
        response = get(make_state(), "/v1", **headers)
        assert (response.status, response.headers["Upgrade"]) == (426, "websocket")


FULL = [({"draining": True}, "draining"), ({"has_room": lambda: False}, "connections")]


@pytest.mark.parametrize(("options", "reason"), FULL)
def test_a_handshake_that_has_no_place_is_told_to_come_later(options: dict[str, Any], reason: str) -> None:
    """In a drain, or when all connections are taken, a handshake gets 503 with Retry-After, counted; pages still answer."""
    state = make_state(**options)
    response = get(state, "/v1", **UPGRADE)
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert state.metrics.refused.values[reason] == 1
    assert get(state, "/metrics").status == 200


def test_a_page_is_answered_like_everything_else() -> None:
    """A built page has the headers that all answers have, is kept from other methods, and strangers do not get it."""
    body = b"<h1>dashboard</h1>"
    state = make_state(pages={"/dashboard": StaticFile(body, None, "abc", "text/html; charset=utf-8", "no-cache")})
    page = get(state, "/dashboard?model=digits")
    assert (page.status, page.read()) == (200, body)
    assert (page.headers["Cache-Control"], page.headers["ETag"]) == ("no-cache", '"abc"')
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert get(state, "/dashboard", "HEAD").headers["Content-Length"] == str(len(body))
    assert get(state, "/dashboard", "POST").status == 405
    assert get(state, "/dashboard", Host="evil.example").status == 403


def test_what_has_not_changed_has_no_body() -> None:
    """304 says neither type nor length: there is nothing."""
    state = make_state(pages={"/a.js": StaticFile(b"1", None, "abc", "text/javascript", "no-cache")})
    answer = get(state, "/a.js", If_None_Match='"abc"')
    assert (answer.status, answer.read()) == (304, b"")
    assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == (None, None)
