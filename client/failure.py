"""Why a connection could not be made or was lost, in one sentence, and whether trying again can help. It tries nothing."""

from __future__ import annotations

import ssl

from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus

from tidegate.errors import ConnectionLost

_TERMINAL_CODES = {
    1002,  # protocol error
    1003,  # unsupported data
    1007,  # invalid data
    1008,  # policy violation
    1009,  # message too big: sent again, it would still be
}
_PASSING_STATUSES = {429, 500, 502, 503, 504}
_NO_CLOSE_FRAME = 1006


def is_terminal(code: int) -> bool:
    """Tell whether a close code means that the server does not want this client back."""
    return code in _TERMINAL_CODES or 4500 <= code <= 4999


def lost_reason(code: int, reason: str, *, by_us: bool = False) -> str:
    """Say how an open connection ended; ``by_us`` if this end closed it."""
    told = f": {reason}" if reason else ""
    if code == _NO_CLOSE_FRAME:
        return f"cut without a close frame{told}"
    return f"closed by {'this client' if by_us else 'the gateway'} with code {code}{told}"


def open_failure(url: str, error: Exception, open_timeout: float) -> tuple[str, bool]:
    """Say why an attempt to connect failed, and whether another would fail as well."""
    match error:
        case ConnectionLost():
            return f"{url}: {error.message}", not error.retryable
        case ssl.SSLCertVerificationError():
            return f"{url}: the certificate does not verify: {error}", True
        case TimeoutError():
            return f"no gateway answered at {url} within {open_timeout:g} s", False
        case InvalidStatus():
            return _status_failure(url, error)
        case InvalidMessage() if isinstance(error.__cause__, EOFError):
            return f"{url}: the connection was closed during the handshake", False
        case InvalidHandshake():
            return f"what answers at {url} is not a Tidegate gateway: {error}", True
        case OSError():
            return f"cannot reach a gateway at {url}: {error}", False
    return f"cannot connect to {url}: {error!r}", True


def _status_failure(url: str, error: InvalidStatus) -> tuple[str, bool]:
    status = error.response.status_code
    body = bytes(error.response.body or b"").decode(errors="replace").strip().partition("\n")[0][:200]
    return f"{url} refused the connection with HTTP {status}{': ' if body else ''}{body}", status not in _PASSING_STATUSES
