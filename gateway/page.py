"""An HTTP answer before the headers that every answer has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer before its headers.

    Attributes:
        status: HTTP status.
        body: what a GET is sent; a HEAD is told its length.
        content_type: of the body.
        headers: further headers.
    """

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)
