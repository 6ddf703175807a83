"""Claims about Host and Origin: who may talk to a gateway."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.datastructures import Headers

from tidegate.gateway.access import Access, access, parse_allowed_host
from tidegate.gateway.origins import parse_host, parse_origin

LOCAL = access("127.0.0.1", 8000)
ME = "127.0.0.1:8000"


def status(rules: Access, host: str | None = ME, *origins: str) -> int:
    headers = Headers() if host is None else Headers(Host=host)
    for origin in origins:
        headers["Origin"] = origin
    refusal = rules.refusal(headers)
    return refusal.status if refusal else 200


LOOPBACK = ["127.0.0.1:8000", "localhost:8000", "LocalHost", "localhost:1234", "[::1]:8000", "[0:0:0:0:0:0:0:1]", "127.0.0.1"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_names_are_served_on_any_port(host: str) -> None:
    """A gateway on loopback answers to localhost, 127.0.0.1 and [::1] on any port, since ports get forwarded."""
    assert status(LOCAL, host) == 200


REBOUND = ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2", "[::2]:8000"]


@pytest.mark.parametrize("host", REBOUND)
def test_a_rebound_name_is_refused(host: str) -> None:
    """A name that somebody pointed at this machine is forbidden, however much it looks like localhost."""
    assert status(LOCAL, host) == 403


TRICKS = [
    "",
    "localhost:",
    "localhost:0",
    "localhost:65536",
    "localhost:\xb2",
    "localhost:8000@evil.example",
    "evil.example@localhost:8000",
    "localhost:8000, evil.example",
    "localhost evil.example",
    "localhost/evil.example",
    "localhost#evil.example",
    "localhost?evil.example",
    "localhost\\evil.example",
    "localhost%00.evil.example",
    ".localhost",
    "localhost..",
    "[::1",
    "::1",
    "[::1%25eth0]",
    "[fe80::1%lo]",
    "[127.0.0.1]",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "0177.0.0.1",
    "l\xf6calhost",
]


@pytest.mark.parametrize("host", TRICKS)
def test_a_malformed_host_is_a_bad_request(host: str) -> None:
    """User names, lists, odd ports, other spellings of an address and look-alike letters make no valid Host."""
    assert status(LOCAL, host) == 400


def test_exactly_one_host_is_needed() -> None:
    """A request without Host, or with two of them, is a bad request even when each would be allowed."""
    twice = Headers([("Host", ME), ("host", ME)])
    refusal = LOCAL.refusal(twice)
    assert status(LOCAL, None) == 400
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (400, "host")


def test_same_origin_and_no_origin_pass() -> None:
    """Programs, which send no Origin, and the gateway's own pages may connect, behind a TLS proxy too."""
    proxied = access("127.0.0.1", 8000, allow_hosts=["gw.example"])
    assert status(LOCAL) == 200
    assert status(LOCAL, ME, "http://127.0.0.1:8000") == 200
    assert status(LOCAL, "localhost:8000", "HTTP://LOCALHOST:8000") == 200
    assert status(LOCAL, "localhost", "http://localhost:80") == 200
    assert status(proxied, "gw.example", "https://gw.example") == 200


FOREIGN = [
    "https://evil.example",
    "http://127.0.0.1:8001",
    "http://127.0.0.1",
    "http://localhost:8000",
    "http://127.0.0.1:8000@evil.example",
    "http://127.0.0.1:8000.evil.example",
    "http://127.0.0.1:8000/",
    "http://127.0.0.1:8000 http://evil.example",
    "ftp://127.0.0.1:8000",
    "chrome-extension://127.0.0.1:8000",
    "127.0.0.1:8000",
    "//127.0.0.1:8000",
    "null",
    "NULL",
    "",
    "*",
    "file://",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_another_origin_is_refused(origin: str) -> None:
    """A page of any other origin, ``null`` among them, is forbidden unless the operator allowed it."""
    assert status(LOCAL, ME, origin) == 403


def test_two_origins_are_a_bad_request() -> None:
    """Of two Origin headers none is believed."""
    assert status(LOCAL, ME, "http://127.0.0.1:8000", "http://127.0.0.1:8000") == 400


def test_allowed_origins_pass_and_only_they() -> None:
    """An allowed origin is compared by scheme, host and port; default ports may be written or not."""
    rules = access(
        "127.0.0.1", 8000, allow_origins=["https://App.Example:443", "http://localhost:5173", "chrome-extension://abc"]
    )
    for origin in ("https://app.example", "https://app.example:443", "http://localhost:5173", "chrome-extension://abc"):
        assert status(rules, ME, origin) == 200
        assert rules.allowed_origin(Headers(Origin=origin)) == origin
    for origin in ("http://app.example", "https://app.example:8443", "https://x.app.example", "http://localhost:5174", "null"):
        assert status(rules, ME, origin) == 403
        assert rules.allowed_origin(Headers(Origin=origin)) is None


def test_null_passes_only_when_it_is_allowed() -> None:
    """``Origin: null`` can be sent by any sandboxed frame, so it must be allowed by name."""
    assert status(access("127.0.0.1", 8000, allow_origins=["null"]), ME, "null") == 200


def test_an_allowed_origin_does_not_excuse_the_host() -> None:
    """The Host is checked before the Origin, so that a rebound page gains nothing from an allowed one."""
    assert (
        status(access("127.0.0.1", 8000, allow_origins=["https://app.example"]), "evil.example", "https://app.example") == 403
    )


def test_allowed_hosts() -> None:
    """An allowed host is a name on any port, a name on one port, or a domain with all below it."""
    rules = access("127.0.0.1", 8000, allow_hosts=["gw.example", "one.example:8443", ".inner.example", "[fd00::1]"])
    for host in ("gw.example:1", "GW.example", "one.example:8443", "inner.example", "a.b.inner.example:9", "[FD00:0::1]:80"):
        assert status(rules, host) == 200
    for host in ("x.gw.example", "one.example", "one.example:1", "dinner.example", "[fd00::2]"):
        assert status(rules, host) == 403


def test_bound_to_one_address_only_that_is_served() -> None:
    """A gateway on one address of the network answers to that address and port; localhost is not it."""
    rules = access("192.168.1.5", 8000)
    assert status(rules, "192.168.1.5:8000") == 200
    assert status(rules, "192.168.1.5") == 403
    assert status(rules, "localhost:8000") == 403
    assert status(access("192.168.1.5", 80), "192.168.1.5") == 200


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "[::]", ""])
def test_bound_to_everything_addresses_are_served_and_names_are_not(bound: str) -> None:
    """On all addresses any address in Host is fine, since only names can be rebound."""
    rules = access(bound, 8000)
    assert status(rules, "10.1.2.3:30080") == status(rules, "[fd00::7]:8000") == status(rules, "localhost:8000") == 200
    assert status(rules, "evil.example:8000") == 403


@pytest.mark.parametrize("bound", ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "::1", "[::1]"])
def test_every_spelling_of_loopback_is_loopback(bound: str) -> None:
    """However the operator writes a loopback address, it is taken for one."""
    assert access(bound, 8000).loopback
    assert status(access(bound, 8000), "localhost:8000") == 200


@pytest.mark.parametrize("text", ["*", "", ".", "https://gw.example", "a b", "gw.example:x", "user@gw.example"])
def test_a_malformed_allowed_host_is_refused(text: str) -> None:
    """What is no host cannot be allowed, and the error shows it."""
    with pytest.raises(ValueError, match="expected a host") as caught:
        parse_allowed_host(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["*", "", "app.example", "https://", "https://app.example/", "https://*.example"])
def test_a_malformed_allowed_origin_is_refused(text: str) -> None:
    """What is no origin cannot be allowed, and the error shows it."""
    with pytest.raises(ValueError, match="expected an origin") as caught:
        access("127.0.0.1", 8000, allow_origins=[text])
    assert repr(text) in str(caught.value)


PARTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "evil.example",
    "80",
    ":",
    "@",
    ".",
    "/",
    "#",
    "?",
    "%",
    ",",
    " ",
    "http://",
    "\\",
    "[",
]
sendable = st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"])
fragments = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)


@given(fragments | st.text(max_size=30))
@example("127.0.0.1:80")
def test_a_host_that_passes_is_ours_for_another_parser_too(text: str) -> None:
    """Whatever is pasted together, what passes is one of our names in the standard library's reading, and nothing raises."""
    host = parse_host(text)
    if host is not None and LOCAL.allows_host(host):
        url = urlsplit(f"http://{text}")
        assert url.hostname in ("localhost", "127.0.0.1", "::1")
        assert (url.port, url.username, url.path, url.query, url.fragment) == (host.port, None, "", "", "")


@given(fragments | st.text(sendable, max_size=30))
@example("http://127.0.0.1:8000")
def test_an_origin_that_passes_is_ours_for_another_parser_too(text: str) -> None:
    """What passes as same origin is the same host and port in the standard library's reading of the URL."""
    if LOCAL.refusal(Headers([("Host", ME), ("Origin", text)])) is None:
        url = urlsplit(text)
        assert (url.hostname, url.port, url.username, url.path, url.query) == ("127.0.0.1", 8000, None, "", "")


@given(st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5}){0,2}", fullmatch=True), st.none() | st.integers(1, 65535))
def test_hosts_and_origins_read_back(name: str, port: int | None) -> None:
    """An ordinary name with or without a port is read as what it says, in any case of letters."""
    text = name if port is None else f"{name}:{port}"
    assert parse_host(text.upper()) == (name, port)
    assert parse_origin(f"HTTPS://{text}") == ("https", name, port or 443)
