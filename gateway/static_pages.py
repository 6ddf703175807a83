"""The built pages: files of a folder, read once when the gateway starts, as answers to requests. No sockets, no templates.

``NAME.html`` is the page ``/NAME``, ``index.html`` is ``/``. What lies in ``assets/`` has its content's hash in its name, so
a browser may keep it for good; everything else is asked for again, and answered with 304 while it is the same.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .page import HTML, TEXT, Page
from .page_policy import page_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from websockets.datastructures import Headers

FOLDER = Path(__file__).parent / "pages"

_MAX_FILES = 256
_MAX_BYTES = 16 * 1024 * 1024  # of all of them: they stay in memory
_WORTH_PACKING = 1024
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": HTML,
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": TEXT,
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_PACKED_ALREADY = {".png", ".webp", ".woff2"}

_log = logging.getLogger("tidegate.gateway")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that is served.

    Attributes:
        body: its bytes.
        packed: the same in gzip, None if that gains nothing.
        digest: tells its content from any other.
        content_type: for browsers.
        cache_control: how long they may keep it.
    """

    body: bytes
    packed: bytes | None
    digest: str
    content_type: str
    cache_control: str

    def answer(self, headers: Headers) -> Page:
        """Answer a request with these headers: whole, in gzip, or by saying that the browser has it."""
        packed = self.packed if self.packed and _takes_gzip(headers) else None
        etag = f'"{self.digest}-gzip"' if packed else f'"{self.digest}"'
        extra = {"Cache-Control": self.cache_control, "ETag": etag, "Vary": "Accept, Accept-Encoding"}
        if self.content_type == HTML:
            extra |= page_policy(headers.get("Host", ""))
        if not {etag, "*"}.isdisjoint(_held(headers)):
            return Page(304, b"", headers=extra)
        if packed:
            extra["Content-Encoding"] = "gzip"
        return Page(200, packed or self.body, self.content_type, extra)


def load(folder: Path = FOLDER) -> Mapping[str, StaticFile]:
    """Read the built pages by the path that each has on this gateway; none if they are not built. It blocks.

    A folder beyond the bounds is not served at all: half of a page is worse than none.
    """
    try:
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES and path.is_file()]
        if len(paths) > _MAX_FILES or sum(path.stat().st_size for path in paths) > _MAX_BYTES:
            _log.warning("the pages in %s are not served: more than %d files or %d bytes", folder, _MAX_FILES, _MAX_BYTES)
            return {}
        return dict(_read(folder, paths))
    except OSError as error:
        _log.warning("the pages in %s are not served: %s", folder, error)
        return {}


def _read(folder: Path, paths: list[Path]) -> Iterator[tuple[str, StaticFile]]:
    for path in paths:
        inside = path.relative_to(folder)
        body = path.read_bytes()
        packed = gzip.compress(body, mtime=0) if len(body) >= _WORTH_PACKING and path.suffix not in _PACKED_ALREADY else b""
        yield (
            _target(inside),
            StaticFile(
                body,
                packed if packed and len(packed) < len(body) else None,
                hashlib.sha256(body).hexdigest()[:24],
                _TYPES[path.suffix],
                _FOR_GOOD if inside.parts[0] == "assets" else _ASK_AGAIN,
            ),
        )


def _target(inside: Path) -> str:
    name = inside.as_posix()
    return "/" + ("" if name == "index.html" else name.removesuffix(".html"))


def _takes_gzip(headers: Headers) -> bool:
    offers = [offer.replace(" ", "").lower() for offer in ",".join(headers.get_all("Accept-Encoding")).split(",")]
    # Nought may have up to three digits behind the point (RFC 9110 §12.4.2).
    return any(
        name == "gzip" and quality.rstrip("0") not in ("q=", "q=0.") for name, _, quality in (o.partition(";") for o in offers)
    )


def _held(headers: Headers) -> set[str]:
    """Give the tags of what the browser has; a comparison for a GET is a weak one."""
    tags = ",".join(headers.get_all("If-None-Match")).split(",")
    return {tag.strip().removeprefix("W/") for tag in tags}
