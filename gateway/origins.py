"""Grammar of hosts and web origins: text in, canonical parts out. It knows nothing of what is allowed (see ``access``).

What a browser may send is narrow, so everything outside of it is no host at all: user names, paths, several values in one
header, an empty port, zone ids, non-ASCII letters, and the spellings of IPv4 addresses that only some parsers take for one.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_NUMBERS = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")
_ORIGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>.+)")
DEFAULT_PORTS = {"http": 80, "https": 443}


class Host(NamedTuple):
    """A host in lower case (IPv6 compressed, without brackets) and its port, None when none was written."""

    name: str
    port: int | None


class Origin(NamedTuple):
    """A web origin; ``port`` is the scheme's own when none was written."""

    scheme: str
    name: str
    port: int | None


def parse_host(text: str) -> Host | None:
    """Read ``name``, ``name:port``, ``[v6]`` or ``[v6]:port``; None for anything else."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    name = _ipv6(match["v6"]) if match["v6"] else _name(match["name"])
    port = int(match["port"]) if match["port"] else None
    if name is None or (port is not None and not 0 < port < 65536):
        return None
    return Host(name, port)


def parse_origin(text: str) -> Origin | None:
    """Read ``scheme://host`` or ``scheme://host:port``; None for anything else, ``null`` too."""
    match = _ORIGIN.fullmatch(text)
    host = parse_host(match["authority"]) if match else None
    if match is None or host is None:
        return None
    scheme = match["scheme"].lower()
    return Origin(scheme, host.name, host.port or DEFAULT_PORTS.get(scheme))


def address_of(name: str) -> IPv4Address | IPv6Address | None:
    """Give the address that a canonical name spells, None when it is a name."""
    try:
        return ip_address(name)
    except ValueError:
        return None


def _ipv6(text: str) -> str | None:
    try:
        return IPv6Address(text).compressed
    except ValueError:
        return None


def _name(text: str) -> str | None:
    # As in the URL standard: a last label that is a number makes it an IPv4 address, or nothing ("127.1", "0x7f.1").
    if _NUMBERS.fullmatch(text) and address_of(text) is None:
        return None
    return None if text.startswith(".") or ".." in text else text.lower()
