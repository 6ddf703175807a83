"""Who may talk to this gateway, judged by ``Host`` and ``Origin``: headers in, a refusal or None out; no I/O, no settings.

A WebSocket handshake is not covered by CORS, so without these checks any web page could drive a gateway on the reader's
own machine. Two attacks are stopped:

1. *cross-site*: a page of another origin connects. Browsers say so in ``Origin``, which pages cannot forge;
2. *DNS rebinding*: a page of ``evil.example`` lets that name point here, so that it is its own origin. Its ``Host`` is still
   ``evil.example``; no name is taken that nobody allowed. An address in ``Host`` cannot be rebound.

Programs that are not browsers send no ``Origin`` and are let through: this is no login.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .origins import DEFAULT_PORTS, Host, Origin, address_of, parse_host, parse_origin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from websockets.datastructures import Headers

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served.

    Attributes:
        status: HTTP status, 400 (malformed) or 403.
        reason: label for metrics.
        message: one line for the person who asks.
    """

    status: Literal[400, 403]
    reason: Literal["host", "origin"]
    message: str


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host that the operator allowed: any port when ``port`` is None, its subdomains too when ``subdomains``."""

    name: str
    port: int | None
    subdomains: bool

    def matches(self, host: Host) -> bool:
        """Say whether ``host`` is meant."""
        if self.port not in (None, host.port):
            return False
        return host.name == self.name or (self.subdomains and host.name.endswith("." + self.name))


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one listening gateway.

    Attributes:
        name: canonical name or address that it listens on.
        port: the port it really listens on.
        loopback: whether only this machine can reach it.
        everywhere: whether it listens on all addresses.
        hosts: what the operator allowed besides.
        origins: web origins that the operator allowed.
        null_origin: whether he allowed ``Origin: null`` (files and sandboxed frames) too.
    """

    name: str
    port: int
    loopback: bool
    everywhere: bool
    hosts: tuple[AllowedHost, ...]
    origins: frozenset[Origin]
    null_origin: bool

    def refusal(self, headers: Headers) -> Refusal | None:
        """Judge a request by its headers; None lets it pass."""
        hosts = headers.get_all("Host")
        host = parse_host(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            return Refusal(400, "host", "exactly one valid Host header is needed")
        if not self.allows_host(host):
            return Refusal(403, "host", "this Host is not served here; the operator can allow it with --allow-host")
        return self._refused_origin(headers.get_all("Origin"), host)

    def allows_host(self, host: Host) -> bool:
        """Say whether a request may be addressed to ``host``."""
        if host.name == self.name and (host.port or 80) == self.port:
            return True
        if self.loopback and host.name in _LOOPBACK_NAMES:
            return True
        if self.everywhere and (host.name == "localhost" or address_of(host.name)):
            return True
        return any(allowed.matches(host) for allowed in self.hosts)

    def allowed_origin(self, headers: Headers) -> str | None:
        """Give the request's origin, as it was written, if the operator allowed it by name: what CORS headers repeat."""
        origins = headers.get_all("Origin")
        return origins[0] if len(origins) == 1 and self._is_listed(origins[0]) else None

    def _refused_origin(self, origins: list[str], host: Host) -> Refusal | None:
        if len(origins) > 1:
            return Refusal(400, "origin", "at most one Origin header may be sent")
        if not origins or self._is_listed(origins[0]) or _is_same(parse_origin(origins[0]), host):
            return None
        return Refusal(403, "origin", "this Origin may not connect; the operator can allow it with --allow-origin")

    def _is_listed(self, text: str) -> bool:
        return self.null_origin if text == "null" else parse_origin(text) in self.origins


def access(host: str, port: int, allow_hosts: Iterable[str] = (), allow_origins: Iterable[str] = ()) -> Access:
    """Make the rules of a gateway that listens on ``host`` and (really) on ``port``.

    Raises:
        ValueError: when an allowed host or origin is malformed; one clear line.
    """
    listed = tuple(allow_origins)
    name = _canonical(host)
    address = address_of(name)
    return Access(
        name=name,
        port=port,
        loopback=name == "localhost" or bool(address and address.is_loopback),
        everywhere=not name or bool(address and address.is_unspecified),
        hosts=tuple(parse_allowed_host(text) for text in allow_hosts),
        origins=frozenset(parse_allowed_origin(text) for text in listed if text != "null"),
        null_origin="null" in listed,
    )


def parse_allowed_host(text: str) -> AllowedHost:
    """Read ``NAME``, ``NAME:PORT`` or ``.DOMAIN`` (with all its subdomains).

    Raises:
        ValueError: when it is none of them.
    """
    host = parse_host(text.removeprefix("."))
    if host is None:
        raise ValueError(f"expected a host such as gateway.example, gateway.example:8000 or .example, got {text!r}")
    return AllowedHost(host.name, host.port, subdomains=text.startswith("."))


def parse_allowed_origin(text: str) -> Origin:
    """Read ``scheme://host[:port]``.

    Raises:
        ValueError: when it is something else.
    """
    origin = parse_origin(text)
    if origin is None:
        raise ValueError(f"expected an origin such as https://app.example or http://localhost:5173, got {text!r}")
    return origin


def _canonical(host: str) -> str:
    bare = host.removeprefix("[").removesuffix("]")
    parsed = parse_host(f"[{bare}]" if ":" in bare else bare)
    return parsed.name if parsed else bare.lower()


def _is_same(origin: Origin | None, host: Host) -> bool:
    # The scheme is not compared: behind a TLS proxy the page is https and the request that arrives here is not.
    return (
        origin is not None
        and origin.scheme in DEFAULT_PORTS
        and (origin.name, origin.port) == (host.name, host.port or DEFAULT_PORTS[origin.scheme])
    )
